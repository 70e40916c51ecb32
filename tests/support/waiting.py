"""Waiting for what another process does, as long as a busy machine may need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(true: Callable[[], object], seconds: float = 60, *, every: float = 0.01) -> None:
    """Return once `true()` is, asked every so many seconds; AssertionError after that many."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(every)
