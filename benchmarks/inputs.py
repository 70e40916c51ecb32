"""What is measured on: root filesystems as tars, shared with the tests' cache."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.harness import Void
from tests.support import rootfs

_BLOCK = 1 << 20


class Image(Protocol):
    """A root filesystem; `about` is its size in words."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> str: ...

    def archive(self) -> Path:
        """Its tar; Void when there is none and none can be made."""


@dataclass(frozen=True, slots=True)
class Debian:
    """Made with `options` of mmdebstrap when there is none yet, or only an old one."""

    name: str
    about: str
    options: tuple[str, ...]

    def archive(self) -> Path:
        try:
            return rootfs.cached_debian(self.name, self.options)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Void(f"no {self.name} Debian: {error}") from None


@dataclass(frozen=True, slots=True)
class Busybox:
    """The smallest that runs: busybox, and beside it one file of `size` bytes, if any.

    The file's bytes are random (seeded), so that nobody can compress them or find two blocks
    alike: the slowest and largest case.
    """

    name: str
    about: str
    size: int = 0

    def archive(self) -> Path:
        made = rootfs.cache_directory() / f"bench-{self.name}.tar"
        with rootfs.locked(made.with_suffix(".lock")):
            if not made.exists():
                self._make(made)
        return made

    def _make(self, archive: Path) -> None:
        partial = archive.with_suffix(".partial")
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            try:
                root = rootfs.build_busybox(Path(scratch, "root"))
            except FileNotFoundError as error:
                raise Void(str(error)) from None
            if self.size:
                write_random(root / "big", self.size)
            rootfs.make_tar(root, partial)
        partial.rename(archive)


def write_random(path: Path, size: int) -> None:
    """A file of `size` bytes that look random and are the same each time."""
    source = random.Random(size)
    with path.open("wb") as file:
        for offset in range(0, size, _BLOCK):
            file.write(source.randbytes(min(_BLOCK, size - offset)))


ESSENTIAL = Debian("essential", "4,000 entries, 95 MB", rootfs.ESSENTIAL)
LARGE = Debian("large", "53,000 entries, 874 MB", rootfs.LARGE)
ICONS = Debian(
    "icons", "106,000 entries, 292 MB", (*rootfs.ESSENTIAL, "--include=papirus-icon-theme")
)
APT = Debian("apt", "4,400 entries, 115 MB", ("--variant=apt",))
SYSTEM = Debian("systemd", "143 MB", rootfs.SYSTEMD)
BUSYBOX = Busybox("busybox", "400 entries, 2 MB")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What all rows are measured on: `large` and `small` are compared with each other.

    `icons` has many entries, `big` one big file, `system` an init. `commits` is the length of a
    long branch, `steps` how much of the history of package operations is used.
    """

    large: Image
    small: Image
    icons: Image
    big: Image
    system: Image
    commits: int
    steps: int


_4G = Busybox("big", "one file of 4 GiB", 4 << 30)
_64M = Busybox("64M", "one file of 64 MiB", 64 << 20)
FULL = Inputs(LARGE, ESSENTIAL, ICONS, _4G, SYSTEM, commits=10_000, steps=20)
QUICK = Inputs(ESSENTIAL, BUSYBOX, BUSYBOX, _64M, SYSTEM, commits=500, steps=4)
"""Stand-ins with which all rows take about a minute: to see them work, not for their figures."""


def read_once(path: Path) -> None:
    """Have a file in the page cache, for whoever reads it next."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass
