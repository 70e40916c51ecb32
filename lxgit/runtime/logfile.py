r"""A container's log: what it printed, when, and on which stream.

The file is a row of records, each what one read brought:

    record = TIME " " STREAM " " LENGTH "\n" DATA
    TIME   = nanoseconds since 1970, decimal      STREAM = "out" | "err"
    LENGTH = bytes of DATA, decimal               DATA   = the bytes as they came

A terminal has one stream, `out`. Whatever the bytes are they need no escaping, and a record that a
crash cut short is told by its length.
"""

from __future__ import annotations

import os
import time
from typing import IO, TYPE_CHECKING

from lxgit.fsutil import write_all
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OUT, ERR = "out", "err"

_MAX_HEADER = 64  # bytes: two numbers of 20 digits, a word


class Record(NamedTuple):
    """A piece of output. `time` in nanoseconds since 1970."""

    time: int
    stream: str
    data: bytes


class LogWriter:
    """Appends to a log. A full disk loses what does not fit, and stops no container."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)

    def write(self, stream: str, data: bytes) -> None:
        """Append one record, stamped now."""
        end = os.fstat(self._fd).st_size
        try:
            write_all(self._fd, b"%d %s %d\n" % (time.time_ns(), stream.encode(), len(data)) + data)
        except OSError:
            os.ftruncate(self._fd, end)  # no half record before the next one

    def close(self) -> None:
        os.close(self._fd)


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
