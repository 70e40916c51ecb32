"""Running programs, and the time that they take."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(home: Path) -> dict[str, str]:
    """What a measured program sees: nothing of the caller's."""
    return {"HOME": str(home), "LANG": "C.UTF-8", "PATH": _PATH, "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program with the options and the environment that each of its runs has."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: Path = Path(os.devnull)) -> str:
        """Run it to its end, unmeasured; returns what it printed. Failed with its own words."""
        with stdin.open("rb") as stream:
            done = subprocess.run(
                [*self.words, *arguments],
                env=self.environment,
                stdin=stream,
                capture_output=True,
                text=True,
                errors="backslashreplace",
                check=False,
            )
        self._check(arguments, done.returncode, done.stderr)
        return done.stdout

    def seconds(self, *arguments: str) -> float:
        """The time from its start until it has ended; Failed unless that was well.

        Spawned without `subprocess`, whose own work would count for both sides alike and so bring
        their ratio nearer to one.
        """
        command = [*self.words, *arguments]
        with tempfile.TemporaryFile() as errors:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
            ]
            started = time.perf_counter()
            child = os.posix_spawn(command[0], command, self.environment, file_actions=actions)
            _, status = os.waitpid(child, 0)
            elapsed = time.perf_counter() - started
            errors.seek(0)
            said = errors.read().decode(errors="backslashreplace")
        self._check(arguments, os.waitstatus_to_exitcode(status), said)
        return elapsed

    def _check(self, arguments: tuple[str, ...], code: int, said: str) -> None:
        if code:
            shown = " ".join((self.words[0].rpartition("/")[2], *arguments))
            last = (said.strip().splitlines() or ["nothing"])[-1]
            raise Failed(f"{shown}: exit {code}, and it said: {last}")
