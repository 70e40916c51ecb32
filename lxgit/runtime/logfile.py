"""A container's log: what it printed, when, and on which stream (format.md, "Containers").

It is a row of records, each what one read brought. A terminal has one stream, `out`. Whatever the
bytes are they need no escaping, and a record that a crash cut short is told by its length. Who
writes next drops it first: nobody would find what comes after it. To see that the records are
whole, a log is gone through from a record that is noted in an attribute of the file: where it is,
and its header, by which a note is told that is of a log which a user has emptied since. A large log
has its last record noted when it is closed, which holds until the next boot, since nothing is
flushed for that. And every 16 MiB a child has the log on the disk, and then notes what was its last
record, for good: so who writes next, after a kill or a power failure, goes through 16 MiB, and what
was written while the disk took that. The child waits for seconds where others write, too, and no
kill ends it sooner. So nobody waits for it, and it holds nothing but the log: the container may
have ended by then, run again, or be gone. No other flushes the same file meanwhile, so that no
older note takes the place of a newer one.

A log is bounded: once it is half as large as it may be, it takes the place of the one before it,
`log.1`, and a new one begins. So what is kept of the latest output is at least half of the bound,
and until as much as the bound has been written nothing is lost; both files together are larger than
it by two records at most, each of 64 KiB.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from lxgit.fsutil import write_all
from lxgit.processes import close_all_but
from lxgit.runtime.runplace import kernel_boot
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

OUT, ERR = "out", "err"

OLDER = ".1"  # what the name of a log before this one ends in

_STREAMS = {b"out": OUT, b"err": ERR}
_MAX_HEADER = 64  # bytes: two numbers of 20 digits, a word
_MOST = 65536  # bytes of a record's data
_WORTH = 1 << 18  # bytes: a smaller log is gone through in some milliseconds
_STEP = 1 << 24  # bytes: gone through in half a second where each record is of one short line
_FLUSHED = "user.lxgit.flushed"  # attribute: a place, and a header
_CLOSED = "user.lxgit.closed"  # attribute: a boot, a place, and a header


class Record(NamedTuple):
    """A piece of output. `time` in nanoseconds since 1970."""

    time: int
    stream: str
    data: bytes


class LogWriter:
    """Appends to a log of `size` bytes at most, or of any size for None.

    A disk that is full, or turns read-only, loses what it does not take, and stops no container.
    `let_go` is called in the child that waits for the disk: it may outlive who writes.
    """

    def __init__(
        self, path: Path, size: int | None = None, let_go: Callable[[], None] | None = None
    ) -> None:
        self._path = path
        self._half = None if size is None else size // 2
        self._let_go = let_go
        self._is_torn = False  # half a record may stand behind `_end`
        self._last = b""  # where the last record is, and its header
        self._due = _STEP  # where the next is to be noted as flushed
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
            flushed = _noted(file, _FLUSHED)
            self._due = flushed + _STEP
            file.seek(max(flushed, _noted(file, _CLOSED, _boot())))
            self._last, end = _last_record(file)
        if end < self._end:
            self._end, self._is_torn = end, True
            self._cut()

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
        self._last = b"%d %s" % (self._end, header)
        self._end += len(header) + len(data)
        if self._end >= self._due:
            self._due = self._end + _STEP
            with contextlib.suppress(OSError):  # no process is to be had
                self._flush()

    def _flush(self) -> None:
        """Have a child of nobody's flush the log, and note that: no zombie is left of it."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        try:
            if os.fork() == 0:
                close_all_but({self._fd})  # the lock of the container above all
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._let_go is not None:
                    self._let_go()
                os.fdatasync(self._fd)
                os.setxattr(self._fd, _FLUSHED, self._last)
        finally:
            os._exit(0)

    def _cut(self) -> None:
        os.ftruncate(self._fd, self._end)
        self._is_torn = False

    def _begin_anew(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # when there was no room for a new one
            self._path.rename(older(self._path))
        full = self._fd
        self._open()
        os.close(full)
        self._due = _STEP

    def close(self) -> None:
        """Write no more. Where the end cannot be noted, who writes next looks for it."""
        if self._end >= _WORTH and self._last and not self._is_torn:
            with contextlib.suppress(OSError):
                os.setxattr(self._fd, _CLOSED, _boot() + self._last)
        os.close(self._fd)


def _boot() -> bytes:
    return kernel_boot().encode() + b" "


def _noted(stream: IO[bytes], attribute: str, boot: bytes = b"") -> int:
    """Where the record is that is noted; 0 for none, or one of another boot, or of another log."""
    try:
        note = os.getxattr(stream.fileno(), attribute)
        place, header = note.removeprefix(boot).split(b" ", 1)
        _parsed(header)
        stream.seek(int(place))
        return int(place) if stream.readline(_MAX_HEADER) == header else 0
    except (OSError, ValueError, OverflowError):
        return 0


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


def _last_record(stream: IO[bytes]) -> tuple[bytes, int]:
    """Where the last whole record from here on is, with its header as noted; and where it ends.

    What is in them is not read.
    """
    size, end, last = os.fstat(stream.fileno()).st_size, stream.tell(), b""
    while header := stream.readline(_MAX_HEADER):
        try:
            following = end + len(header) + _parsed(header)[2]
        except ValueError:
            break
        if following > size:
            break
        last = b"%d %s" % (end, header)
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
