"""`system df`: what a store takes of the disk, and what would come back."""

from __future__ import annotations

from collections import Counter

from lxgit.operations.buildcache import cache_use
from lxgit.operations.containerrows import row_of
from lxgit.operations.gc import gc
from lxgit.operations.imagelist import select_images
from lxgit.operations.images import list_images, names_by_id
from lxgit.operations.prune import disk_usage
from lxgit.operations.volumes import list_volumes
from lxgit.runtime import volumes
from lxgit.runtime.containers import all_containers
from lxgit.runtime.holders import pinned_layers
from lxgit.runtime.layers import LayerStore
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import ImageRow
    from lxgit.progress import Progress
    from lxgit.repository import Repository


class Share(NamedTuple):
    """A line of `system df`; sizes in bytes as the disk counts them."""

    type: str
    total: int
    active: int
    """Those that a container has, or that run."""
    size: int
    reclaimable: int
    """By `gc`, `prune`, `container prune`, `volume prune`, and `builder prune` with `gc` after it.

    In this order; the images' size has that of the build cache in it.
    """


class ImageShare(NamedTuple):
    """An image with the contents of its files, and how many containers are on it."""

    image: ImageRow
    containers: int


class VolumeShare(NamedTuple):
    """A volume with its size, and how many containers have it."""

    name: str
    links: int
    size: int


class DiskUsage(NamedTuple):
    """All of it; the details are sorted as their listings."""

    shares: tuple[Share, ...]
    containers: tuple[tuple[ContainerRow, int], ...]
    volumes: tuple[VolumeShare, ...]


def disk_shares(repository: Repository, progress: Progress) -> DiskUsage:
    """What images, layers, containers, volumes and the steps of builds take."""
    containers = all_containers(repository.containers_dir)
    rows = tuple((row_of(one), disk_usage(one.upper)) for one in containers)
    used = {one.config.commit for one in containers}
    names = names_by_id(list_images(repository))
    objects = gc(repository, dry_run=True, progress=progress)
    kept = tuple(
        VolumeShare(row.name, len(row.containers), volumes.size(repository.volumes_dir / row.name))
        for row in list_volumes(repository)
    )
    free = [volume for volume in kept if not volume.links]
    stopped = [(row, size) for row, size in rows if not row.runs]
    shares = (
        Share("Images", len(names), len(used & names.keys()), objects.size, objects.freed),
        _layers(repository),
        Share(
            "Containers",
            len(rows),
            len(rows) - len(stopped),
            sum(size for _, size in rows),
            sum(size for _, size in stopped),
        ),
        Share(
            "Local Volumes",
            len(kept),
            len(kept) - len(free),
            sum(volume.size for volume in kept),
            sum(volume.size for volume in free),
        ),
        _build_cache(repository),
    )
    return DiskUsage(shares, rows, kept)


def image_shares(repository: Repository) -> list[ImageShare]:
    """Each image with its size, for which all of its files are counted."""
    used = Counter(one.config.commit for one in all_containers(repository.containers_dir))
    return [ImageShare(row, used[row.oid]) for row in select_images(repository, sizes=True)]


def _layers(repository: Repository) -> Share:
    layers, pinned = LayerStore(repository.layers_dir), pinned_layers(repository)
    sizes = {name: disk_usage(layers.path / name) for name in layers.all_ids()}
    active = pinned & sizes.keys()
    size = sum(sizes.values())
    kept = sum(sizes[name] for name in active)
    return Share("Layers", len(sizes), len(active), size, size - kept)


def _build_cache(repository: Repository) -> Share:
    """The steps of builds; those are active that a name or a container has come of."""
    use = cache_use(repository)
    return Share("Build Cache", use.steps, use.named, use.size, use.size)
