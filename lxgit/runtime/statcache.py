"""What the files of a container had in them when they were last read: then they need not be read.

It is `stat-cache` in the container's directory (format.md, "Containers"), and is not flushed: one
that is torn, damaged or of another version is none. Nor are the files that it tells of: when the
power fails what was in them may be lost, and their times not. So one of another boot is none.

As with Git's index, a file has what it had as long as inode, size and both times are the same, so
nothing is noted of one whose times need not move when it changes next:

- It has been changed in the last tick of the kernel's clock. Git calls that racily clean, and looks
  at the time of its index; here such a file is left out.
- Somebody has it open for writing, and may have mapped it: what is written to a page that is dirty
  already moves no time until that has been written back. A mapping made later does, at its first
  write to each page (file_update_time in the file systems' page_mkwrite).
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
import time

from lxgit.fsutil import is_written_to, write_atomic
from lxgit.lean import NANOSECONDS
from lxgit.objects.content import read_range, read_whole
from lxgit.objects.ids import ObjectID
from lxgit.records import dataclass
from lxgit.runtime.runplace import kernel_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, Self

    from lxgit.objects.content import Below, Stamp

TICK = 20_000_000
"""Nanoseconds between two times that the kernel gives at most: CONFIG_HZ is 100 or more."""

_NAME = "stat-cache"
_VERSION = b"lxgit stat cache 2\n"
_RECORD = struct.Struct(">QQqq20s")
_DIGEST = 20  # bytes

_OPENING = 32 << 10  # bytes that are read in the time that it takes to open a file
_WORTH = 4 << 20  # bytes: what is read faster than that is not worth a note


class StatCache:
    """The ids of contents by the stamps of their files."""

    def __init__(self, known: dict[Stamp, ObjectID] | None = None) -> None:
        self._known = known or {}
        self._current: dict[Stamp, ObjectID] = {}
        self._read = 0  # what the additions have cost, in bytes

    @classmethod
    def of(cls, container: Path) -> Self:
        """That in a container's directory; an empty one where none there can be believed."""
        try:
            data = (container / _NAME).read_bytes()
        except OSError:
            return cls()
        return cls(_decoded(data))

    def find(self, stamp: Stamp) -> ObjectID | None:
        """What a file with that stamp has in it, if that is known."""
        oid = self._known.get(stamp)
        if oid is not None:
            self._current[stamp] = oid
        return oid

    def add(self, stamp: Stamp, oid: ObjectID) -> None:
        """Note what has been read of a file that was `Watched.settled`."""
        self._current[stamp] = oid
        self._read += stamp.size + _OPENING

    def save(self, container: Path) -> None:
        """Keep what is known of the files that have been asked for, if that saves anything.

        Where it cannot be written, the next look at the container takes as long as this one.
        """
        if self._read < _WORTH and len(self._known) <= 2 * len(self._current):
            return
        with contextlib.suppress(OSError):
            write_atomic(container / _NAME, _encoded(self._current), durable=False)


def forget(container: Path) -> None:
    """Drop what is known of an upper directory that has gone."""
    (container / _NAME).unlink(missing_ok=True)


def _encoded(known: dict[Stamp, ObjectID]) -> bytes:
    records = (_RECORD.pack(*stamp, oid) for stamp, oid in sorted(known.items()))
    body = _header() + b"".join(records)
    return body + _digest(body)


def _decoded(data: bytes) -> dict[Stamp, ObjectID]:
    """Nothing of what is not whole, or is of another boot."""
    body, digest, header = data[:-_DIGEST], data[-_DIGEST:], _header()
    records = memoryview(body)[len(header) :]
    if not body.startswith(header) or len(records) % _RECORD.size or digest != _digest(body):
        return {}
    # Plain tuples, which equal the stamps: to make these would take as long as all else.
    return {record[:4]: ObjectID(record[4]) for record in _RECORD.iter_unpack(records)}  # type: ignore[misc]


def _header() -> bytes:
    return b"%b%b\n" % (_VERSION, kernel_boot().encode())


def _digest(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


@dataclass(slots=True)
class Watched:
    """A file's content; once it has been read, `settled` if a change from then on moves its stamp.

    As `lxgit.objects.content.Content` otherwise.
    """

    file: Below
    settled: bool = False

    @property
    def size(self) -> int:
        return self.file.size

    def chunks(self) -> Iterator[bytes]:
        with self._opened() as fd:
            yield from read_range(fd, 0, self.size)

    def whole(self) -> bytes:
        with self._opened() as fd:
            return read_whole(fd, 0, self.size)

    def job(self) -> tuple[Any, ...]:
        return self.file.job()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        with self.file.opened() as fd:
            self.settled = _is_past(self.file.found.ctime) and not is_written_to(fd)
            yield fd


def _is_past(ctime: int) -> bool:
    """Whether what happens from now on gets a later time.

    A file system that has no room for fractions cuts them off: ext4 with small inodes.
    """
    granule = TICK if ctime % NANOSECONDS else TICK + NANOSECONDS
    return time.time_ns() - ctime >= granule
