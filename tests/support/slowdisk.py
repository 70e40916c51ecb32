"""A disk that takes its time: what is flushed is there once the test lets it be."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def slow_disk(gate: Path) -> Iterator[Callable[[], None]]:
    """Have fdatasync(2) wait, in all processes forked from here, until what is given is called.

    `gate` is made, and locked so long: an exclusive lock that those wait for, too. Each of them
    writes a byte to it before.
    """
    flush = os.fdatasync

    def wait_and_flush(fd: int) -> None:
        with gate.open("ab+", buffering=0) as waiting:
            waiting.write(b".")
            fcntl.flock(waiting, fcntl.LOCK_SH)
        flush(fd)

    with gate.open("w") as held, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(held, fcntl.LOCK_EX)
        patch.setattr(os, "fdatasync", wait_and_flush)
        yield lambda: fcntl.flock(held, fcntl.LOCK_UN)
        fcntl.flock(held, fcntl.LOCK_UN)  # a descriptor of it may be open in a child
