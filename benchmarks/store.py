"""lxgit, with a store of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.harness import Failed
from benchmarks.programs import Program, environment

PROGRAM = Path(sys.executable).with_name("lxgit")

CHANGED = (
    "/etc/apt/sources.list",
    "/etc/default/useradd",
    "/etc/environment",
    "/etc/motd",
    "/etc/security/limits.conf",
    "/root/.profile",
    "/srv/index.html",
    "/usr/bin/serve",
    "/usr/local/bin/serve",
    "/var/log/dpkg.log",
)
"""Ten files that a person may change, in directories that every Debian has, small and large."""


class Store:
    """One store at `directory`, which is made with the first import."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        values = {**environment(directory.parent), "LXGIT_STORE": str(directory)}
        self.program = Program((str(PROGRAM),), values)

    def change(self, image: str, container: str) -> None:
        """Leave a stopped container of `image` with CHANGED files, other than before."""
        script = 'for file; do echo "$HOSTNAME $(date +%N)" >> "$file"; done'
        shell = ("sh", "-c", script, "change", *CHANGED)
        self.program.run("run", "--network", "none", "--name", container, image, *shell)

    def check_ready(self) -> None:
        """Failed unless a container could be mounted now; an import may leave that for later."""
        if not any((self._directory / "layers/stacks").glob("*")):
            raise Failed("the import left no layer to mount")
