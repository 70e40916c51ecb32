"""undo: HEAD is on a branch that is there, or goes back to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_undo import refs
from tests.support.program import refused
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit


def test_heads_branch_never_goes(full: Lxgit, git: StockGit) -> None:
    full("branch", "new")
    git("symbolic-ref", "HEAD", "refs/heads/new")
    before = refs(git)
    assert "HEAD is on the branch 'new'" in full("undo", code=1).err
    assert refs(git) == before


def test_head_is_not_put_on_a_branch_that_is_gone(full: Lxgit, git: StockGit) -> None:
    full("branch", "new")
    full("checkout", "new")
    full("checkout", "base")
    git("branch", "-D", "new")
    before = refs(git)
    told = full("undo", code=1)
    back = f"git -C {git.git_dir} branch new ID"
    refused(told, "the branch 'new', which is gone", f"'{back}' has it back")
    assert "; 'lxgit undo --force' goes on to the one before\n" in told.err
    assert refs(git) == before
    oid = full("reflog").lines[0].split()[0]
    git(*back.replace("ID", oid).split()[3:])
    full("undo")
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/new"


@pytest.mark.root
def test_head_is_put_back_on_a_branch_that_is_not_there_yet(
    grown: Lxgit, other: Lxgit, scratch: Path, busybox_tar: Path
) -> None:
    """The store has a branch before HEAD has: all that came first was a tag."""
    grown("tag", "base:v1", "base")
    grown("save", "base:v1", "-o", scratch / "a.tar")
    other("load", "-i", scratch / "a.tar")
    for name in ("mine", "kept"):
        other("branch", name, "base:v1")
    theirs = StockGit(other.store / "git")
    for words in (["import", busybox_tar, "new"], ["checkout", "mine"]):
        other(*words)
        assert other("undo").out.endswith(f"HEAD {words[-1]} -> main\n")
        assert theirs.word("symbolic-ref", "HEAD") == "refs/heads/main"
    theirs("branch", "-D", "mine")
    refused(other("undo", "--redo", code=1), "the branch 'mine', which is gone", "branch mine ID")


def test_what_would_put_head_on_a_branch_that_is_gone_is_passed_over(
    full: Lxgit, git: StockGit
) -> None:
    """Else nothing before it could be undone any more."""
    before = refs(git)
    for words in (["branch", "x"], ["checkout", "x"], ["tag", "early"], ["checkout", "tuned"]):
        full(*words)
    git("branch", "-D", "x")
    fault = "passed over: HEAD would be on the branch 'x', which is gone"
    assert fault in full("undo", "-n", "--force").err
    assert "tags/early" in refs(git)
    assert fault in full("undo", "--force").err
    assert refs(git) == before
