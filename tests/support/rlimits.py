"""Less of something than a process is allowed, for a while: setrlimit(2), prlimit(2)."""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def open_files(count: int) -> Iterator[None]:
    """Allow this process and those that it starts `count` descriptors, numbered from 0."""
    with _lowered(resource.RLIMIT_NOFILE, count):
        yield


@contextlib.contextmanager
def file_size(size: int) -> Iterator[None]:
    """Allow them files of `size` bytes: EFBIG, as Python ignores SIGXFSZ."""
    with _lowered(resource.RLIMIT_FSIZE, size):
        yield


@contextlib.contextmanager
def descriptors_left(pid: int, count: int) -> Iterator[None]:
    """Let another process open `count` more descriptors and no more."""
    used = descriptors_of(pid)
    free = [number for number in range(len(used) + count + 1) if number not in used]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[count], before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def descriptors_of(pid: int) -> set[int]:
    """Those that a process has open."""
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


@contextlib.contextmanager
def _lowered(kind: int, limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))
