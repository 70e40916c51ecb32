"""Charliecloud: images are directories, and a build cache that is a Git repository holds steps."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.harness import Failed, Void
from benchmarks.history import APPLY
from benchmarks.programs import Program, environment

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.history import History


class Charliecloud:
    """A storage directory of its own in the new `directory`."""

    def __init__(self, directory: Path) -> None:
        """Void when there is no ch-image, or one that cannot start, for want of a module say."""
        program = shutil.which("ch-image", path="/usr/bin")
        if program is None:
            raise Void("no ch-image on this machine")
        directory.mkdir()
        self.storage = directory / "storage"
        self._directory = directory
        values = {
            **environment(directory),
            "CH_IMAGE_STORAGE": str(self.storage),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",  # its modules are those of Debian's Python
            "USER": "root",
        }
        self.program = Program((program,), values)
        try:
            self.program.run("--dependencies")
        except Failed as reason:
            raise Void(str(reason)) from None

    def build(self, history: History) -> None:
        """All of a history, as one Dockerfile with a RUN for each step."""
        context = self._directory / "context"
        context.mkdir()
        (context / "apply").write_text(APPLY)
        lines = ["FROM base"]
        for number, step in enumerate(history.steps):
            shutil.copyfile(step, context / str(number))
            lines.append(f"RUN cd / && sh /mnt/apply < /mnt/{number}")
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.program.run("import", "--cache", str(history.base), "base")
        self.program.run(
            "build",
            "--cache",
            "--force=none",
            f"--bind={context}:/mnt",
            "--tag=machine",
            str(context),
        )
