"""Many contents on their way into one pack: two processes hash and compress beside this one.

One computes the ids, in the order in which the contents are offered: while an archive is still
being parsed. This one drops what the store has already. The other compresses the rest, appends it
to the pack and starts its way to the disk. Each reads the bytes for itself; their CRCs tell when
the source has changed between the two.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from contextlib import ExitStack

from lxgit.fsutil import write_all
from lxgit.objects.collisions import CollisionAttack, hash_foreign
from lxgit.objects.content import SourceChanged, from_job
from lxgit.objects.helper import Helper, pack_error, pump, unpack_error
from lxgit.objects.ids import ObjectID, ObjectType, hash_trusted, object_header
from lxgit.objects.inflate import compress_hastily, crc32, deflater
from lxgit.objects.libgit2 import libgit2
from lxgit.objects.packwriter import STREAM_FROM, entry_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

    from lxgit.objects.content import Content
    from lxgit.objects.packwriter import PackWriter
    from lxgit.progress import Progress

CHECK_FROM = 64 << 20
"""Bytes: libgit2 has smaller blobs whole in memory; larger ones Git checks as a stream."""

_BATCH = 64
_BATCH_BYTES = 1 << 20
_TO_DISK = 8 << 20


class Intake:
    """Writes contents as blobs of `writer`'s pack; the processes run as long as its `with`.

    `sources` are the file descriptors that the contents are read from, `writer` not used before.
    """

    def __init__(self, writer: PackWriter, *sources: int) -> None:
        self._writer = writer
        pack = writer.lend(self)
        # The packer has more to do, and can begin only behind the hasher.
        hasher = _Hasher(trusted=writer.trusted)
        self._hasher = Helper(hasher, keeps=sources, nice=3, prepare=hasher.prepare)
        self._packer = Helper(_Packer(pack), keeps=(*sources, pack))
        self._to_hash = _Queue(self._hasher)
        self._to_pack = _Queue(self._packer)
        self._offered: list[Content] = []
        self._numbers: dict[int, int] = {}  # by the id() of a content
        self._ids: list[ObjectID] = []
        self._packing: deque[tuple[ObjectID, int, int]] = deque()  # its id, CRC and size
        self._progress: Progress | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._hasher)
            stack.enter_context(self._packer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def offer(self, content: Content) -> None:
        """Begin to hash a content that will probably be taken."""
        if id(content) in self._numbers:
            return
        self._numbers[id(content)] = len(self._offered)
        self._offered.append(content)
        if self._to_hash.add(content):
            self._pump()

    def take(self, contents: Iterable[Content], progress: Progress) -> None:
        """Bring contents into the pack; returns when their ids are known.

        Progress is told in bytes. CollisionAttack, SourceChanged, OSError; HelperFailed.
        """
        self._progress = progress
        wanted = set()
        for content in contents:
            self.offer(content)
            wanted.add(self._numbers[id(content)])
        self._to_hash.flush()
        while len(self._ids) < len(self._offered):
            if not self._hasher.answers:
                self._to_pack.flush()
                self._pump(wait=True)
                continue
            answer = self._hasher.answers.popleft()
            number = len(self._ids)
            if number in wanted:
                self._ids.append(self._take_one(self._offered[number], answer))
            else:
                self._ids.append(ObjectID(b""))  # something else has taken its place
        self._to_pack.flush()
        self._pump()

    def oid(self, content: Content) -> ObjectID:
        """The id of a content that has been taken."""
        return self._ids[self._numbers[id(content)]]

    def rest(self) -> Iterator[None]:
        """Wait until all is in the pack; gives way as it gets there. Errors as of `take`."""
        while self._packing:
            self._pump(wait=True)
            yield

    def _take_one(self, content: Content, answer: bytes | tuple[ObjectID, int]) -> ObjectID:
        if isinstance(answer, bytes):
            raise unpack_error(answer)
        oid, crc = answer
        if not self._writer.expect(oid):
            self._advance(content.size)
            return oid
        self._packing.append((oid, crc, content.size))
        if self._to_pack.add(content):
            self._pump()
        return oid

    def _pump(self, *, wait: bool = False) -> None:
        pump((self._hasher, self._packer), wait=wait)
        while self._packer.answers:
            length, crc, seen = self._packer.answers.popleft()
            oid, expected, size = self._packing.popleft()
            if seen != expected:
                raise SourceChanged("the source changed while it was read")
            unchecked = size > CHECK_FROM and not self._writer.trusted
            self._writer.appended(oid, length, crc, unchecked=unchecked)
            self._advance(size)

    def _advance(self, size: int) -> None:
        if self._progress is not None:
            self._progress.advance(size)


class _Queue:
    """Jobs for a helper, given in batches."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._jobs: list[Any] = []
        self._bytes = 0

    def add(self, content: Content) -> bool:
        """Queue one; true when a batch has been given away."""
        self._jobs.append(content.job())
        self._bytes += content.size
        if self._bytes < _BATCH_BYTES and len(self._jobs) < _BATCH:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Give what is queued."""
        if self._jobs:
            self._helper.give(self._jobs)
            self._jobs = []
            self._bytes = 0


class _Hasher:
    """The first process: ids, each with the CRC of the content, or what is wrong with it."""

    def __init__(self, *, trusted: bool) -> None:
        self._trusted = trusted

    def prepare(self) -> None:
        """Before the first job is there: 8 ms, in which the archive's first headers are read."""
        if not self._trusted:
            libgit2()

    def __call__(self, jobs: list[Any]) -> list[tuple[bytes, int] | bytes]:
        return [self._answer(job) for job in jobs]

    def _answer(self, job: tuple[Any, ...]) -> tuple[bytes, int] | bytes:
        try:
            content = from_job(job)
            if content.size > CHECK_FROM:
                return _hash_stream(content)
            data = content.whole()
            if self._trusted:
                return hash_trusted(ObjectType.BLOB, data), crc32(data)
            return hash_foreign(data), crc32(data)
        except (CollisionAttack, SourceChanged, OSError) as error:
            return pack_error(error)  # it may be of a content that is not taken in the end


def _hash_stream(content: Content) -> tuple[bytes, int]:
    digest = hashlib.sha1(object_header(ObjectType.BLOB, content.size), usedforsecurity=False)
    crc = 0
    for chunk in content.chunks():
        digest.update(chunk)
        crc = crc32(chunk, crc)
    return digest.digest(), crc


class _Packer:
    """The second: appends each content to the pack; its length there, its CRC there, its own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._parts: list[bytes] = []
        self._unwritten = 0
        self._sent = 0

    def __call__(self, jobs: list[Any]) -> list[tuple[int, int, int]]:
        answers = [self._append(from_job(job)) for job in jobs]
        self._write()
        return answers

    def _append(self, content: Content) -> tuple[int, int, int]:
        header = entry_header(ObjectType.BLOB.value, content.size)
        if content.size > STREAM_FROM:
            return self._append_stream(header, content)
        data = content.whole()
        body = compress_hastily(data)
        return self._put(header) + self._put(body), crc32(body, crc32(header)), crc32(data)

    def _append_stream(self, header: bytes, content: Content) -> tuple[int, int, int]:
        engine, crc, seen = deflater(), crc32(header), 0
        length = self._put(header)
        for chunk in content.chunks():
            part = engine.compress(chunk)
            crc, seen = crc32(part, crc), crc32(chunk, seen)
            length += self._put(part)
            self._write()
        part = engine.flush()
        return length + self._put(part), crc32(part, crc), seen

    def _put(self, part: bytes) -> int:
        self._parts.append(part)
        self._unwritten += len(part)
        return len(part)

    def _write(self) -> None:
        """Write what was put; now and then, have the kernel begin to bring it to the disk."""
        written = os.writev(self._fd, self._parts)
        if written < self._unwritten:
            write_all(self._fd, memoryview(b"".join(self._parts))[written:])
        self._parts.clear()
        self._unwritten = 0
        end = os.lseek(self._fd, 0, os.SEEK_CUR)
        if end - self._sent >= _TO_DISK:
            # What it says is that nobody reads this soon: Linux writes it out, and does not wait
            # (mm/fadvise.c). The fsync at the end then has little left to do.
            os.posix_fadvise(self._fd, self._sent, end - self._sent, os.POSIX_FADV_DONTNEED)
            self._sent = end
