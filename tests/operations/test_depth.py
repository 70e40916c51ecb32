"""The deepest tree, whether a file or an empty directory is at its end: what is taken, is shown."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.objects.tree import MAX_DEPTH
from lxgit.objects.treebuilder import TooDeep
from lxgit.operations.exporting import export_image
from lxgit.operations.fsck import fsck
from lxgit.operations.importing import import_image
from tests.support.archives import DIRECTORY, Archive, paths, read
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

DEEPEST = MAX_DEPTH - 2
"""Directories in each other below the root; the image's own tree and the root's are above them."""


def archive_of(levels: int, last: str, to: Path) -> Path:
    archive = Archive(tarfile.PAX_FORMAT).add("d/" * levels, DIRECTORY)
    if last:
        archive.add("d/" * levels + last)
    to.write_bytes(archive.raw())
    return to


def import_one(repository: Repository, source: Path, name: str) -> None:
    import_image(repository, source, name, identity=WHO, progress=Listener())


def exported(repository: Repository, name: str, to: Path) -> set[bytes]:
    with to.open("wb") as file:
        export_image(repository, name, file, progress=Listener())
    return set(paths(read(to.parent, to.read_bytes())))


@pytest.mark.parametrize("last", ["", "file"])
def test_an_archive(repository: Repository, scratch: Path, last: str) -> None:
    import_one(repository, archive_of(DEEPEST, last, scratch / "one.tar"), "deep")
    assert list(fsck(repository, progress=Listener())) == []
    with pytest.raises(TooDeep, match="more than 2000 levels deep"):
        import_one(repository, archive_of(DEEPEST + 1, last, scratch / "two.tar"), "deeper")
    assert repository.refs.read("refs/heads/deeper") is None


@pytest.mark.scale  # the kernel walks all the way to each of the 2,000
def test_a_container(lab: Lab, scratch: Path) -> None:
    """Committed, run from Git alone, exported; one level more is refused."""
    deepest = "/".join(["d"] * DEEPEST)
    assert lab.run("deep", f"mkdir -p /{deepest}")[0] == 0
    lab.commit("deep", "deepest")
    assert list(fsck(lab.repository, progress=Listener())) == []
    assert lab.run("deeper", f"cd /{deepest} && mkdir d", "deepest")[0] == 0
    with pytest.raises(TooDeep, match="more than 2000 levels deep"):
        lab.commit("deeper", "too-deep")
    remove_tree(lab.repository.layers_dir)
    assert lab.run("again", f"ls -d /{deepest}", "deepest") == (0, f"/{deepest}\n")
    assert deepest.encode() in exported(lab.repository, "deepest", scratch / "deep.tar")
