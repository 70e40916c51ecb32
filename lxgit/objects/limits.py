"""How much a source may unpack to: a small archive can hold terabytes, of zeros or of holes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lxgit.errors import LxgitError

_UNLIMITED = 2**63


class TooLarge(LxgitError):
    """A source that unpacks to more than there is room for, or than was allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes: `size` of all contents, their holes included; `data` of them without holes."""

    size: int = _UNLIMITED
    data: int = _UNLIMITED


NO_LIMITS = Limits()


def free_space(fd: int) -> int:
    """Bytes that this user may still write to the file system of an open file."""
    status = os.fstatvfs(fd)
    return status.f_bavail * status.f_frsize


def limits_for(fd: int, max_size: int | None) -> Limits:
    """What fits into the file system of an open file, and is no more than `max_size` bytes.

    Holes take no space there, but each is read as zeros on the way into Git: only who asks for a
    larger `max_size` gets more of them than there is room for data.
    """
    free = free_space(fd)
    return Limits(free if max_size is None else max_size, free)


class Account:
    """Counts contents against limits."""

    __slots__ = ("_data", "_limits", "_size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._size = 0
        self._data = 0

    def add(self, size: int, data: int) -> None:
        """One more file of `size` bytes, `data` of them outside of holes; TooLarge past a limit."""
        self._size += size
        self._data += data
        if self._data > self._limits.data:
            raise TooLarge(
                "it unpacks to more than the store's file system has room for"
                f" ({self._limits.data:,} bytes)",
                hint="free some space, or use another file system with --store",
            )
        if self._size > self._limits.size:
            raise TooLarge(
                f"it unpacks to more than {self._limits.size:,} bytes",
                hint="--max-size allows more, and holes to be larger than the file system",
            )
