"""A disk in memory for a test run: an ext4 as people have it, whose flushes cost next to nothing.

Hundreds of stores are made and thrown away again, and each waits for its disk a hundred times.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY = Path("/dev/shm")
_SIZE = 16 << 30  # bytes, of which a run needs a half at most
_SPARE = 12 << 30  # bytes of memory that must be free
_PREFIX = "lxgit-"  # and the process whose it is: the paths of sockets must stay short
# What is deleted is free at once, and inodes that nobody uses take no room.
_OPTIONS = "loop,discard,noinit_itable"


def lacks() -> str | None:
    """Why there can be none, in words."""
    if reason := machine.lacks_root() or machine.lacks_program("mke2fs"):
        return reason
    if machine.filesystem(_MEMORY) != "tmpfs":
        return f"{_MEMORY} is no tmpfs"
    if min(shutil.disk_usage(_MEMORY).free, _available()) < _SPARE:
        return "too little memory is free"
    return None


def _available() -> int:
    """How much memory new programs may take, in bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return int(kilobytes) << 10


@contextmanager
def mounted() -> Iterator[Path]:
    """The disk, where it is mounted; afterwards its memory is free."""
    _sweep()
    place = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_MEMORY))
    image = place.with_suffix(".disk")
    try:
        with image.open("wb") as file:
            file.truncate(_SIZE)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-i", "8192", image], check=True)
        subprocess.run(["mount", "-o", _OPTIONS, image, place], check=True)
        image.unlink()  # it goes with the mount
        yield place
    finally:
        _remove(place)


def _sweep() -> None:
    """Remove the disks of runs that were killed."""
    for place in _MEMORY.glob(f"{_PREFIX}*-*"):
        pid = place.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdecimal() and place.is_dir() and not Path("/proc", pid).exists():
            _remove(place)


def _remove(place: Path) -> None:
    """Take down a disk; what still uses it, a process on its way out, keeps it that long."""
    if place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)
    place.with_suffix(".disk").unlink(missing_ok=True)
    place.rmdir()
