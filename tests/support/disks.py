"""Small file systems in files: to fill, and to cut the power of.

A loop device's file holds what the file system has sent to its disk so far. What it still keeps in
memory, all that was not flushed and a little of what was, is not in there. So a copy of the file,
taken while the file system is mounted, is the disk of a machine that lost its power at that moment:
mounting the copy replays the journal as after a real one. ext4 is mounted without the heuristics
that save programs which forget to flush (auto_da_alloc; data=ordered).
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.conftest import unable
from tests.support.mounts import unmount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kind:
    """A file system: how it is made, the size that it needs at least, how it is mounted."""

    name: str
    make: tuple[str, ...]
    megabytes: int
    options: str

    def __str__(self) -> str:
        return self.name


EXT4 = Kind("ext4", ("mke2fs", "-q", "-t", "ext4"), 64, "data=writeback,noauto_da_alloc")
XFS = Kind("xfs", ("mkfs.xfs", "-q"), 300, "nouuid")
BTRFS = Kind("btrfs", ("mkfs.btrfs", "-q", "--mixed"), 128, "defaults")
KINDS = (EXT4, XFS, BTRFS)


@contextmanager
def small(directory: Path, megabytes: int) -> Iterator[Path]:
    """An ext4 as people have it, of that size, for one test to fill; its files in `directory`."""
    kind = replace(EXT4, megabytes=megabytes, options="defaults")
    with mounted(kind, make(kind, directory / "disk"), directory / "mounted") as place:
        yield place


@contextmanager
def in_memory(directory: Path, megabytes: int) -> Iterator[Path]:
    """A small file system in memory."""
    place = directory / "memory"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", place], check=True)
    try:
        yield place
    finally:
        unmount(place)


@contextmanager
def filled(place: Path, blocks: int) -> Iterator[None]:
    """So many blocks of 1 KiB are free of it, and none of those that are root's alone."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
        os.fsync(file.fileno())
        file.truncate(max(file.tell() - (blocks << 10), 0))
        flush(place)
    try:
        yield
    finally:
        ballast.unlink()
        flush(place)


def flush(place: Path) -> None:
    """Have all on the disk that was written to that file system, and to no other.

    A test beside may be about what has not come to its disk yet.
    """
    subprocess.run(["sync", "--file-system", place], check=True)


def make(kind: Kind, image: Path) -> Path:
    """A new file system in the file `image`."""
    with image.open("wb") as file:
        file.truncate(kind.megabytes << 20)
    subprocess.run([*kind.make, image], check=True, capture_output=True)
    return image


def copy(image: Path, to: Path) -> Path:
    """The disk as it is now, whatever the file system on it still has in memory."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", image, to], check=True)
    return to


@contextmanager
def mounted(kind: Kind, image: Path, place: Path) -> Iterator[Path]:
    """The file system at `place`, which is made; afterwards all of it is in the file."""
    place.mkdir()
    command = ["mount", "-t", kind.name, "-o", f"loop,{kind.options}", str(image), str(place)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        unable(f"no {kind} on a loop device: {done.stderr.strip()}")
    try:
        yield place
    finally:
        unmount(place)
        place.rmdir()  # also takes down the copies that other mount namespaces have
        wait_until_free(image)


def wait_until_free(image: Path) -> None:
    """The last to let go may be a container that somebody started meanwhile, and that is ending."""
    deadline = time.monotonic() + 60
    while subprocess.run(["losetup", "-j", image], capture_output=True, check=True).stdout:
        assert time.monotonic() < deadline, f"{image} is in use"
        time.sleep(0.01)
