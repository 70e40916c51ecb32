"""Somebody who changes what a path stands for while others work with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AT_FDCWD = -100
_EXCHANGE = 2


@contextlib.contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Two names change places as fast as a process can do it (renameat2(2), RENAME_EXCHANGE)."""
    libc, first, second = ctypes.CDLL(None), os.fsencode(one), os.fsencode(other)
    assert libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE) == 0
    child = os.fork()
    if child == 0:
        try:
            while True:
                libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
