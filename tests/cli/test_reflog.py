"""reflog: what names were, also those that were deleted."""

from __future__ import annotations

import itertools
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


def test_reflog_is_gits(full: Lxgit, git: StockGit) -> None:
    full("checkout", "base")
    full("checkout", "-")
    for name in ("HEAD", "tuned"):
        theirs = git("reflog", "show", "--abbrev=12", name).decode()
        assert full("reflog", name).out == theirs
        assert full("reflog", "show", name).out == theirs
    assert full("reflog").out == full("reflog", "HEAD").out
    assert full("reflog", "show").out == full("reflog").out
    assert full("reflog", "-n", "1").lines == full("reflog").lines[:1]
    fields = full("reflog", "--format", "json").json[0]
    assert fields["name"] == "HEAD@{0}"
    assert fields["id"] == git.word("rev-parse", "HEAD")
    assert full("rev-parse", fields["name"]).lines == [fields["id"]]
    assert full("reflog", "--no-trunc").lines[0].startswith(fields["id"])


def test_what_was_deleted_is_found(full: Lxgit, git: StockGit) -> None:
    oid = git.word("rev-parse", "third")
    full("branch", "-D", "third")
    full("tag", "-d", "noted")
    assert full("reflog", "third").lines == [
        f"{oid[:12]} third@{{0}}: branch: deleted",
        f"{oid[:12]} third@{{1}}: branch: Created from base",
    ]
    assert [line.split(" ", 1)[1] for line in full("reflog", "--deleted").lines] == [
        "noted: tag: deleted",
        "third: branch: deleted",
    ]
    for name in ("third:latest", "heads/third", "refs/heads/third"):
        assert full("reflog", name).lines == [
            f"{oid[:12]} {name}@{{0}}: branch: deleted",
            f"{oid[:12]} {name}@{{1}}: branch: Created from base",
        ]
    full("tag", "base:v1", oid)
    full("tag", "-d", "base:v1")
    for name in ("base:v1", "base/v1", "tags/base/v1"):
        assert full("reflog", name).lines == [
            f"{oid[:12]} {name}@{{0}}: tag: deleted",
            f"{oid[:12]} {name}@{{1}}: tag: {oid}",
        ]
    full("branch", "third", oid[:12])
    assert "Created from" in full("reflog", "third").out
    for name in ("third", "refs/heads/third"):
        assert full("reflog", "--deleted", name).lines == [
            f"{oid[:12]} {name}: branch: deleted",
            f"{oid[:12]} {name}: branch: Created from base",
        ]
    assert full("reflog", "--deleted", "base", code=1).err.startswith(
        "lxgit: no branch or tag 'base' was deleted, as far as is known\n"
    )
    assert "did you mean" in full("reflog", "thrid", code=1).err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("third", ["branch", "-D", "third"]),
        ("third", ["branch", "-m", "third", "fourth"]),
        ("third", ["branch", "-M", "third", "base"]),
        ("base/v1", ["tag", "-d", "base:v1"]),
    ],
    ids=("deleted", "renamed", "renamed over another", "a tag"),
)
def test_what_is_back_has_its_reflog(
    full: Lxgit, git: StockGit, name: str, words: list[str]
) -> None:
    """Also when gc came in between: what a branch was is not forgotten with it."""
    left = git.word("rev-parse", "base")
    full("tag", "base:v1", "base")
    full("tag", "-f", "base:v1", "tuned")
    full("branch", "-f", "third", "tuned")
    before = full("reflog", "-n", "9", name).out
    full(*words)
    full("undo")
    assert full("reflog", name).out.split("\n", 1)[1] == before.replace("@{1}", "@{2}").replace(
        "@{0}", "@{1}"
    )
    full("undo", "--redo")
    git("gc", "-q", "--prune=now")
    full("undo")
    told = [line.partition(": ")[2] for line in full("reflog", name).lines]
    assert told[0] == told[1]
    assert told[2:] == [line.partition(": ")[2] for line in before.splitlines()]
    assert git.word("reflog", name, "--format=%gs").splitlines() == told
    full("undo")
    assert git.word("rev-parse", name) in {left, git.word("rev-parse", "tuned")}


@pytest.mark.root
def test_a_gc_that_was_killed_is_no_deletion(full: Lxgit, git: StockGit) -> None:
    """Just before what is left of the log is in the place of all of it."""
    if reason := lacks_program("strace"):
        unable(reason)
    tip, tree = git.word("rev-parse", "tuned", "tuned^{tree}").split()
    full("branch", "gone", git.commit("only here", tip, tree=tree))
    full("branch", "-D", "third")
    full("branch", "-D", "gone")
    before = full("reflog", "--deleted").lines
    log = git.git_dir / "logs/refs/lxgit/deleted"
    words = ("strace", "-o", "/dev/null", "--trace=rename")
    for number in itertools.count(1):
        killed = (*words, f"--inject=rename:signal=KILL:when={number}", PROGRAM, "gc", "--now")
        done = subprocess.run(killed, env=full.environment(), check=False)
        assert done.returncode == -signal.SIGKILL
        if log.read_bytes().endswith(b"\tgc\n"):
            break
    assert full("reflog", "--deleted").lines == before
    assert "gone" in full("reflog", "gone").out
    full("gc", "--now")
    assert full("reflog", "--deleted").lines == before[1:]
    assert len(full("reflog", "third").lines) == 2


@pytest.mark.parametrize("space", ["\xa0", "\u3000", "\x85"])
def test_white_space_that_git_takes_in_a_name_is_kept(
    full: Lxgit, git: StockGit, space: str
) -> None:
    name = f"third{space}one"
    git("check-ref-format", "--branch", name)
    full("branch", name, "base")
    full("branch", "-f", name, "tuned")
    before = full("reflog", name).lines
    full("branch", "-D", name)
    told = [line.partition("}: ")[2] for line in full("reflog", name).lines]
    assert told == ["branch: deleted", *(line.partition("}: ")[2] for line in before)]
    full("undo")
    assert [line.partition("}: ")[2] for line in full("reflog", name).lines][1:] == told[1:]
