"""A container's log: what it printed, when, and on which stream (format.md, "Containers").

It is a row of records, each what one read brought. A terminal has one stream, `out`. Whatever the
bytes are they need no escaping, and a record that a crash cut short is told by its length.

A log is bounded: once it is half as large as it may be, it takes the place of the one before it,
`log.1`, and a new one begins. So what is kept of the latest output is at least half of the bound,
and until as much as the bound has been written nothing is lost; both files together are larger than
it by two records at most, each of 64 KiB.
"""

from __future__ import annotations

import contextlib
import os
import time

from lxgit.fsutil import write_all
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

OUT, ERR = "out", "err"

OLDER = ".1"  # what the name of a log before this one ends in

_MAX_HEADER = 64  # bytes: two numbers of 20 digits, a word


class Record(NamedTuple):
    """A piece of output. `time` in nanoseconds since 1970."""

    time: int
    stream: str
    data: bytes


class LogWriter:
    """Appends to a log of `size` bytes at most, or of any size for None.

    A disk that is full, or turns read-only, loses what it does not take, and stops no container.
    """

    def __init__(self, path: Path, size: int | None = None) -> None:
        self._path = path
        self._half = None if size is None else size // 2
        self._is_torn = False  # half a record may stand behind `_end`
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._end = os.fstat(self._fd).st_size

    def write(self, stream: str, data: bytes) -> None:
        """Append one record, stamped now."""
        record = b"%d %s %d\n" % (time.time_ns(), stream.encode(), len(data)) + data
        try:
            if self._is_torn:
                self._cut()
            if self._half is not None and self._end >= self._half:
                self._begin_anew()
            write_all(self._fd, record)
            self._end += len(record)
        except OSError:
            self._is_torn = True
            with contextlib.suppress(OSError):  # else before the next record
                self._cut()

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._end)
        self._is_torn = False

    def _begin_anew(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # when there was no room for a new one
            self._path.rename(older(self._path))
        full = self._fd
        self._open()
        os.close(full)

    def close(self) -> None:
        os.close(self._fd)


def older(path: Path) -> Path:
    """Where the log before this one is, if there was one."""
    return path.with_name(path.name + OLDER)


class LogReader:
    """Reads a log, and what is written to it meanwhile, through all its changes of file."""

    def __init__(self, path: Path) -> None:
        """FileNotFoundError where there is no log."""
        self._path = path
        self._stream = self._first()

    def _first(self) -> IO[bytes]:
        try:
            return older(self._path).open("rb")
        except FileNotFoundError:
            return self._path.open("rb")

    def records(self) -> Iterator[Record]:
        """Those that have not been read yet, as far as they have been written."""
        while True:
            yield from read_log(self._stream)
            if _is_open_at(self._path, self._stream):
                return
            # Another log has begun. What was still written to this one comes first.
            yield from read_log(self._stream)
            is_older = _is_open_at(older(self._path), self._stream)
            try:
                following = self._path.open("rb") if is_older else self._first()
            except FileNotFoundError:  # it is about to be there
                return
            self._stream.close()
            self._stream = following

    def close(self) -> None:
        self._stream.close()


def _is_open_at(path: Path, stream: IO[bytes]) -> bool:
    """Whether this file still bears this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False


def read_log(stream: IO[bytes]) -> Iterator[Record]:
    """The records from here on, in order, as far as they have been written.

    One that is not whole (yet) ends it, and the stream is left before it: read again for more.
    """
    start = stream.tell()
    while header := stream.readline(_MAX_HEADER):
        try:
            stamp, name, length = header.split()
            record = Record(int(stamp), name.decode("ascii"), stream.read(int(length)))
        except ValueError:
            break
        if len(record.data) < int(length):
            break
        start += len(header) + len(record.data)
        yield record
    stream.seek(start)
