"""OSTree: one repository, of which trees are checked out as hard links, or which compresses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.harness import Void
from benchmarks.programs import Program, environment

if TYPE_CHECKING:
    from pathlib import Path


class Ostree:
    """A new repository in `directory`: `bare` for checkouts by hard links, `archive` compresses.

    OSTree keeps no devices: a tree is committed without what is in its /dev. It need not wait for
    the disk: no commit of it is measured.
    """

    def __init__(self, directory: Path, mode: str) -> None:
        """Void when there is no ostree."""
        program = shutil.which("ostree")
        if program is None:
            raise Void("no ostree on this machine")
        directory.mkdir()
        self.repository = directory / "repo"
        words = (program, f"--repo={self.repository}")
        self.program = Program(words, environment(directory))
        self.program.run("init", f"--mode={mode}")
        self.program.run("config", "set", "core.fsync", "false")

    def commit(self, tree: Path, branch: str) -> None:
        self.program.run(
            "commit", f"--branch={branch}", f"--tree=dir={tree}", f"--subject={branch}"
        )
