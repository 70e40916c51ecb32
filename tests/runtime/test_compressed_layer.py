"""The compressed form: it holds what the EROFS form holds, and either is there whole."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.newfile import NewFile
from lxgit.operations.importing import import_image
from lxgit.repository import Repository, create_repository
from lxgit.runtime import compressed_layer, erofs_layer, erofs_mount
from lxgit.runtime.bases import IMAGE, INDEX, TAR
from lxgit.runtime.compressed_layer import write_image
from lxgit.runtime.erofs_layer import UnfitTree
from lxgit.runtime.erofs_mount import CannotMountImage
from lxgit.runtime.layercheck import layer_faults
from lxgit.runtime.layers import COMPRESSED, EROFS, Layer, LayerStore
from lxgit.runtime.materialise import Materialiser
from tests.support import awkward, forms
from tests.support.compare import assert_same_tree
from tests.support.mounts import shown
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs]


@pytest.fixture
def repository(store_dir: Path) -> Repository:
    return create_repository(store_dir)


@pytest.fixture
def source(scratch: Path) -> Path:
    """The awkward tree without what EROFS cannot hold."""
    root = scratch / "awkward"
    awkward.build(root, linked_nodes=True, for_erofs=True)
    (root / "text").write_text("all the same\n" * 50_000)
    return root


@pytest.fixture
def layer(repository: Repository, scratch: Path) -> Layer:
    """A few files in the EROFS form."""
    root = scratch / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root\n")
    (root / "large").write_bytes(bytes(range(256)) * 10_000)
    return take(repository, root, "base")


def take(repository: Repository, source: Path, name: str) -> Layer:
    import_image(repository, source, name, identity=WHO, progress=Listener())
    image = find_image(repository, name)
    (layer,) = Materialiser(repository, Listener()).stack(image).layers
    assert layer.form == EROFS
    return layer


def cache(repository: Repository) -> LayerStore:
    return LayerStore(repository.layers_dir)


def faults(repository: Repository, layer: Layer) -> list[str]:
    return layer_faults(cache(repository), repository.objects, layer)


@pytest.mark.scale
def test_a_mount_shows_the_source(
    repository: Repository, source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = take(repository, source, "base")
    size = sum((layer.path / name).stat().st_blocks for name in (INDEX, TAR))
    compressed = forms.compress(cache(repository), layer)
    assert (compressed.form, compressed.shows) == (COMPRESSED, layer.shows)
    assert sorted(os.listdir(layer.path)) == [IMAGE, "layer.json"]
    assert (layer.path / IMAGE).stat().st_blocks < size
    stack = cache(repository).find(layer.shows)
    assert stack is not None
    for way in (forms.FILE, forms.LOOP):
        forms.force(monkeypatch, way)
        with shown(stack, scratch) as place:
            assert_same_tree(source, place)
    assert faults(repository, compressed) == []


def test_every_byte_is_checked(repository: Repository, layer: Layer) -> None:
    compressed = forms.compress(cache(repository), layer)
    image = layer.path / IMAGE
    good = image.read_bytes()
    for offset in (0, 1030, len(good) // 2, len(good) - 1):
        image.write_bytes(good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :])
        assert faults(repository, compressed) == [f"{IMAGE} differs from what was written"]
    image.write_bytes(good + b"\0")
    assert faults(repository, compressed) == [f"{IMAGE} differs from what was written"]
    image.unlink()
    (fault,) = faults(repository, compressed)
    assert "cannot be compared" in fault


def test_what_was_written_is_compared_with_git(repository: Repository, scratch: Path) -> None:
    """As if mkfs.erofs had written something else, and nobody had noticed."""
    roots = [scratch / "one", scratch / "two"]
    for root in roots:
        root.mkdir()
        (root / "file").write_text(root.name)
    layer, other = (take(repository, root, root.name) for root in roots)
    with NewFile(str(layer.path)) as image:
        digest = write_image(other.path / TAR, image)
        cache(repository).compress(layer, image, digest)
    (fault,) = faults(repository, cache(repository).layer(layer.id))
    assert fault.startswith("it differs from Git at /")


def test_what_a_kill_leaves_goes(repository: Repository, layer: Layer) -> None:
    """It came after the file had its name, or after the record had been written."""
    tar = (layer.path / TAR).read_bytes()
    (layer.path / IMAGE).write_bytes(b"of somebody who was killed")
    LayerStore.tidy(layer)
    assert sorted(os.listdir(layer.path)) == [INDEX, "layer.json", TAR]
    (layer.path / IMAGE).write_bytes(b"of somebody who was killed")
    compressed = forms.compress(cache(repository), layer)
    (layer.path / TAR).write_bytes(tar)
    LayerStore.tidy(compressed)
    assert sorted(os.listdir(layer.path)) == [IMAGE, "layer.json"]
    assert faults(repository, compressed) == []


def test_a_program_that_cannot(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one that was built without LZ4."""
    monkeypatch.setattr(compressed_layer, "_OPTIONS", ("--tar=f", "-znone"))
    with NewFile(str(layer.path)) as image, pytest.raises(UnfitTree, match=r"mkfs\.erofs failed"):
        write_image(layer.path / TAR, image)
    monkeypatch.setattr(erofs_layer, "_PROGRAMS", "/nowhere")
    with NewFile(str(layer.path)) as image, pytest.raises(UnfitTree, match="not installed"):
        write_image(layer.path / TAR, image)


def test_a_kernel_that_cannot(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(files: Sequence[int]) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(erofs_mount, "ways", lambda: (refuse,))
    with NewFile(str(layer.path)) as image, pytest.raises(CannotMountImage, match="not supported"):
        write_image(layer.path / TAR, image)
