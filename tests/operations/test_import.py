"""An import that is disturbed: it ends in one clear error, or does without what failed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects import directory, packwriter
from lxgit.objects.helper import HelperFailed
from lxgit.objects.ingest import write_tree
from lxgit.objects.limits import TooLarge
from lxgit.operations import treecommit
from lxgit.operations.importing import import_image
from lxgit.repository import create_repository
from tests.support.stores import WHO, Listener, find_image, stock_fsck

if TYPE_CHECKING:
    from lxgit.objects.filetree import FileTree
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.intake import Intake
    from lxgit.objects.packwriter import PackWriter
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.treelayer import TreeLayer


@pytest.fixture
def source(scratch: Path) -> Path:
    root = scratch / "source"
    (root / "etc").mkdir(parents=True)
    for number in range(200):
        (root / "etc" / str(number)).write_bytes(os.urandom(2000))
    return root


def take(repository: Repository, source: Path) -> list[str]:
    listener = Listener()
    import_image(repository, source, "base", identity=WHO, progress=listener)
    return listener.warnings


def left_in(repository: Repository) -> list[str]:
    """What an import that failed may not leave: packs, layers, files of its own."""
    packs = os.listdir(repository.objects.git_dir / "objects/pack")
    layers = repository.layers_dir
    return [*packs, *(os.listdir(layers) if layers.exists() else [])]


def children() -> set[str]:
    """The processes that this one has begun and not heard the end of; other tests have some."""
    return set(Path("/proc/thread-self/children").read_text().split())


@pytest.mark.parametrize("which", ["_hasher", "_packer"])
def test_a_process_that_helps_is_killed(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    before = children()

    def killing(writer: PackWriter, intake: Intake, tree: FileTree, progress: Progress) -> ObjectID:
        os.kill(getattr(intake, which)._pid, signal.SIGKILL)
        return write_tree(writer, intake, tree, progress)

    with monkeypatch.context() as patch:
        patch.setattr(treecommit, "write_tree", killing)
        with pytest.raises(HelperFailed, match="killed"):
            take(repository, source)
    assert repository.refs.read("refs/heads/base") is None
    assert left_in(repository) == []
    assert children() <= before
    take(repository, source)
    assert stock_fsck(repository) == ""


def test_metadata_that_could_not_be_read_again(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "READ_LIMIT", 3000)
    with pytest.raises(TooLarge, match="the metadata of a directory would take more"):
        take(repository, source)
    assert repository.refs.read("refs/heads/base") is None
    assert left_in(repository) == []


def test_links_that_could_not_be_read_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        below = tmp_path / ("d" * 200) / str(number)
        below.mkdir(parents=True)
        (below / "file").touch()
        os.link(below / "file", below / "link")
    monkeypatch.setattr(packwriter, "READ_LIMIT", 10_000)
    with pytest.raises(TooLarge, match="a blob would take more"):
        take(repository, tmp_path)
    assert repository.refs.read("refs/heads/base") is None
    assert left_in(repository) == []


def test_a_directory_with_the_store_in_it(tmp_path: Path) -> None:
    """The store is left out, by whatever name it has been given, and nothing else is."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var/file").write_text("x")
    os.symlink("var", tmp_path / "link")
    repository = create_repository(tmp_path / "link/store")
    (warning,) = take(repository, tmp_path)
    assert warning == f"left out {tmp_path}/var/store: it is the store"
    image = find_image(repository, "base")
    assert sorted(path for path, _ in image.walk()) == [b"link", b"var", b"var/file"]
    with pytest.raises(LxgitError, match="is the store itself"):
        take(repository, tmp_path / "var/store")


@pytest.mark.root
def test_the_layer_is_lost_and_not_the_image(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = treecommit.start_layer

    def killing(*arguments: object) -> TreeLayer | None:
        layer = start(*arguments)  # type: ignore[arg-type]
        assert layer is not None
        os.kill(layer._child, signal.SIGKILL)
        return layer

    monkeypatch.setattr(treecommit, "start_layer", killing)
    (warning,) = take(repository, source)
    assert "its process was killed" in warning
    assert len(list(find_image(repository, "base").walk())) == 201


@pytest.mark.root
def test_what_was_begun_for_a_layer_goes_with_an_import_that_fails(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what its process tries the host with, at whatever it is."""
    before, others, pause = set(os.listdir(repository.path)), children(), 0.0

    def failing(*arguments: object) -> ObjectID:
        time.sleep(pause)
        raise LxgitError("the disk is full")

    monkeypatch.setattr(treecommit, "write_tree", failing)
    for step in range(40):
        pause = step * 0.003
        for note in (".probed", ".probed-layers"):
            (repository.path / note).unlink(missing_ok=True)
        with pytest.raises(LxgitError, match="the disk is full"):
            take(repository, source)
        made = set(os.listdir(repository.path)) - before
        assert made <= {".probed", ".probed-layers", "packed"}
        assert left_in(repository) == []
    assert children() <= others


@pytest.mark.root
def test_a_layer_that_cannot_be_named_fails_no_import(repository: Repository, source: Path) -> None:
    """The ref has moved by then: what a full disk prevents now is only the cache."""
    repository.layers_dir.mkdir(exist_ok=True)
    (repository.layers_dir / "stacks").write_bytes(b"in the way")
    (warning,) = take(repository, source)
    assert warning == "the layer was not written: file exists"
    assert repository.refs.read("refs/heads/base") is not None


def test_a_source_that_changes_while_it_is_read(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lxgit.objects.content import SourceChanged

    def shrinking(
        writer: PackWriter, intake: Intake, tree: FileTree, progress: Progress
    ) -> ObjectID:
        (source / "etc/7").write_bytes(b"short")
        return write_tree(writer, intake, tree, progress)

    monkeypatch.setattr(treecommit, "write_tree", shrinking)
    with pytest.raises(SourceChanged, match="changed while it was read"):
        take(repository, source)
    assert left_in(repository) == []
