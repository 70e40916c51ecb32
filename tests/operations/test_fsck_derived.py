"""Files that Git derives, damaged or gone: told of, made again, and nobody is sent to a clone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.operations.gc import gc
from tests.operations.test_gc import take
from tests.support.stockgit import StockGit
from tests.support.stores import Listener, flip, problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.repository import Repository


def check_mended(repository: Repository, told: str) -> None:
    found = problems(repository.path)
    assert any(told in one.message for one in found)
    assert not [one for one in found if "CLONE" in str(one.hint)]
    mended = problems(repository.path, repair=True)
    assert mended
    assert all(one.repaired for one in mended)
    assert problems(repository.path) == []


def test_a_pack_that_a_user_keeps_and_whose_index_is_lost(
    repository: Repository, scratch: Path
) -> None:
    oid = take(repository, scratch / "root", "text")
    (index,) = (repository.git_dir / "objects/pack").glob("*.idx")
    index.with_suffix(".keep").write_text("mine\n")
    index.unlink()
    repository.objects.close()
    check_mended(repository, "has no index")
    assert oid in repository.objects
    assert index.with_suffix(".keep").exists()


def graphs(repository: Repository) -> Path:
    return repository.git_dir / "objects/info/commit-graphs"


CHAINS: dict[str, Callable[[Path], object]] = {
    "a letter": lambda place: flip(place / "commit-graph-chain", 3, 0x40),
    "no names": lambda place: (place / "commit-graph-chain").write_bytes(b"hello\n"),
    "a graph gone": lambda place: max(place.glob("*.graph")).unlink(),
    "a graph's byte": lambda place: flip(max(place.glob("*.graph"))),
}


@pytest.mark.parametrize("harm", CHAINS)
def test_a_chain_of_commit_graphs(repository: Repository, scratch: Path, harm: str) -> None:
    """Stock Git writes it; lxgit one file in its place."""
    git = StockGit(repository.git_dir)
    for content in ("one", "two"):
        take(repository, scratch / "root", content)
        git("commit-graph", "write", "--reachable", "--split=no-merge")
    assert len(list(graphs(repository).glob("*.graph"))) == 2
    assert problems(repository.path) == []
    chain = graphs(repository) / "commit-graph-chain"
    for file in graphs(repository).iterdir():
        file.chmod(0o644)
    CHAINS[harm](graphs(repository))
    check_mended(repository, "commit-graph-chain")
    assert not chain.exists()
    assert (repository.git_dir / "objects/info/commit-graph").exists()
    gc(repository, progress=Listener())
    assert problems(repository.path) == []
