from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.git import GitFailed
from lxgit.objects.history import EVERYWHERE, is_ancestor, merge_bases, walk
from lxgit.objects.ids import from_hex, hex_id
from tests.support.processes import children

if TYPE_CHECKING:
    from lxgit.objects.git import Git
    from tests.support.stockgit import StockGit

SHAPE = [[1], [2, 1], [3, 2], [4, 2], [5, 4, 3], [6]]


@pytest.fixture
def made(stock: StockGit) -> dict[int, str]:
    ids = stock.graph(SHAPE)
    stock("update-ref", "refs/heads/base", ids[5])
    stock("update-ref", "refs/heads/other", ids[6])
    stock("update-ref", "refs/lxgit/containers/1", stock.commit("hidden", time=99))
    return ids


def numbers(git: Git, arguments: list[str], **options: object) -> list[int]:
    found = walk(git, arguments, **options)  # type: ignore[arg-type]
    return [int(commit.message.split()[1]) for _, commit in found]


def test_it_comes_in_gits_order(git: Git, made: dict[int, str]) -> None:
    assert numbers(git, [made[5]]) == [5, 4, 3, 2, 1]
    assert numbers(git, [made[5]], first_parent=True) == [5, 4, 2, 1]
    assert numbers(git, [made[5]], limit=2) == [5, 4]
    assert numbers(git, [made[5]], limit=0) == []
    assert numbers(git, [made[5], f"^{made[3]}"]) == [5, 4]
    assert numbers(git, [f"{made[3]}...{made[4]}"]) == [4, 3]
    assert numbers(git, []) == []


def test_everywhere_is_every_branch_and_nothing_of_lxgits_own(
    git: Git, made: dict[int, str]
) -> None:
    assert numbers(git, [*EVERYWHERE]) == [6, 5, 4, 3, 2, 1]


def test_everywhere_in_an_empty_store_is_nothing(git: Git) -> None:
    assert list(walk(git, EVERYWHERE)) == []


def test_commits_come_whole(git: Git, made: dict[int, str]) -> None:
    (oid, commit), *_ = walk(git, [made[5]])
    assert hex_id(oid) == made[5]
    assert [hex_id(parent) for parent in commit.parents] == [made[4], made[3]]


def test_it_can_be_left_early(git: Git, made: dict[int, str]) -> None:
    """Git has ended by then, and somebody has heard of it."""
    before = children(os.getpid())
    walking = walk(git, [made[5]])
    next(walking)
    (started,) = children(os.getpid()) - before
    walking.close()  # type: ignore[attr-defined]
    assert started not in children(os.getpid())


def test_a_missing_parent_is_told(git: Git, stock: StockGit, made: dict[int, str]) -> None:
    (stock.git_dir / "objects" / made[2][:2] / made[2][2:]).unlink()
    with pytest.raises(GitFailed, match=made[2]):
        list(walk(git, [made[5]]))


def test_ancestors(git: Git, made: dict[int, str]) -> None:
    ids = {number: from_hex(oid) for number, oid in made.items()}
    above = {1: {1, 2, 3, 4, 5}, 2: {2, 3, 4, 5}, 3: {3, 5}, 4: {4, 5}, 5: {5}, 6: {6}}
    for ancestor, descendants in above.items():
        for other, oid in ids.items():
            assert is_ancestor(git, ids[ancestor], oid) == (other in descendants)


def test_merge_bases(git: Git, made: dict[int, str]) -> None:
    ids = {number: from_hex(oid) for number, oid in made.items()}
    assert merge_bases(git, ids[3], ids[4]) == [ids[2]]
    assert merge_bases(git, ids[1], ids[5]) == [ids[1]]
    assert merge_bases(git, ids[5], ids[6]) == []
