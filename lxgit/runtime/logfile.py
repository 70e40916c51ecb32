"""A container's log: what it printed, when, and on which stream (format.md, "Containers").

It is a row of records, each what one read brought. A terminal has one stream, `out`. Whatever the
bytes are they need no escaping, and a record that a crash cut short is told by its length. Who
writes next drops it first: nobody would find what comes after it. To see that the records are
whole, a log is gone through from a record that is noted in `log.end`: where it is, and its header,
by which a note is told that is of another log, or of one that a user has emptied. A large log has
its last record noted when it is closed, which holds until the next boot, since nothing is flushed
for that. And every 16 MiB a child has the log on the disk, and then what was its last record is
noted for good: so who writes next, after a kill or a power failure, goes through little more.

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
from lxgit.processes import close_all_but
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
_STEP = 1 << 24  # bytes: gone through in half a second where each record is of one short line
_FOR_GOOD = b"-"  # the boot of a note that holds in any
_NONE = 0, b""  # no record: a place, and a header


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
        self._last = _NONE
        self._flushed = b""  # the note of what is on the disk
        self._due = _STEP  # where the next such note is wanted
        self._flusher = 0  # the child that has so much on the disk
        self._flushing = b""  # the note of that
        self._open()
        if self._end:
            with contextlib.suppress(OSError):  # what cannot be read is left as it is
                self._mend()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        self._end = os.fstat(self._fd).st_size

    def _mend(self) -> None:
        """Have the log end with a whole record; if it cannot be cut, before the next one."""
        with self._path.open("rb") as file:
            self._find_noted(file)
            self._last, end = _last_record(file)
        if end < self._end:
            self._end, self._is_torn = end, True
            self._cut()

    def _find_noted(self, file: IO[bytes]) -> None:
        """Go to the last record that is noted, which is whole as all before it; to 0 for none."""
        found = 0
        with contextlib.suppress(OSError, ValueError):
            for note in self._note.read_bytes().splitlines(keepends=True):
                boot, place, header = note.split(b" ", 2)
                _parsed(header)
                file.seek(int(place))
                if file.readline(_MAX_HEADER) != header:
                    continue
                if boot == _FOR_GOOD:
                    self._flushed, self._due = note, int(place) + _STEP
                if boot in (_FOR_GOOD, kernel_boot().encode()):
                    found = int(place)
        file.seek(found)

    def write(self, stream: str, data: bytes) -> None:
        """Append one record, stamped now."""
        header = b"%d %s %d\n" % (time.time_ns(), stream.encode(), len(data))
        try:
            if self._is_torn:
                self._cut()
            if self._half is not None and self._end >= self._half:
                self._begin_anew()
            write_all(self._fd, header + data)
        except OSError:
            self._is_torn = True
            with contextlib.suppress(OSError):  # else before the next record
                self._cut()
            return
        self._last = self._end, header
        self._end += len(header) + len(data)
        if self._end >= self._due:
            with contextlib.suppress(OSError):  # no process is to be had, or a bad disk
                self._flush()

    def _flush(self) -> None:
        """Have what there is on the disk, and note that when it is there.

        A child waits for the disk, which takes seconds where others write, too: clients do not.
        """
        if self._flusher:
            ended, status = os.waitpid(self._flusher, os.WNOHANG)
            if not ended:
                return
            self._flusher = 0
            if self._flushing:
                self._due = self._end + _STEP
                if status == 0:
                    self._flushed = self._flushing
                    self._write_note(b"")
                return
        self._flusher = _flusher(self._fd)
        self._flushing = _note(_FOR_GOOD, self._last)

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._end)
        self._is_torn = False

    def _begin_anew(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # when there was no room for a new one
            self._path.rename(older(self._path))
        full = self._fd
        self._open()
        os.close(full)
        self._flushed = self._flushing = b""
        self._due = _STEP

    def close(self) -> None:
        """Write no more. Where the end cannot be noted, who writes next looks for it."""
        if self._end >= _WORTH and self._last is not _NONE and not self._is_torn:
            with contextlib.suppress(OSError):
                self._write_note(_note(kernel_boot().encode(), self._last))
        os.close(self._fd)

    def _write_note(self, of_boot: bytes) -> None:
        write_atomic(self._note, self._flushed + of_boot, durable=False)


def _note(boot: bytes, record: tuple[int, bytes]) -> bytes:
    return b"%s %d %s" % (boot, *record)


def _flusher(fd: int) -> int:
    """A child that exits 0 when all that was written to a file is on the disk."""
    child = os.fork()
    if child:
        return child
    try:
        close_all_but({fd})  # the lock of the container above all
        os.fdatasync(fd)
        os._exit(0)
    finally:
        os._exit(1)


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


def _last_record(stream: IO[bytes]) -> tuple[tuple[int, bytes], int]:
    """Where the last whole record from here on is, and its header; and where it ends.

    What is in them is not read.
    """
    size, end, last = os.fstat(stream.fileno()).st_size, stream.tell(), _NONE
    while header := stream.readline(_MAX_HEADER):
        try:
            following = end + len(header) + _parsed(header)[2]
        except ValueError:
            break
        if following > size:
            break
        last = end, header
        end = stream.seek(following)
    return last, end


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
