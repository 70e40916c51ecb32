"""The real program, run as a person would, in an environment that holds nothing of the caller's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

PROGRAM = Path(sys.executable).with_name("lxgit")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended; `out` and `err` are its output, undecodable bytes escaped.

    `err` is without what is told of waiting for another process: a busy machine has it wait.
    """

    arguments: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode(errors="backslashreplace")

    @property
    def err(self) -> str:
        lines = self.stderr.decode(errors="backslashreplace").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("lxgit: waiting"))

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True, slots=True)
class Lxgit:
    """`lxgit(…)` runs a command on one store and expects it to succeed; see `__call__`."""

    store: Path
    home: Path

    def __call__(
        self,
        *arguments: str | bytes | Path,
        code: int | None = 0,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 300,
    ) -> Result:
        """Run the program; an AssertionError that shows its output unless it exits with `code`.

        `code` None accepts any. `stdin` is what it reads, `env` is added to the clean environment,
        `timeout` is in seconds.
        """
        done = subprocess.run(
            [PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            env=self.environment(env),
            cwd=cwd or self.home,
            timeout=timeout,
            check=False,
        )
        shown = tuple(a if isinstance(a, str) else repr(a) for a in arguments)
        result = Result(shown, done.returncode, done.stdout, done.stderr)
        if code is not None and result.code != code:
            raise AssertionError(
                f"lxgit {' '.join(shown)}: exit {result.code}, expected {code}\n"
                f"--- stdout\n{result.out}--- stderr\n{result.err}---"
            )
        return result

    def terminal(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        size: tuple[int, int] = (24, 80),
        timeout: float = 60,
    ) -> pexpect.spawn[str]:
        """The program on a terminal of `size` (rows, columns); close it when done."""
        return pexpect.spawn(
            str(PROGRAM),
            list(arguments),
            env=self.environment({"TERM": "xterm", **(env or {})}),
            cwd=str(self.home),
            dimensions=size,
            timeout=timeout,
            encoding="utf-8",
            codec_errors="backslashreplace",
        )

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """What the program sees, and nothing else; keys for registries are not the machine's."""
        return {
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "LXGIT_STORE": str(self.store),
            "PATH": _PATH,
            "TZ": "UTC",
            "XDG_RUNTIME_DIR": str(self.home),
            **(more or {}),
        }


def refused(result: Result, fault: str, hint: str = "", *, out: str = "") -> None:
    """Assert that a command answered no more than `out`, and how it told fault and hint."""
    lines = result.err.splitlines()
    assert result.out == out
    assert lines[0].startswith("lxgit: ")
    assert fault in lines[0], result.err
    assert [line[:6] for line in lines[1:]] == ["hint: "] * (len(lines) - 1), result.err
    if hint:
        assert hint in lines[1]
