"""What is hinted at in place of others' commands and options is there, and does what is said."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.commands import find, find_family, split
from lxgit.cli.instead import COMMANDS, INSTEAD

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

HINTS = {*COMMANDS.values(), *(hint for options in INSTEAD.values() for hint in options.values())}
LINES = sorted({line for hint in HINTS for line in re.findall(r"'lxgit ([a-z][^']*)'", hint)})


def declared(name: str) -> set[str]:
    """The options of a command."""
    listed = find(name)
    assert listed is not None
    parameters = listed.load().parameters
    return {option for each in parameters if each.is_option for option in each.declaration.names}


@pytest.mark.parametrize("line", LINES)
def test_what_is_hinted_at_is_there(line: str) -> None:
    name, words = split(shlex.split(line))
    typed = {word for word in words if word.startswith("-") and word != "--"}
    assert typed - {"-it"} <= declared(name)


def test_what_is_there_has_no_hint() -> None:
    assert not [name for name in COMMANDS if find(name) or find_family(name)]
    assert not [name for name, options in INSTEAD.items() if declared(name) & set(options)]


def test_stock_git_does_what_hints_leave_to_it(grown: Lxgit, git: StockGit) -> None:
    assert git("grep", "tuned", "tuned", "--", "rootfs") == b"tuned:rootfs/etc/motd:It is tuned.\n"
    blame = git("blame", "--line-porcelain", "tuned", "--", "rootfs/etc/motd").decode()
    assert re.findall("^summary (.*)$", blame, re.MULTILINE)[-1] == "Tune it"
    git("config", "user.name", "Zoe")
    grown("tag", "-a", "-m", "hers", "noted", env={"GIT_COMMITTER_NAME": ""})
    assert b"tagger Zoe <" in git("cat-file", "tag", "noted")
    assert git("log", "--author=Ada", "--grep=Tune", "--format=%s", "tuned") == b"Tune it\n"
    assert git("branch", "--contains", "base").split() == [b"base", b"*", b"tuned"]
    assert git("tag", "--contains", "base") == b"noted\n"
    words = git("diff", "--word-diff", "base", "tuned", "--", "rootfs/etc/motd")
    assert b"{+is tuned.+}" in words
