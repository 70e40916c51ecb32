"""What is measured on: Debians made by mmdebstrap, shared with the tests' cache."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.harness import Void
from tests.support import rootfs

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Debian:
    """A root filesystem as a tar, made with `options` of mmdebstrap when there is none yet."""

    name: str
    about: str
    options: tuple[str, ...]

    def archive(self) -> Path:
        """The tar; Void when it cannot be made, for want of a network say."""
        try:
            return rootfs.cached_debian(self.name, self.options)
        except (OSError, subprocess.CalledProcessError) as error:
            raise Void(f"no {self.name} Debian: {error}") from None


ESSENTIAL = Debian("essential", "4,000 entries, 95 MB", rootfs.ESSENTIAL)
LARGE = Debian("large", "53,000 entries, 874 MB", rootfs.LARGE)


def read_once(path: Path) -> None:
    """Have a file in the page cache, for whoever reads it next."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass
