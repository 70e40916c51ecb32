"""A container's log: what it printed, when, and on which stream (format.md, "Containers").

It is a row of records, each what one read brought. A terminal has one stream, `out`. Whatever the
bytes are they need no escaping, and a record that a crash cut short is told by its length. Who
writes next drops it first: nobody would find what comes after it. To see that the records are
whole, all of a log is gone through; that of a large one is noted when it is closed (`log.end`),
which holds until the next boot: nothing of a log is flushed.

A log is bounded: once it is half as large as it may be, it takes the place of the one before it,
`log.1`, and a new one begins. So what is kept of the latest output is at least half of the bound,
and until as much as the bound has been written nothing is lost; both files together are larger than
it by two records at most, each of 64 KiB.
"""

from __future__ import annotations

import contextlib
import os
import time

from lxgit.fsutil import write_all, write_atomic
from lxgit.runtime.runplace import kernel_boot
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

OUT, ERR = "out", "err"

OLDER = ".1"  # what the name of a log before this one ends in

_STREAMS = {b"out": OUT, b"err": ERR}
_MAX_HEADER = 64  # bytes: two numbers of 20 digits, a word
_MOST = 65536  # bytes of a record's data
_WORTH = 1 << 18  # bytes: a smaller log is gone through in some milliseconds


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
        self._note = path.with_name(path.name + ".end")
        self._open()
        if self._end:
            with contextlib.suppress(OSError):  # what cannot be read is left as it is
                self._mend()
        with contextlib.suppress(OSError):  # from now on it is not where the log ends
            self._note.unlink(missing_ok=True)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._end = os.fstat(self._fd).st_size

    def _mend(self) -> None:
        """Have the log end with a whole record; if it cannot be cut, before the next one."""
        with self._path.open("rb") as file:
            file.seek(self._noted())
            end = _last_end(file)
        if end < self._end:
            self._end, self._is_torn = end, True
            self._cut()

    def _noted(self) -> int:
        """Where a record ended when the log was closed in this boot; 0 if that is not known."""
        try:
            boot, inode, end = self._note.read_text(encoding="ascii").split()
            holds = boot == kernel_boot() and int(inode) == os.fstat(self._fd).st_ino
            return int(end) if holds and int(end) <= self._end else 0
        except (OSError, ValueError):
            return 0

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
        """Write no more. Where the end cannot be noted, who writes next looks for it."""
        if self._end >= _WORTH and not self._is_torn:
            note = f"{kernel_boot()} {os.fstat(self._fd).st_ino} {self._end}\n"
            with contextlib.suppress(OSError):
                write_atomic(self._note, note.encode(), durable=False)
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
            stamp, name, length = _parsed(header)
        except ValueError:
            break
        record = Record(stamp, name, stream.read(length))
        if len(record.data) < length:
            break
        start += len(header) + length
        yield record
    stream.seek(0, os.SEEK_END)  # drops what has been read ahead: it may be cut off and replaced
    stream.seek(start)


def _last_end(stream: IO[bytes]) -> int:
    """Where the last whole record from here on ends. What is in them is not read."""
    size, end = os.fstat(stream.fileno()).st_size, stream.tell()
    while header := stream.readline(_MAX_HEADER):
        try:
            following = end + len(header) + _parsed(header)[2]
        except ValueError:
            break
        if following > size:
            break
        end = stream.seek(following)
    return end


def _parsed(header: bytes) -> tuple[int, str, int]:
    """The time, the stream and the length that a record's header tells. ValueError."""
    stamp, name, length = header[:-1].split(b" ")
    if name not in _STREAMS or not (
        stamp.isdigit() and length.isdigit() and header.endswith(b"\n")
    ):
        raise ValueError("no header")
    if (count := int(length)) > _MOST:
        raise ValueError("more than a record has")
    return int(stamp), _STREAMS[name], count
