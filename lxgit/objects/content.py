"""Where the bytes of a file are, before they are in the store."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError, quoted
from lxgit.records import dataclass
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol
else:
    Protocol = object

CHUNK = 1 << 20


class SourceChanged(LxgitError):
    """A source gave other bytes than it had promised."""


class Content(Protocol):
    """The bytes of one file, read as often as needed."""

    @property
    def size(self) -> int:
        """In bytes."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, at most a MiB at a time, `size` in all; SourceChanged otherwise."""

    def whole(self) -> bytes:
        """All the bytes; SourceChanged as above."""

    def job(self) -> tuple[Any, ...]:
        """Where the bytes are, for another process; `from_job` is the inverse."""


def read_range(fd: int, offset: int, size: int) -> Iterator[bytes]:
    """`size` bytes of an open file from `offset`; SourceChanged when it ends before."""
    while size:
        chunk = os.pread(fd, min(size, CHUNK), offset)
        if not chunk:
            raise SourceChanged("the source ends before its file does")
        yield chunk
        offset += len(chunk)
        size -= len(chunk)


def read_whole(fd: int, offset: int, size: int) -> bytes:
    """`size` bytes of an open file from `offset` at once; SourceChanged when it ends before."""
    data = os.pread(fd, size, offset)
    if len(data) == size:
        return data
    # As much as one read gives is 2 GiB (read(2)), and a signal may cut it short.
    return data + b"".join(read_range(fd, offset + len(data), size - len(data)))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an open file, such as an archive."""

    fd: int
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        return read_range(self.fd, self.offset, self.size)

    def whole(self) -> bytes:
        return read_whole(self.fd, self.offset, self.size)

    def job(self) -> tuple[Any, ...]:
        return 0, self.fd, self.offset, self.size


@dataclass(frozen=True, slots=True)
class SparseSlice:
    """Parts of an open file, with zeros between: `segments` are (position, size), in order.

    The data of the segments follow each other at `offset`. `size` is that of the whole.
    """

    fd: int
    offset: int
    size: int
    segments: tuple[tuple[int, int], ...]

    def chunks(self) -> Iterator[bytes]:
        position, offset = 0, self.offset
        for start, length in self.segments:
            yield from zeros(start - position)
            yield from read_range(self.fd, offset, length)
            offset += length
            position = start + length
        yield from zeros(self.size - position)

    def whole(self) -> bytes:
        return b"".join(self.chunks())

    def job(self) -> tuple[Any, ...]:
        return 1, self.fd, self.offset, self.size, self.segments


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        return (self.data[at : at + CHUNK] for at in range(0, len(self.data), CHUNK))

    def whole(self) -> bytes:
        return self.data

    def job(self) -> tuple[Any, ...]:
        return 3, self.data


class Stamp(NamedTuple):
    """What changes when a file does; times in nanoseconds since 1970.

    Of the two, mtime can be set to anything by whoever owns the file, ctime by nobody.
    """

    inode: int
    size: int
    mtime: int
    ctime: int


def stamp_of(status: os.stat_result) -> Stamp:
    """The stamp of a file with this status."""
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class Below:
    """A file below an open directory, opened anew at each reading, never through a link."""

    directory: int
    path: bytes
    found: Stamp
    """As it was when it was found."""

    @property
    def size(self) -> int:
        return self.found.size

    def now(self) -> Stamp:
        """What its stamp is now. SourceChanged when it is gone."""
        try:
            fd = open_beneath(self.directory, self.path, os.O_PATH | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceChanged(f"{quoted(self.path)} went away") from None
        try:
            return stamp_of(os.fstat(fd))
        finally:
            os.close(fd)

    def anew(self) -> Below | None:
        """The same file as it is now; None when it is gone."""
        try:
            return Below(self.directory, self.path, self.now())
        except SourceChanged:
            return None

    def chunks(self) -> Iterator[bytes]:
        with self.opened() as fd:
            yield from read_range(fd, 0, self.size)

    def whole(self) -> bytes:
        with self.opened() as fd:
            return read_whole(fd, 0, self.size)

    def job(self) -> tuple[Any, ...]:
        return 2, self.directory, self.path, *self.found

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file, to be read. SourceChanged when it has another size, or is gone."""
        try:
            fd = open_beneath(self.directory, self.path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise SourceChanged(f"{quoted(self.path)} went away while it was read") from None
        try:
            status = os.fstat(fd)
            if status.st_size != self.size or not stat.S_ISREG(status.st_mode):
                raise SourceChanged(f"{quoted(self.path)} changed while it was read")
            yield fd
        finally:
            os.close(fd)


def _below(directory: int, path: bytes, *stamp: int) -> Below:
    return Below(directory, path, Stamp(*stamp))


_MAKERS: tuple[Callable[..., Content], ...] = (Slice, SparseSlice, _below, Held)


def from_job(job: tuple[Any, ...]) -> Content:
    """The content that `Content.job` tells of; its descriptors are those of the fork's parent."""
    content: Content = _MAKERS[job[0]](*job[1:])
    return content


_ZEROS = bytes(CHUNK)


def zeros(size: int) -> Iterator[bytes]:
    """That many zero bytes."""
    while size > 0:
        yield _ZEROS[: min(size, CHUNK)]
        size -= CHUNK
