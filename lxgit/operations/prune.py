"""`prune`: drop the layers that can be made again from Git."""

from __future__ import annotations

from lxgit.beneath import statuses
from lxgit.operations import leftovers
from lxgit.operations.values import Pruned
from lxgit.runtime import bases
from lxgit.runtime.containers import BrokenContainer
from lxgit.runtime.holders import told_layers
from lxgit.runtime.layers import LayerStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path

    from lxgit.objects.ids import ObjectID
    from lxgit.progress import Progress
    from lxgit.repository import Repository


def prune(repository: Repository, *, dry_run: bool = False, progress: Progress) -> Pruned:
    """Drop every cached layer that no running container is mounted on, and what was left over.

    They are made again, from Git, when they are needed. Waits for commands that are making some.
    BrokenContainer, but for a `dry_run`, while one runs that cannot tell what it is mounted on.
    """
    layers = LayerStore(repository.layers_dir)
    bases.sweep()  # a mount would hold the space of what it shows
    with repository.layers_lock():
        if dry_run:
            pruned = _drop_told(repository, layers.all_ids(), dry_run=True, progress=progress)
        else:
            pinned = told_layers(repository)
            pruned = _drop(layers, layers.all_ids(), pinned, dry_run=False, progress=progress)
            layers.forget_broken_stacks()
    if not dry_run:
        leftovers.sweep(repository)  # which may wait for a container: not with the layers
    return pruned


def prune_gone(
    repository: Repository,
    garbage: Container[ObjectID] = (),
    *,
    dry_run: bool = False,
    progress: Progress,
) -> Pruned:
    """Drop the `gone_layers`; none, with a warning, while nobody can tell which are in use."""
    bases.sweep()
    with repository.layers_lock():
        gone = gone_layers(repository, garbage)
        pruned = _drop_told(repository, gone, dry_run=dry_run, progress=progress)
        if not dry_run:
            LayerStore(repository.layers_dir).forget_broken_stacks()
    return pruned


def gone_layers(repository: Repository, garbage: Container[ObjectID] = ()) -> list[str]:
    """The layers of file systems that are not in Git any more, or are `garbage` there.

    Nobody can name them, nor make them again. Those that others lie on are none. And the layers
    that count as absent, of an earlier boot say: nobody takes those for what they were.
    """
    layers = LayerStore(repository.layers_dir)
    usable = list(layers.usable())
    lasting = [
        layer
        for layer in usable
        if layer.shows[0] in repository.objects and layer.shows[0] not in garbage
    ]
    needed = {one for layer in lasting for one in (layer.id, *layer.below)}
    return [*layers.absent(), *(layer.id for layer in usable if layer.id not in needed)]


def _drop_told(
    repository: Repository, candidates: Iterable[str], *, dry_run: bool, progress: Progress
) -> Pruned:
    """Drop the layers among these that no running container is mounted on, if all can tell."""
    try:
        pinned = told_layers(repository)
    except BrokenContainer as fault:
        progress.warn(f"every layer counts as in use: {fault.message}")
        return Pruned(0, 0)
    layers = LayerStore(repository.layers_dir)
    return _drop(layers, candidates, pinned, dry_run=dry_run, progress=progress)


def _drop(
    layers: LayerStore,
    candidates: Iterable[str],
    pinned: set[str],
    *,
    dry_run: bool,
    progress: Progress,
) -> Pruned:
    drop = [layer for layer in candidates if layer not in pinned]
    if drop:
        progress.phase("Dropping layers", len(drop))
    size = 0
    if not dry_run:
        layers.forget_stacks(drop)
    for layer in drop:
        size += disk_usage(layers.path / layer)
        if not dry_run:
            layers.remove(layer)
        progress.advance()
    return Pruned(len(drop), size)


def disk_usage(top: Path) -> int:
    """Bytes as the disk counts them; each inode once; 0 where nothing is."""
    blocks = {status.st_ino: status.st_blocks for status in statuses(top)}
    return sum(blocks.values()) * 512
