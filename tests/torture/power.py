"""What has changed for a store when its machine was started again."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from lxgit.runtime.rundir import boot_id
from lxgit.runtime.runplace import kernel_boot

if TYPE_CHECKING:
    from pathlib import Path

_ANOTHER_BOOT = "00000000-0000-0000-0000-000000000000"
_A_DEAD_ONES = b"lxgit 1\n"
"""What a lock says; nobody holds it. One that says nothing is as good, by its time alone."""


def reboot(store: Path) -> None:
    """Another boot: layers and caches tell that which made them, and locks are of the dead."""
    for description in store.glob("layers/*/layer.json"):
        text = description.read_text(errors="replace")
        description.write_text(text.replace(boot_id(), _ANOTHER_BOOT))
    if (index := store / "containers/.lock").exists():
        index.write_text(_ANOTHER_BOOT)
    for cache in store.glob("containers/*/stat-cache"):
        body = cache.read_bytes()[:-20].replace(kernel_boot().encode(), _ANOTHER_BOOT.encode())
        cache.write_bytes(body + hashlib.sha1(body, usedforsecurity=False).digest())
    for note in store.glob("containers/*/has-upper"):
        note.write_text(note.read_text(errors="replace").replace(kernel_boot(), _ANOTHER_BOOT))
    for stack in store.glob("layers/stacks/*"):
        os.utime(stack, (0, 0))
    for lock in (store / "git").rglob("*.lock"):
        _, _, announced = lock.read_bytes().partition(b"\n")
        lock.write_bytes(_A_DEAD_ONES + announced)
