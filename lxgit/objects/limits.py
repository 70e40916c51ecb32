"""How much a source may unpack to: a small archive can hold terabytes, of zeros or of holes."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.objects.ids import READ_LIMIT
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_UNLIMITED = 2**63
_LITTLE = 64 << 20


class TooLarge(LxgitError):
    """A source that unpacks to more than there is room for, or than was allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: `size` of all contents, their holes included; `data` of them without holes."""

    size: int = _UNLIMITED
    data: int = _UNLIMITED


NO_LIMITS = Limits()


def free_space(place: int | Path) -> int:
    """Bytes that this user may still write to the file system of a file or an open one."""
    status = os.statvfs(place)
    return status.f_bavail * status.f_frsize


def hole_in(status: os.stat_result) -> int:
    """Bytes of a file that are zeros for which the disk has nothing."""
    return max(0, status.st_size - status.st_blocks * 512)


def limits_for(place: int | Path, max_size: int | None) -> Limits:
    """What fits into the file system of `place`, and is no more than `max_size` bytes.

    Holes take no space there, but each is read as zeros on the way into Git: only who asks for a
    larger `max_size` gets more of them than there is room for data.
    """
    free = free_space(place)
    return Limits(free if max_size is None else max_size, free)


def limits_besides(limits: Limits) -> Limits:
    """Of what is written besides contents that have these limits: as much again, and a little."""
    return Limits(limits.size + _LITTLE, limits.data)


def archive_size(max_size: int) -> int:
    """Bytes that archives of so many of contents may have: as many of headers, and a little."""
    return 2 * max_size + _LITTLE


class Account:
    """Counts contents against limits."""

    __slots__ = ("_data", "_limits", "_size", "_takes")

    def __init__(self, limits: Limits, takes: str = "it unpacks to") -> None:
        self._limits = limits
        self._takes = takes
        self._size = 0
        self._data = 0

    def add(self, size: int, data: int) -> None:
        """One more file of `size` bytes, `data` of them outside of holes; TooLarge past a limit."""
        self._size += size
        self._data += data
        limits = self._limits
        if self._data > limits.data or self._size > limits.size == limits.data:
            raise no_room(limits.data)
        if self._size > limits.size:
            raise TooLarge(
                f"{self._takes} more than {limits.size:,} bytes",
                hint="a larger --max-size allows it",
            )


def unreadable(what: str) -> TooLarge:
    """The error for an object of more than READ_LIMIT bytes that has to be read whole."""
    return TooLarge(
        f"{what} would take more than {READ_LIMIT:,} bytes, and could not be read again",
        hint="have fewer entries in one directory, with fewer or smaller attributes",
    )


def no_room(free: int) -> TooLarge:
    """The error where only `free` bytes are left."""
    return TooLarge(
        f"it unpacks to more than the file system has room for ({free:,} bytes)",
        hint="'lxgit prune' and 'lxgit gc' free some; where there is --max-size, it allows holes",
    )
