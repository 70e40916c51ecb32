"""Writing objects: one pack for all that belongs together (gitformat-pack(5)).

A pack is durable with three fsyncs, whatever it holds; loose objects would take two each. Its
objects are whole, not deltas: compressing them at level 1 keeps up with the disk, and deltas
are left to `git repack` to find.

Order: data, fsync; `.keep`, so that no gc takes what no ref reaches yet; `.pack`; `.idx`, which is
what makes Git see the pack; fsync of the directory. The caller moves its ref, then releases the
`.keep`. The `.keep` is locked by the process that made it, which is how `sweep` tells one that a
crash left behind.

Ids of foreign content are checked for collision attacks (`collisions`): small blobs by libgit2 once
there are enough of them, large ones by Git while the writing goes on, the rest by Git at the end.

The pack can be lent to another process, which appends blobs to it (`intake`): what this one adds
meanwhile waits in memory, and follows them.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os

from lxgit.fsutil import fsync_directory, write_all
from lxgit.objects.collisions import CollisionCheck, hash_foreign, read_written
from lxgit.objects.content import SourceChanged
from lxgit.objects.ids import READ_LIMIT, ObjectID, ObjectType, hash_trusted, object_header
from lxgit.objects.inflate import compress, crc32, deflater
from lxgit.objects.limits import unreadable
from lxgit.objects.newfile import NewFile
from lxgit.objects.packindex import encode_index
from lxgit.objects.packs import (
    PACK_HEADER,
    PACK_SIGNATURE,
    PACK_VERSION,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Protocol, Self

    from lxgit.objects.database import ObjectDatabase

    class Borrower(Protocol):
        """Who appends to a pack that is lent."""

        def rest(self) -> Iterator[None]:
            """Wait for the rest of what was expected, giving way as it gets there."""


STREAM_FROM = 16 << 20
"""Bytes: smaller blobs are held in memory, larger ones go through in chunks."""

KEEP = b"lxgit\n"
"""The content of a .keep that `sweep` may remove."""

_EXPECTED = (0, 0)
_FLUSH_AT = 1 << 20
_BULK_FROM = 16 << 20
"""Bytes of blobs from which on loading libgit2 is cheaper than inflating them once more."""


class KeptPack:
    """A durable pack that gc leaves alone until `release`, which is called after the ref moved.

    Leaving a `with` releases it as well. Without objects there is no pack, and `path` is None.
    """

    def __init__(self, path: str | None, keep: NewFile | None) -> None:
        self.path = path
        self._keep = keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Remove the `.keep`."""
        if self.path is not None and self._keep is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self.path.removesuffix('.pack')}.keep")
            self._keep.close()
            self._keep = None


class PackWriter:
    """Writes one pack. Leaving its `with` without `finish` leaves nothing behind."""

    def __init__(self, database: ObjectDatabase, *, trusted: bool = False) -> None:
        self._database = database
        self.trusted = trusted
        self._directory = f"{database.git_dir}/objects/pack"
        self._file = NewFile(self._directory)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self._end = 0
        self._index: dict[ObjectID, tuple[int, int]] = {}  # crc32, offset
        self._collisions = CollisionCheck(self._file.fd, self._directory)
        self._blob_bytes = 0
        self._borrower: Borrower | None = None
        self._waiting: list[tuple[ObjectID, bytes, bytes, bool]] = []
        self._write(PACK_HEADER.pack(PACK_SIGNATURE, PACK_VERSION, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._collisions.close()  # before the file that it reads
        self._file.close()

    def __len__(self) -> int:
        """How many objects the pack has so far."""
        return len(self._index)

    def __contains__(self, oid: ObjectID) -> bool:
        return oid in self._index

    def add(self, kind: ObjectType, data: bytes) -> ObjectID:
        """The object's id; it is written unless this pack or the store has it.

        TooLarge beyond READ_LIMIT, whatever it is: what is added whole is read whole.
        """
        if len(data) > READ_LIMIT:
            raise unreadable(f"a {kind.name.lower()}")
        bulk = kind is ObjectType.BLOB and not self.trusted and self._blob_bytes > _BULK_FROM
        oid = hash_foreign(data) if bulk else hash_trusted(kind, data)
        if self._has(oid):
            return oid
        header, body = entry_header(kind.value, len(data)), compress(data)
        unchecked = not (bulk or self.trusted)
        if self._borrower is None:
            self._append(oid, header, body, unchecked=unchecked)
        else:
            self.expect(oid)
            self._waiting.append((oid, header, body, unchecked))
        if kind is ObjectType.BLOB:
            self._blob_bytes += len(data)
        return oid

    def add_stream(self, size: int, chunks: Iterable[bytes]) -> ObjectID:
        """The id of a blob of `size` bytes; above STREAM_FROM it is never whole in memory.

        SourceChanged when the chunks make up another size.
        """
        if size <= STREAM_FROM:
            data = b"".join(chunks)
            if len(data) != size:
                raise SourceChanged(f"{len(data)} bytes came where {size} were announced")
            return self.add(ObjectType.BLOB, data)
        start = self._end
        try:
            oid, crc = self._write_stream(size, chunks)
            if self._has(oid):
                self._cut_back(start)
                return oid
        except BaseException:
            self._cut_back(start)
            raise
        self._index[oid] = crc, start
        if not self.trusted:
            self._flush()
            self._collisions.begin(start, self._end)
        return oid

    def lend(self, borrower: Borrower) -> int:
        """Let another process append to the pack until `finish`, and nobody else.

        Returns the pack's descriptor, its offset at the end.
        """
        self._flush()
        self._borrower = borrower
        return self._file.fd

    def expect(self, oid: ObjectID) -> bool:
        """Note that a blob will be `appended`; false when this pack or the store has it."""
        if self._has(oid):
            return False
        self._index[oid] = _EXPECTED
        return True

    def appended(self, oid: ObjectID, length: int, crc: int, *, unchecked: bool) -> None:
        """The next `length` bytes of the pack are this blob; `unchecked` for collisions."""
        start = self._end
        self._end += length
        self._index[oid] = crc, start
        if unchecked:
            self._collisions.begin(start, self._end)

    def finish(self) -> KeptPack:
        """Make everything that was added durable, and visible to Git.

        CollisionAttack when content was made to collide; then there is no pack.
        """
        if not self._index:
            self._file.close()
            return KeptPack(None, None)
        trailer = self._seal()
        self._collisions.finish()
        with NewFile(self._directory) as index:
            _write_durably(index, encode_index(self._index, trailer))
            kept = self._publish(trailer, index)
        try:
            fsync_directory(self._directory)
            self._file.close()
            self._database.scan()
        except BaseException:
            kept.release()  # gc takes what no ref will reach
            raise
        return kept

    def _has(self, oid: ObjectID) -> bool:
        return oid in self._index or self._database.freshen(oid)

    def _append(self, oid: ObjectID, header: bytes, body: bytes, *, unchecked: bool) -> None:
        start = self._end
        self._write(header)
        self._write(body)
        self._index[oid] = crc32(body, crc32(header)), start
        if unchecked:
            self._collisions.leave(start, self._end)

    def _write(self, data: bytes) -> None:
        self._buffer.append(data)
        self._buffered += len(data)
        self._end += len(data)
        if self._buffered >= _FLUSH_AT:
            self._flush()

    def _flush(self) -> None:
        write_all(self._file.fd, b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0

    def _cut_back(self, start: int) -> None:
        """Undo what was written from `start` on."""
        self._flush()
        os.ftruncate(self._file.fd, start)
        os.lseek(self._file.fd, start, os.SEEK_SET)
        self._end = start

    def _write_stream(self, size: int, chunks: Iterable[bytes]) -> tuple[ObjectID, int]:
        header = entry_header(ObjectType.BLOB.value, size)
        digest = hashlib.sha1(object_header(ObjectType.BLOB, size), usedforsecurity=False)
        engine, crc, seen = deflater(), crc32(header), 0
        self._write(header)
        for chunk in chunks:
            seen += len(chunk)
            digest.update(chunk)
            crc = self._write_part(engine.compress(chunk), crc)
        if seen != size:
            raise SourceChanged(f"{seen} bytes came where {size} were announced")
        return ObjectID(digest.digest()), self._write_part(engine.flush(), crc)

    def _write_part(self, data: bytes, crc: int) -> int:
        self._write(data)
        return crc32(data, crc)

    def _seal(self) -> bytes:
        """Complete the pack: the count in its header, and the checksum of it all, returned."""
        fd = self._file.fd
        self._flush()
        # Only now is the header known, so only now can the checksum be made.
        os.pwrite(fd, PACK_HEADER.pack(PACK_SIGNATURE, PACK_VERSION, len(self._index)), 0)
        digest = _FileDigest(fd)
        if self._borrower is not None:
            unchecked = [(header, body) for _, header, body, left in self._waiting if left]
            self._collisions.begin_held(unchecked)  # while the last blobs are compressed
            for _ in self._borrower.rest():
                digest.take(self._end)
            for oid, header, body, _ in self._waiting:
                self._append(oid, header, body, unchecked=False)
            self._flush()
        trailer = digest.take(self._end)
        _write_durably(self._file, trailer)
        return trailer

    def _publish(self, trailer: bytes, index: NewFile) -> KeptPack:
        """Name the pack after its checksum, as Git does, or as near as is free.

        A file that is there already, even the same pack, may be about to be deleted by a gc.
        """
        keep = NewFile(self._directory)
        in_vain: list[str] = []
        try:
            _write_durably(keep, KEEP)
            fcntl.flock(keep.fd, fcntl.LOCK_EX)
            files = ((keep, ".keep"), (self._file, ".pack"), (index, ".idx"))
            digest = trailer
            while not _publish_all(f"{self._directory}/pack-{digest.hex()}", files, in_vain):
                digest = hashlib.sha1(digest, usedforsecurity=False).digest()
            keep.settle()
        except BaseException:
            keep.close()
            raise
        finally:
            for path in in_vain:
                os.unlink(path)
        return KeptPack(f"{self._directory}/pack-{digest.hex()}.pack", keep)


def sweep(git_dir: Path) -> int:
    """Release the packs that a process kept when it died; how many there were.

    One without an index stays: it may have had one, and refs may need it by now.
    """
    directory = f"{git_dir}/objects/pack"
    keeps = [name for name in os.listdir(directory) if name.endswith(".keep")]
    return sum(_sweep_one(f"{directory}/{name}") for name in keeps)


def _sweep_one(keep: str) -> bool:
    try:
        fd = os.open(keep, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.pread(fd, len(KEEP) + 1, 0) != KEEP:
            return False  # someone else's
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(keep)
        return True
    except BlockingIOError:
        return False  # its maker lives
    finally:
        os.close(fd)


class _FileDigest:
    """The SHA-1 of a file from its beginning, as it grows."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0
        self._digest = hashlib.sha1(usedforsecurity=False)

    def take(self, end: int) -> bytes:
        """The digest of the first `end` bytes, of which the last call has seen some."""
        for data in read_written(self._fd, self._at, end):
            self._digest.update(data)
        self._at = end
        return self._digest.digest()


def _publish_all(stem: str, files: Sequence[tuple[NewFile, str]], in_vain: list[str]) -> bool:
    """Name all the files `stem` and their suffix; false when a name is taken.

    `in_vain` gains the names that were given by then. They go when there are others: a file of
    O_TMPFILE that has lost its only name gets none any more (linkat(2)).
    """
    named = []
    try:
        for file, suffix in files:
            file.publish(stem + suffix)
            named.append(stem + suffix)
    except BaseException as error:
        in_vain += named
        if isinstance(error, FileExistsError):
            return False
        raise
    return True


def entry_header(kind: int, size: int) -> bytes:
    """The type and the inflated size, as they stand before an object in a pack."""
    header = bytearray()
    byte = kind << 4 | size & 15
    size >>= 4
    while size:
        header.append(byte | 0x80)
        byte = size & 0x7F
        size >>= 7
    header.append(byte)
    return bytes(header)


def _write_durably(file: NewFile, data: bytes) -> None:
    """Append `data`, and have the whole file on disk, read-only as Git's are."""
    write_all(file.fd, data)
    os.fchmod(file.fd, 0o444)
    os.fsync(file.fd)
