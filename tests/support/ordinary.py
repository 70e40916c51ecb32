"""The program as an ordinary user runs it, wherever this checkout and its environment lie."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.support.program import Result

USER = 65534

_PROJECT = Path(__file__).parents[2]
_PACKAGES = sysconfig.get_path("platlib")
_PYTHON = Path(sys.executable).resolve()
_PROGRAM = """\
import sys
sys.path[:0] = [{places}]
from lxgit.cli.main import main
sys.exit(main())
"""


def lacks_python() -> str | None:
    """The reason why an ordinary user cannot run this Python, which may lie in root's home."""
    passable = all(directory.stat().st_mode & 0o001 for directory in _PYTHON.parents)
    return None if passable else f"an ordinary user cannot reach {_PYTHON}"


@dataclass(frozen=True, slots=True)
class OrdinaryUser:
    """`user(…)` runs the program as USER; `passage` is a directory that everybody reaches.

    What the program imports is mounted there, in a mount namespace of its own, in which the shell
    commands of `before` can mount more.
    """

    passage: Path
    environment: dict[str, str]
    before: str = ""

    def __call__(self, *words: str) -> Result:
        places = [self.passage / name for name in ("project", "packages")]
        for place in places:
            place.mkdir(exist_ok=True)
        program = self.passage / "program"
        program.write_text(_PROGRAM.format(places=", ".join(repr(str(place)) for place in places)))
        script = f"""
            set -e
            mount --bind {_PROJECT} {places[0]}
            mount --bind {_PACKAGES} {places[1]}
            {self.before}
            cd /
            exec setpriv --reuid {USER} --regid {USER} --clear-groups {_PYTHON} -I {program} "$@"
        """
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        return Result(words, done.returncode, done.stdout, done.stderr)
