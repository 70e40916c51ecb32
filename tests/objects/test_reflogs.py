"""Reflogs against stock Git: each reads what the other writes, and passes over what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Signature
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.ids import ObjectID, hex_id
from lxgit.objects.operationlog import OperationLog
from lxgit.objects.refcheck import RefVerifier
from lxgit.objects.refs import ANY, RefStore
from tests.objects.conftest import BASE, WHO, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stockgit import StockGit


def test_git_and_lxgit_read_each_others(
    refs: RefStore, stock: StockGit, commits: list[ObjectID]
) -> None:
    put(refs, BASE, commits[0])
    stock("update-ref", "-m", "by git", BASE, hex_id(commits[1]))
    who = Signature("Zoë <x>\n", "z@example.com", 1_700_000_100, -210)
    refs.update(BASE, commits[2], old=ANY, message="two\nlines\t é", who=who)
    log = refs.reflog(BASE)
    assert [(entry.old, entry.new, entry.message) for entry in log] == [
        (commits[1], commits[2], "two lines é"),
        (commits[0], commits[1], "by git"),
        (None, commits[0], "test"),
    ]
    assert log[0].who == Signature("Zoë x", "z@example.com", 1_700_000_100, -210)
    assert log[2].who == WHO
    shown = stock("log", "-g", "--date=raw", "--format=%gD %gn <%ge> %gs", BASE).decode()
    assert shown.splitlines() == [
        f"{BASE}@{{1700000100 -0330}} Zoë x <z@example.com> two lines é",
        f"{BASE}@{{1700000000 +0100}} C. O. Mitter <committer@example.com> by git",
        f"{BASE}@{{1700000000 +0100}} C. O. Mitter <committer@example.com> test",
    ]


def test_the_first_value_of_a_ref_of_lxgits_own_is_told_with_the_second(
    refs: RefStore, stock: StockGit, commits: list[ObjectID]
) -> None:
    kept = "refs/lxgit/containers/1-kept"
    put(refs, kept, commits[2])
    assert refs.reflog(kept) == ()
    put(refs, kept, commits[0], commits[2])
    assert [(entry.old, entry.new) for entry in refs.reflog(kept)] == [(commits[2], commits[0])]
    stock("prune", "--expire=now")
    assert stock("cat-file", "-t", hex_id(commits[2])) == b"commit\n"


def test_lines_that_are_none_are_left_out(
    refs: RefStore, git_dir: Path, commits: list[ObjectID]
) -> None:
    put(refs, BASE, commits[0])
    with (git_dir / "logs" / BASE).open("ab") as file:
        file.write(b"\nrubbish\n\xff\0\n")
    put(refs, BASE, commits[1], commits[0])
    assert [entry.new for entry in refs.reflog(BASE)] == [commits[1], commits[0]]


@pytest.mark.parametrize("left", ["", "0", "01", "012", "0\0\0", "\0\0\0"])
def test_what_a_power_failure_leaves_of_a_line_is_none_and_harms_no_other(
    refs: RefStore, stock: StockGit, git_dir: Path, commits: list[ObjectID], left: str
) -> None:
    """Whole lines, and of the next one parts and zeros; a digit is for a third of it."""
    put(refs, BASE, commits[0])
    path = git_dir / "logs" / BASE
    line = path.read_bytes().removesuffix(b"\n")
    third = len(line) // 3
    parts = [line[:third], line[third : 2 * third], line[2 * third :], bytes(third)]
    with path.open("ab") as file:
        file.write(b"".join(parts[-1 if part == "\0" else int(part)] for part in left))
    log = OperationLog(git_dir / "operations", git_dir / "operations.lock")
    with ObjectDatabase(git_dir) as objects:
        assert list(RefVerifier(git_dir, objects, log).faults()) == []
        put(refs, BASE, commits[1], commits[0])
        assert list(RefVerifier(git_dir, objects, log).faults()) == []
    assert [entry.new for entry in refs.reflog(BASE)] == [commits[1], commits[0]]
    assert stock.word("rev-parse", f"{BASE}@{{0}}") == hex_id(commits[1])
    assert b"error" not in stock.fsck()
