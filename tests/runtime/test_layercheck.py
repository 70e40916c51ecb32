"""What is wrong with a cached layer is seen, in every form; what is right is left alone."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.operations.importing import import_image
from lxgit.repository import Repository, create_repository
from lxgit.runtime.bases import INDEX, TAR
from lxgit.runtime.layercheck import layer_faults
from lxgit.runtime.layers import DIRECTORY, EROFS, Layer, LayerStore
from lxgit.runtime.materialise import Materialiser
from tests.support import awkward, forms
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs]


@pytest.fixture
def repository(store_dir: Path) -> Repository:
    return create_repository(store_dir)


def layer_of(repository: Repository, name: str) -> Layer:
    image = find_image(repository, name)
    return Materialiser(repository, Listener()).stack(image).top


def faults(repository: Repository, layer: Layer) -> list[str]:
    return layer_faults(LayerStore(repository.layers_dir), repository.objects, layer)


def take(repository: Repository, source: Path, name: str) -> Layer:
    import_image(repository, source, name, identity=WHO, progress=Listener())
    return layer_of(repository, name)


@pytest.mark.scale
@pytest.mark.parametrize("form", [forms.FILE, DIRECTORY])
def test_a_sound_base_layer(
    repository: Repository, scratch: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms.force(monkeypatch, form)
    awkward.build(scratch / "root", for_erofs=True)
    os.mknod(scratch / "root/hidden", 0o20600, os.makedev(0, 0))
    layer = take(repository, scratch / "root", "base")
    assert layer.form == (DIRECTORY if form == DIRECTORY else EROFS)
    assert faults(repository, layer) == []
    remove_tree(repository.layers_dir)
    assert faults(repository, layer_of(repository, "base")) == []


@pytest.fixture
def source(scratch: Path) -> Path:
    root = scratch / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root\n")
    (root / "large").write_bytes(bytes(range(256)) * 10_000)
    return root


def spoil(path: Path, offset: int) -> None:
    """Change one byte, and nothing else."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("name", [TAR, INDEX])
def test_one_byte_of_the_erofs_form(repository: Repository, source: Path, name: str) -> None:
    layer = take(repository, source, "base")
    size = (layer.path / name).stat().st_size
    for offset in (1030, size // 2, size - 1):
        spoil(layer.path / name, offset)
        (fault,) = faults(repository, layer)
        assert fault.startswith(name)
        spoil(layer.path / name, offset)
    with (layer.path / name).open("ab") as file:
        file.write(b"\0")
    (fault,) = faults(repository, layer)
    assert fault.startswith(name)
    (layer.path / name).unlink()
    (fault,) = faults(repository, layer)
    assert "cannot be compared" in fault


def test_the_directory_form(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms.force(monkeypatch, DIRECTORY)
    layer = take(repository, source, "base")
    spoil(layer.directory / "large", 5000)
    assert faults(repository, layer) == ["it differs from Git at /large"]
    spoil(layer.directory / "large", 5000)
    assert faults(repository, layer) == []
    (layer.directory / "etc/passwd").chmod(0o4755)
    (layer.directory / "etc/more").touch()
    (fault,) = faults(repository, layer)
    assert "/etc/passwd" in fault


def remade(repository: Repository, name: str) -> Layer:
    """The layer of an image made of Git alone, over another's."""
    layers = LayerStore(repository.layers_dir)
    own = layers.find(find_image(repository, name).filesystem)
    assert own is not None
    layers.remove(own.top.id)
    return layer_of(repository, name)


def test_a_delta(repository: Repository, source: Path) -> None:
    take(repository, source, "base")
    (source / "etc/passwd").unlink()
    (source / "etc/new").write_text("new\n")
    import_image(repository, source, "next", identity=WHO, progress=Listener())
    layer = remade(repository, "next")
    assert layer.next_below is not None
    assert faults(repository, layer) == []
    spoil(layer.directory / "etc/new", 1)
    assert faults(repository, layer) == ["it differs from Git at /etc/new"]
    LayerStore(repository.layers_dir).remove(layer.next_below)
    (fault,) = faults(repository, layer)
    assert "cannot be compared" in fault


def test_a_delta_over_what_no_layer_has(repository: Repository, source: Path) -> None:
    """A 0:0 device of the image below is in neither, whatever becomes of it in the one above."""
    for name in ("gone", "other", "file"):
        os.mknod(source / name, 0o20600, os.makedev(0, 0))
    take(repository, source, "base")
    (source / "gone").unlink()
    (source / "other").chmod(0o644)
    (source / "file").unlink()
    (source / "file").touch()
    import_image(repository, source, "next", identity=WHO, progress=Listener())
    layer = remade(repository, "next")
    assert layer.next_below is not None
    assert faults(repository, layer) == []


def test_a_link_that_is_none(
    repository: Repository, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms.force(monkeypatch, DIRECTORY)
    os.link(source / "large", source / "linked")
    layer = take(repository, source, "base")
    linked = layer.directory / "linked"
    before = linked.parent.stat()
    linked.unlink()
    subprocess.run(["cp", "-a", layer.directory / "large", linked], check=True)
    os.utime(linked.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert faults(repository, layer) == ["it differs from Git at /large, /linked"]
