"""lxgit, with a store of its own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from itertools import count
from pathlib import Path

from benchmarks.harness import Failed
from benchmarks.programs import Program, environment

_PROJECT = Path(__file__).parents[1]

CHANGED = (
    "/etc/apt/sources.list",
    "/etc/default/useradd",
    "/etc/environment",
    "/etc/motd",
    "/etc/security/limits.conf",
    "/root/.profile",
    "/srv/index.html",
    "/usr/bin/serve",
    "/usr/lib/os-release",
    "/usr/local/bin/serve",
    "/var/lib/dpkg/arch",
    "/var/log/dpkg.log",
)
"""Twelve files that a person may change, in directories that every Debian has, small and large."""

CHANGE = ("sh", "-c", 'for f; do mkdir -p "${f%/*}"; date +%s.%N >> "$f"; done', "sh", *CHANGED)
"""What changes them in a container, other than before."""

TRUE = ("run", "--rm", "--network", "none")
"""The cheapest container, but for its image and its command."""


class Store:
    """One store at `directory`, which is made with the first import."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._gone = count(1)
        values = {**environment(directory.parent), "LXGIT_STORE": str(directory)}
        self.program = Program((str(_installed(directory.parent)),), values)

    def run_true(self, image: str) -> float:
        """The time that a container of `image` takes which does nothing."""
        return self.program.seconds(*TRUE, image, "true")

    def keep(self, image: str, container: str, *command: str) -> None:
        """Leave a stopped container of `image` that has run `command`."""
        self.program.run("run", "--network", "none", "--name", container, image, *command)

    def check_ready(self) -> None:
        """Failed unless a container could be mounted now; an import may leave that for later."""
        if not any((self.directory / "layers/stacks").glob("*")):
            raise Failed("the import left no layer to mount")

    def lose_layers(self) -> None:
        """Have no layer any more, as when they were deleted.

        They are moved out of the way: to delete many files would slow down whoever makes some
        next (docs/benchmarks.md).
        """
        layers = self.directory / "layers"
        layers.rename(self.directory.with_name(f"{self.directory.name}-layers-{next(self._gone)}"))
        layers.mkdir(mode=0o700)

    def collect_garbage(self) -> None:
        """Have Git's objects as small as lxgit makes them, and nothing that no name reaches."""
        self.program.run("gc")


def _installed(place: Path) -> Path:
    """The program that `make install` would make, and people start."""
    program = place / "bin/lxgit"
    if not program.exists():
        launcher, packages = str(_PROJECT / "scripts/launcher"), sysconfig.get_path("purelib")
        command = [launcher, sys.executable, packages, str(_PROJECT)]
        text = subprocess.run(command, capture_output=True, check=True).stdout
        program.parent.mkdir()
        program.write_bytes(text)
        program.chmod(0o755)
    return program
