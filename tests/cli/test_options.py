"""Options that contradict each other: refused, and nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


@pytest.mark.parametrize(
    ("words", "one", "other"),
    [
        ("branch -d -m base third", "-d", "-m"),
        ("branch -D -M base third", "-D", "-M"),
        ("branch -l -d third", "-d", "-l"),
        ("branch -l -m third fourth", "-m", "-l"),
        ("branch -d --show-current third", "-d", "--show-current"),
        ("branch --show-current --format json", "--show-current", "--format"),
        ("tag -l -d noted", "-d", "-l"),
        ("tag -n -d noted", "-d", "-n"),
        ("tag -l -m text new", "-l", "-m"),
        ("tag -a -d noted", "-d", "-a"),
        ("checkout -b new -B newer", "-b", "-B"),
        ("checkout --detach -b new", "-b", "--detach"),
        ("switch -c new -C newer", "-c", "-C"),
        ("switch --detach -c new", "-c", "--detach"),
        ("images --tree base", "--tree", "NAME"),
        ("images --tree -f reference=base", "--tree", "--filter"),
        ("images --tree -q", "--tree", "-q"),
        ("images --tree --format json", "--tree", "--format"),
        ("images --tree --viz", "--tree", "--viz"),
        ("images --viz base", "--viz", "NAME"),
        ("images --viz --format {{.ID}}", "--viz", "--format"),
        ("images --viz --no-trunc", "--viz", "--no-trunc"),
        ("branch -q --format json", "-q", "--format"),
        ("branch -q -v", "-q", "-v"),
        ("tag -q --format json", "-q", "--format"),
        ("tag -q -n", "-q", "-n"),
        ("images -q --format json", "-q", "--format"),
        ("history -q --format {{.ID}} base", "-q", "--format"),
        ("ps -aq --format {{.Names}}", "-q", "--format"),
        ("log -q --format json", "-q", "--format"),
        ("log -q -p", "-q", "-p"),
        ("log -q --stat", "-q", "--stat"),
        ("log -q --name-only", "-q", "--name-only"),
        ("log -q --graph", "-q", "--graph"),
        ("log -q --oneline", "-q", "--oneline"),
        ("stash list -q --format json", "-q", "--format"),
        ("network ls -q --format json", "-q", "--format"),
        ("volume ls -q --format json", "-q", "--format"),
        ("search -q --format json x", "-q", "--format"),
        ("login -u x -p y --password-stdin", "--password-stdin", "-p"),
    ],
)
def test_what_contradicts_itself_is_refused(
    full: Lxgit, git: StockGit, words: str, one: str, other: str
) -> None:
    before = git("for-each-ref"), git("symbolic-ref", "HEAD")
    result = full(*words.split(), code=2)
    told = f"lxgit: {one} and {other} exclude each other\nhint: leave one out\n"
    assert (result.out, result.err) == ("", told)
    assert (git("for-each-ref"), git("symbolic-ref", "HEAD")) == before


def test_what_has_no_name_to_go_by(full: Lxgit, git: StockGit) -> None:
    before = git("for-each-ref")
    assert "'new' is one name too many" in full("branch", "--show-current", "new", code=2).err
    assert "a name is missing" in full("tag", "-m", "text", code=2).err
    assert "--detach moves HEAD" in full("checkout", "--detach", "base", "web", code=2).err
    assert git("for-each-ref") == before


def test_tag_n_lists(full: Lxgit, git: StockGit) -> None:
    assert full("tag", "-n", "noted").out == git("tag", "-n", "noted").decode()
    assert full("tag", "-n", "new").out == ""


@pytest.mark.parametrize("others", ["--stat", "--name-only", "--format json"])
def test_a_quiet_diff_is_quiet_whatever_else_is_wanted(full: Lxgit, others: str) -> None:
    result = full("diff", "-q", *others.split(), "base", "tuned", code=1)
    assert (result.out, result.err) == ("", "")
    result = full("diff", "-q", *others.split(), "base", "base")
    assert (result.out, result.err) == ("", "")


def test_quiet_is_of_a_list(full: Lxgit, git: StockGit) -> None:
    """Git takes these as well."""
    current = git("branch", "--show-current").decode()
    assert full("branch", "-q", "--show-current").out == current
    assert full("branch", "-v", "--show-current").out == current
    full("branch", "-q", "-v", "new")
    git("branch", "old")
    assert full("branch", "-q", "-v", "-D", "new").out == git("branch", "-q", "-D", "old").decode()
    assert full("ps", "-aqs").out == ""
