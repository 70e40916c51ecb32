"""What a command may load: start-up is part of the design.

Importing Typer takes 40 ms, Pydantic (which Typer brings with the first option that is not a flag)
50 more, pygit2 70; `python3 -c pass` takes 11.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.program import Lxgit

HEAVY = {
    "typer",
    "rich",
    "pydantic",
    "pygit2",
    "cffi",
    "dulwich",
    "isal",
    "zstandard",
    "asyncio",
    "ssl",
    "http",
    "email",
    "urllib",
    "logging",
    "argparse",
    "shutil",
    "subprocess",
    "tarfile",
    "tempfile",
    "difflib",
    "datetime",
    "inspect",
    "dataclasses",
    "json",
    "unicodedata",
}
"""Top-level modules that a command loads only when it is about them."""

MAIN = {"__main__", "lxgit", "lxgit.cli", "lxgit.cli.main"}
DISPATCH = MAIN | {
    "lxgit.errors",
    "lxgit.cli.commands",
    "lxgit.cli.dispatch",
    "lxgit.cli.environment",
    "lxgit.cli.output",
    "lxgit.cli.session",
}
PARSED = DISPATCH | {"lxgit.cli.params", "lxgit.cli.parse"}


def loaded(lxgit: Lxgit, *words: str) -> set[str]:
    """The modules in memory when the command has ended."""
    code = (
        "import atexit, os, sys\n"
        "sys.argv[0] = 'lxgit'\n"
        "atexit.register(lambda: os.write(2, '\\n'.join(sys.modules).encode()))\n"
        "from lxgit.cli.main import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *words],
        capture_output=True,
        text=True,
        env=lxgit.environment(),
        check=True,
    )
    return set(done.stderr.splitlines())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "lxgit"} | {"__main__"}


def heavy(modules: set[str]) -> set[str]:
    return HEAVY & {name.split(".")[0] for name in modules}


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--version"], MAIN),
        (["--help"], DISPATCH),
        (["completion", "bash"], PARSED | {"lxgit.cli.about", "lxgit.cli.completion_scripts"}),
        (["__complete", "lxgit co"], DISPATCH | {"lxgit.cli.completion"}),
    ],
    ids=" ".join,
)
def test_what_is_loaded(lxgit: Lxgit, words: list[str], allowed: set[str]) -> None:
    modules = loaded(lxgit, *words)
    assert ours(modules) == allowed
    assert not heavy(modules)
