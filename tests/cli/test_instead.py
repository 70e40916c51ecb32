"""What is hinted at in place of others' commands and options is there, and does what is said."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.commands import find, find_family, split
from lxgit.cli.instead import ARGUMENTS, COMMANDS, INSTEAD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

HINTS = {
    *COMMANDS.values(),
    *ARGUMENTS.values(),
    *(hint for options in INSTEAD.values() for hint in options.values()),
}
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


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *(
            (name, option)
            for name in ("diff", "log")
            for option in ("--numstat", "--raw", "--color")
        ),
        *(("log", option) for option in ("--author=Ada", "--merges", "--date=iso")),
        *((name, option) for name in ("diff", "log") for option in ("--text", "--binary")),
        ("branch", "--sort=refname"),
        ("fsck", "--lost-found"),
        ("rev-parse", "--git-dir"),
    ],
)
def test_what_git_knows_is_left_to_it_alone(grown: Lxgit, name: str, option: str) -> None:
    """Nothing that is spelled alike is offered beside it."""
    told = grown(name, option, code=2).err
    word = option.partition("=")[0]
    assert told.startswith(f"lxgit: no such option: {word}\nhint: 'git -C {grown.store}/git {name}")
    assert ("where paths begin with rootfs/\n" in told) is (name in ("diff", "log"))


@pytest.mark.parametrize("name", ["branch", "log", "reflog", "show", "tag"])
def test_formats_of_gits_are_left_to_it(grown: Lxgit, name: str) -> None:
    told = grown(name, "--format=%H", code=2).err
    assert "'%H' is not one of " in told
    assert f"\nhint: 'git -C {grown.store}/git {name}' knows it" in told


def test_the_store_is_named_where_there_is_one(lxgit: Lxgit, scratch: Path) -> None:
    """So that the line can be typed as it stands, whatever the path has in it."""
    assert "'git -C STORE/git describe'" in lxgit("describe", code=2).err
    store = scratch / "a store"
    lxgit("--store", store, "volume", "create", "v")
    hint = lxgit("--store", store, "describe", code=2).err
    line = re.search(r"hint: '(git -C .*) describe' knows it", hint)
    assert line is not None
    done = subprocess.run(
        [*shlex.split(line[1]), "rev-parse", "--is-bare-repository"],
        check=True,
        capture_output=True,
    )
    assert done.stdout == b"true\n"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run --platform linux/arm64 base", "'lxgit pull --platform "),
        ("create --platform=linux/arm64 base", "'lxgit pull --platform "),
        ("build --load .", "what is built is in the store"),
        ("build --push .", "'lxgit push "),
        ("builder build --push .", "'lxgit push "),
        ("build --cache-from x .", "steps that were built here"),
        ("build -o out .", "'lxgit export' "),
        ("log --not base", "^REV leaves out"),
        ("log --remotes", "'lxgit branch' lists all"),
        ("log -g", "'lxgit reflog' "),
        ("log --no-patch", "without -p "),
        ("log -s", "without -p "),
        ("commit -C HEAD", "-m or -F gives the message"),
        ("commit --no-edit", "-m or -F gives the message"),
        ("stash -u", "without it all goes that a container changed"),
        ("stash push --patch", "there is no index"),
        ("volume create -o type=nfs", "a volume lies in the store"),
    ],
)
def test_an_option_of_others_has_a_hint(lxgit: Lxgit, line: str, hint: str) -> None:
    told = lxgit(*line.split(), code=2).err
    assert re.match(rf"lxgit: no such option: -\S+\nhint: {re.escape(hint)}", told), told


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("update-ref", "'lxgit branch -f NAME REV'"),
        ("rev-list", "'lxgit log -q --no-trunc'"),
        ("merge-base", "'lxgit diff A...B'"),
    ],
)
def test_a_command_of_gits_is_no_slip(lxgit: Lxgit, name: str, hint: str) -> None:
    told = lxgit(name, code=2).err
    assert told.startswith(f"lxgit: '{name}' is not a command\nhint: {hint}")


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
    base = git.word("rev-parse", "base")
    assert git.word("merge-base", "base", "tuned") == base
    assert git("log", "--merges", "--date=iso", "tuned") == b""
    assert git("shortlog", "-s", "tuned").split() == [b"2", b"Ada"]
    assert git.word("name-rev", "--name-only", base) == "tags/noted~1"
    assert git.word("describe", "tuned") == "noted"
    assert git("diff-tree", "--name-only", "base", "tuned").split() == [b"rootfs"]
    assert git("branch", "--sort=-refname", "--points-at", "base").split() == [b"base"]
    numstat = git("diff", "--numstat", "base", "tuned", "--", "rootfs/etc/motd")
    assert numstat == b"1\t1\trootfs/etc/motd\n"
    words = git("diff", "--word-diff", "base", "tuned", "--", "rootfs/etc/motd")
    assert b"{+is tuned.+}" in words
