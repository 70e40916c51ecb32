"""Less of something than this process is allowed, for a while: setrlimit(2)."""

from __future__ import annotations

import contextlib
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
def _lowered(kind: int, limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))
