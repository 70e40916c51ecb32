"""restic: a repository of backups, which splits files into chunks and compresses them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.harness import Void
from benchmarks.programs import Program, environment

if TYPE_CHECKING:
    from pathlib import Path


class Restic:
    """A new repository in `directory`, encrypted as all of restic's are."""

    def __init__(self, directory: Path) -> None:
        """Void when there is no restic."""
        program = shutil.which("restic")
        if program is None:
            raise Void("no restic on this machine")
        directory.mkdir()
        self.repository = directory / "repo"
        values = {**environment(directory), "RESTIC_PASSWORD": "benchmark"}
        words = (program, f"--repo={self.repository}", f"--cache-dir={directory / 'cache'}")
        self.program = Program(words, values)
        self.program.run("init")

    def backup(self, tree: Path) -> None:
        self.program.run("backup", "--quiet", str(tree))
