from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Signature
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.git import Git
from lxgit.objects.gitdir import init
from lxgit.objects.ids import from_hex
from lxgit.objects.refs import RefStore
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.objects.ids import ObjectID

WHO = Signature("C. O. Mitter", "committer@example.com", 1_700_000_000, 60)
BASE = "refs/heads/base"


@pytest.fixture
def git_dir(scratch: Path) -> Path:
    """A store's repository, empty."""
    path = scratch / "git"
    init(path)
    return path


@pytest.fixture
def stock(git_dir: Path) -> StockGit:
    """Stock Git on that repository."""
    return StockGit(git_dir)


@pytest.fixture
def git(git_dir: Path) -> Git:
    return Git(git_dir)


@pytest.fixture
def objects(git_dir: Path) -> Iterator[ObjectDatabase]:
    with ObjectDatabase(git_dir) as database:
        yield database


@pytest.fixture
def refs(git_dir: Path) -> RefStore:
    return RefStore(git_dir)


@pytest.fixture
def commits(stock: StockGit) -> list[ObjectID]:
    """Three commits in a row."""
    made = stock.graph([[1], [2, 1], [3, 2]])
    return [from_hex(made[number]) for number in (1, 2, 3)]


def put(refs: RefStore, name: str, new: ObjectID | None, old: ObjectID | None = None) -> None:
    """Move a ref, by WHO, with the message `test`."""
    refs.update(name, new, old=old, message="test", who=WHO)


def intact(objects: ObjectDatabase, oid: ObjectID) -> bytes | None:
    """A blob as `intact_blob` has it, joined."""
    chunks = objects.intact_blob(oid, 1 << 20)
    return None if chunks is None else b"".join(chunks)


def pack_files(git_dir: Path) -> list[str]:
    """The names in the directory of packs."""
    return sorted(os.listdir(git_dir / "objects/pack"))
