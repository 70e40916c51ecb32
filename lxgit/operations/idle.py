"""Base layers that nothing uses take half the space: `gc` compresses them.

Making the compressed form keeps nobody from using the layer; only `prune` waits. Then, if still
nothing uses it, the form changes in one step, while nobody mounts anything. Whenever this is
killed, the layer has the old form or the new one, whole; files of the other go with the next gc.
A layer that is used again stays compressed.
"""

from __future__ import annotations

from contextlib import ExitStack

from lxgit.objects.newfile import NewFile
from lxgit.operations.prune import disk_usage
from lxgit.runtime import bases
from lxgit.runtime.bases import TAR
from lxgit.runtime.compressed_layer import write_image
from lxgit.runtime.erofs_layer import UnfitTree
from lxgit.runtime.erofs_mount import CannotMountImage
from lxgit.runtime.holders import pinned_layers
from lxgit.runtime.layers import EROFS, LayerStore
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.layers import Layer


class Compressed(NamedTuple):
    """Idle layers: how many, what they took on disk before, and how much less they take now."""

    layers: int
    size: int
    freed: int


_NONE = Compressed(0, 0, 0)


def compressible(repository: Repository, gone: Container[str]) -> Compressed:
    """What there is to compress when the layers `gone` are; what that will free is not known."""
    found = [layer for layer in _idle_layers(repository) if layer.id not in gone]
    return Compressed(len(found), sum(disk_usage(layer.path) for layer in found), 0)


def compress_idle(repository: Repository, progress: Progress) -> Compressed:
    """Compress what is idle. One process of a store at a time.

    A layer that cannot be compressed here stays as it is, with a warning.
    """
    bases.sweep()  # a mount would hold the space of what it shows
    with repository.layers_lock(shared=True):
        for layer in LayerStore(repository.layers_dir).usable():
            LayerStore.tidy(layer)
        found = _idle_layers(repository)
    if found:
        progress.phase("Compressing idle layers", len(found))
    done = []
    for layer in found:
        try:
            done.append(_compress(repository, layer))
        except (UnfitTree, CannotMountImage) as error:
            progress.warn(f"layer {layer.id} is not compressed: {error.message}")
        progress.advance()
    return Compressed(*map(sum, zip(_NONE, *done, strict=True)))


def _compress(repository: Repository, layer: Layer) -> Compressed:
    """Compress a layer, unless somebody uses it by then, or has pruned it."""
    with ExitStack() as files:
        with repository.layers_lock(shared=True):
            if layer not in _idle_layers(repository):
                return _NONE
            image = files.enter_context(NewFile(str(layer.path)))
            digest = write_image(layer.path / TAR, image)
        with repository.layers_lock():
            if layer not in _idle_layers(repository):
                return _NONE
            before = disk_usage(layer.path)
            LayerStore(repository.layers_dir).compress(layer, image, digest)
            return Compressed(1, before, before - disk_usage(layer.path))


def _idle_layers(repository: Repository) -> list[Layer]:
    """Base layers in the EROFS form that no running container is mounted on."""
    layers = LayerStore(repository.layers_dir)
    found = [layer for layer in layers.usable() if layer.form == EROFS]
    pinned = pinned_layers(repository) if found else ()
    return [layer for layer in found if layer.id not in pinned]
