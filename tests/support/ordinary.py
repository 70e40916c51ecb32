"""The program as an ordinary user runs it, wherever this checkout and its environment lie."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

from lxgit.fsutil import write_atomic
from tests.support.program import Result

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 65534
"""One without a name, a home and ids for containers."""

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


@contextlib.contextmanager
def account() -> Iterator[int]:
    """A user of this machine with ids for containers (subuid(5)): its number. Gone at the end."""
    for path in ("/etc/subuid", "/etc/subgid"):  # useradd(8) gives ids where they are
        Path(path).touch()
    name = f"lxgit{os.urandom(4).hex()}"
    _retried("useradd", "--no-create-home", "--home-dir", "/nonexistent", name)
    user = pwd.getpwnam(name).pw_uid
    try:
        yield user
    finally:
        shutil.rmtree(f"/tmp/lxgit-{user}", ignore_errors=True)
        _retried("userdel", name)


def _retried(*command: str) -> None:
    """Run what gives up at once where another process has /etc/passwd locked, or is the user's."""
    end = time.monotonic() + 60
    while True:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < end, f"{command}: {done.stderr}"
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class OrdinaryUser:
    """`user(…)` runs the program as a user; `passage` is a directory that everybody reaches.

    What the program imports is mounted there, in a mount namespace of its own, in which the shell
    commands of `before` can mount more. With `denied`, the kernel refuses a system call
    (denied.py): its name, and the name of the error.
    """

    passage: Path
    environment: dict[str, str]
    before: str = ""
    number: int = USER
    denied: str = ""

    def __call__(self, *words: str, code: int | None = None, stdin: bytes = b"") -> Result:
        """Run it; an AssertionError unless it exits with `code`, if that is given."""
        done = subprocess.run(
            self._command(words),
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=300,
            check=False,
        )
        result = Result(words, done.returncode, done.stdout, done.stderr)
        assert code in (None, result.code), f"{words}: {result.code}\n{result.out}\n{result.err}"
        return result

    def terminal(self, *words: str) -> pexpect.spawn[str]:
        """The program on a terminal; close it when done."""
        program, *arguments = self._command(words)
        environment = {"TERM": "xterm", **self.environment}
        return pexpect.spawn(program, arguments, env=environment, timeout=60, encoding="utf-8")

    def _command(self, words: tuple[str, ...]) -> list[str]:
        places = [self.passage / name for name in ("project", "packages")]
        for place in places:
            place.mkdir(exist_ok=True)
        program = self.passage / "program"
        text = _PROGRAM.format(places=", ".join(repr(str(place)) for place in places))
        # Whole at any time: another command may be about to read it.
        write_atomic(program, text.encode(), mode=0o644, durable=False)
        become = f"setpriv --reuid {self.number} --regid {self.number} --clear-groups"
        deny = places[0] / "tests/support/denied.py"
        through = f"{_PYTHON} {deny} {self.denied} /usr/bin/env" if self.denied else ""
        script = f"""
            set -e
            mount --bind {_PROJECT} {places[0]}
            mount --bind {_PACKAGES} {places[1]}
            {self.before}
            cd /
            exec {through} {become} {_PYTHON} -I {program} "$@"
        """
        return ["unshare", "--mount", "sh", "-c", script, "sh", *words]
