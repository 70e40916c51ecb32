from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.objects.database import ObjectDatabase
from lxgit.objects.git import Git, init
from lxgit.objects.refs import RefStore
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.objects.ids import ObjectID


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


def intact(objects: ObjectDatabase, oid: ObjectID) -> bytes | None:
    """A blob as `intact_blob` has it, joined."""
    chunks = objects.intact_blob(oid, 1 << 20)
    return None if chunks is None else b"".join(chunks)
