"""Commits of times that no calendar has, which Git's fsck lets pass: all that shows dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

TIMES = {
    "the last of 64 bits": "9223372036854775807 +9999",
    "no year of 32 bits": "67768036191676800 +0000",
    "none by its zone alone": "67768036191676799 +9959",
}


@pytest.fixture(params=TIMES)
def strange(grown: Lxgit, git: StockGit, request: pytest.FixtureRequest) -> Lxgit:
    who = f"A <a@x> {TIMES[request.param]}"
    tree = git.word("rev-parse", "base^{tree}")
    text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nOdd\n"
    oid = git.word("hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    git("update-ref", "refs/heads/strange", oid)
    return grown


def test_everything_that_shows_a_date(strange: Lxgit, scratch: Path) -> None:
    assert strange("inspect", "strange").json[0]["Created"].startswith("1970-01-01T00:00:00")
    for words in (
        "log strange",
        "log --format json strange",
        "log --graph strange",
        "show strange",
        "images",
        "images --format json",
        "images --format {{.CreatedAt}}{{.CreatedSince}}",
        "images --viz",
        "history strange",
        "history --format json strange",
        "branch -v",
        "reflog strange",
        "events --since 1h --until 0s",
        f"save -o {scratch}/image.tar strange",
        f"save --format oci-archive -o {scratch}/layout.tar strange",
    ):
        assert strange(*words.split()).err == ""


def test_gc_leaves_git_no_index_that_lies(strange: Lxgit, git: StockGit) -> None:
    """Git's commit-graph has 34 bits for a time."""
    strange("gc")
    assert strange("fsck").out == "No faults found.\n"
    assert git.fsck() == b""
    git("commit-graph", "write", "--reachable")
    assert "commit-graph has other times" in strange("fsck", code=1).out
    strange("fsck", "--repair", code=None)
    assert strange("fsck").out == "No faults found.\n"
