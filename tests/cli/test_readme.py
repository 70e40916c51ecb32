"""What pages say: every command that they name is there, and the README's session is run.

Its commands print what it says that they print. Ids, sizes and the numbers of lines differ from one
Debian to the next, and are not compared.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.cli import commands
from tests.support import netns
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
PROMPT = "# "
STORE = "/var/lib/lxgit"
_VARIES = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b[0-9.]+ (B|kB|MB)(?![a-z])"), "SIZE"),
    (re.compile(r"@@ -[0-9,]+ \+[0-9,]+ @@"), "@@ LINES @@"),
    (re.compile(r"^lxgit: waiting .*\n", re.MULTILINE), ""),  # for a busy machine
)


def session() -> list[tuple[str, str]]:
    """The commands of the README's session, each with its output."""
    (block,) = re.findall(r"^```console\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    told: list[tuple[str, str]] = []
    for line in block.splitlines(keepends=True):
        if line.startswith(PROMPT):
            told.append((line.removeprefix(PROMPT).rstrip("\n"), ""))
        else:
            command, output = told.pop()
            told.append((command, output + line))
    return told


def compared(output: str) -> str:
    """The output with placeholders for what varies."""
    for pattern, placeholder in _VARIES:
        output = pattern.sub(placeholder, output)
    return output


def test_what_varies() -> None:
    assert compared("Container web (84f18bec658b)") == "Container web (ID)"
    assert compared("(1.54 kB -> 12 B); -3 B\n") == "(SIZE -> SIZE); -SIZE\n"
    assert compared("@@ -1,5 +1,5 @@ x") == "@@ LINES @@ x"
    assert compared("x\nlxgit: waiting for process 9: it works\ny\n") == "x\ny\n"


@pytest.mark.network
@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.slow
def test_the_session_prints_what_the_readme_says(lxgit: Lxgit, git: StockGit) -> None:
    environment = lxgit.environment()
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    for command, expected in session():
        with netns.outside() if "bootstrap" in command else contextlib.nullcontext():
            done = subprocess.run(
                ["sh", "-c", command.replace(STORE, str(lxgit.store))],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        assert (done.returncode, compared(done.stdout)) == (0, compared(expected)), command
    assert git.word("log", "--format=%s", "base") == "Bootstrap Debian trixie with nginx-light"
    assert "worker_processes" in lxgit("show", "base:/etc/nginx/nginx.conf").out
    assert lxgit("ls", "base:/usr/sbin/nginx").out == "nginx\n"
    assert "console" in lxgit("ls", "base:/dev").lines  # the first of its archive
    assert git.fsck() == b""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`lxgit ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?[^`]*`", page.read_text())
    assert [(first, second) for first, second in named if not is_command(first, second)] == []


def is_command(first: str, second: str) -> bool:
    """A family alone is one too: a sentence may be about all of it."""
    if commands.find_family(first) is not None:
        return not second or commands.find(f"{first} {second}") is not None
    return commands.find(first) is not None
