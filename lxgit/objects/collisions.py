"""Refusing SHA-1 collision attacks, as Git does when it takes objects in.

libgit2 checks blobs in bulk, but takes 8 ms to load and has each one whole in memory. `git
index-pack` takes 2 ms to start, any object, and large ones as a stream, but has to inflate what it
checks: so it does that beside us where there is much of it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os

from lxgit.errors import LxgitError
from lxgit.objects.ids import ObjectID, hash_blob
from lxgit.objects.libgit2 import libgit2
from lxgit.objects.newfile import TEMPORARY
from lxgit.objects.packs import PACK_HEADER, PACK_SIGNATURE, PACK_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Protocol

    class _Entries(Protocol):
        """`count` entries of a pack, one behind the other."""

        count: int

        def chunks(self) -> Iterator[bytes]: ...


_CHUNK = 1 << 20
_AT_ONCE = 256  # entries
_ATTACK = "the content holds one half of a SHA-1 collision attack, which no Git repository takes"


class CollisionAttack(LxgitError):
    """Content that is made to have the SHA-1 of other content, which no Git accepts."""


def hash_foreign(data: bytes) -> ObjectID:
    """A blob's id by libgit2; CollisionAttack."""
    try:
        return hash_blob(data)
    except (libgit2().GitError, ValueError) as error:
        raise CollisionAttack(_ATTACK, hint=str(error)) from None


class CollisionCheck:
    """Has Git compute the ids of entries of a pack that is being written; it gives up at an attack.

    `fd` is the pack, which keeps these entries as they are until `close`. `directory` takes a
    temporary file.
    """

    def __init__(self, fd: int, directory: str) -> None:
        self._fd = fd
        self._directory = directory
        self._left: list[_Run] = []
        self._begun: list[Future[None]] = []
        self._executor: ThreadPoolExecutor | None = None
        self._abandoned = False

    def close(self) -> None:
        """Stop what is still being checked, and wait until it has."""
        self._abandoned = True
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def leave(self, start: int, end: int) -> None:
        """Have the entry from `start` to `end` checked by `finish`, with all of its kind."""
        if self._left and self._left[-1].end == start:
            self._left[-1].extend(end)
        else:
            self._left.append(_Run(self._fd, start, end))

    def begin(self, start: int, end: int) -> None:
        """Have the entry from `start` to `end`, which is a large one, checked from now on."""
        self._submit([_Run(self._fd, start, end)])

    def begin_held(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Have entries, their headers and bodies, checked before they are written."""
        if entries:
            self._submit([_Held(entries)])

    def _submit(self, runs: Sequence[_Entries]) -> None:
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor

            self._executor = ThreadPoolExecutor(max_workers=1)
        self._begun.append(self._executor.submit(self._check, runs))

    def finish(self) -> None:
        """Wait until everything is checked; CollisionAttack."""
        if self._left:
            self._check(self._left)
        for answer in self._begun:
            answer.result()

    def _check(self, runs: Sequence[_Entries]) -> None:
        from lxgit.objects.git import Git, GitFailed

        index = f"{self._directory}/{TEMPORARY}idx_{os.urandom(8).hex()}"
        command = ["index-pack", "--no-rev-index", "-o", index, "/dev/stdin"]
        try:
            # Without a repository, where it would look for the objects; streaming every blob.
            git = Git(None, "core.bigFileThreshold=1", "core.fsync=none")
            git.feed(command, self._pack(runs))
        except GitFailed as error:
            if b"collision" not in error.stderr:
                raise
            raise CollisionAttack(_ATTACK, hint=error.message) from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(index)

    def _pack(self, runs: Sequence[_Entries]) -> Iterator[bytes]:
        """A pack of those entries alone; cut short when nobody waits for the answer any more."""
        count = sum(run.count for run in runs)
        header = PACK_HEADER.pack(PACK_SIGNATURE, PACK_VERSION, count)
        digest = hashlib.sha1(header, usedforsecurity=False)
        yield header
        for run in runs:
            for data in run.chunks():
                if self._abandoned:
                    return
                digest.update(data)
                yield data
        yield digest.digest()


class _Run:
    """Entries that follow each other in the pack, from offset `start` to `end`."""

    __slots__ = ("_fd", "_start", "count", "end")

    def __init__(self, fd: int, start: int, end: int) -> None:
        self._fd, self._start, self.end, self.count = fd, start, end, 1

    def extend(self, end: int) -> None:
        self.end = end
        self.count += 1

    def chunks(self) -> Iterator[bytes]:
        return read_written(self._fd, self._start, self.end)


class _Held:
    """Entries that wait in memory for their place in the pack."""

    def __init__(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        self._entries = entries
        self.count = len(entries)

    def chunks(self) -> Iterator[bytes]:
        """Many at a time: most are of some hundred bytes."""
        for first in range(0, self.count, _AT_ONCE):
            pieces = self._entries[first : first + _AT_ONCE]
            yield b"".join([part for entry in pieces for part in entry])


def read_written(fd: int, start: int, end: int) -> Iterator[bytes]:
    """What this process has written to a file from `start` to `end`, at most a MiB at a time."""
    while start < end:
        data = os.pread(fd, min(end - start, _CHUNK), start)
        if not data:
            raise OSError(errno.EIO, "a file became shorter while it was written")
        yield data
        start += len(data)
