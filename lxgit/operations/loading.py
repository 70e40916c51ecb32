"""Images come out of an archive or a directory that `save`, Docker, Podman or skopeo wrote.

All that is small in it, manifests and configs, is read and checked before the first layer is.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.limits import limits_for
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import open_archive
from lxgit.oci.config import read_config
from lxgit.oci.layout import ArchivePlace, BadLayout, DirectoryPlace, read_images
from lxgit.oci.platform import wanted_platform
from lxgit.oci.reference import parse_reference
from lxgit.operations.arriving import LOAD, Arrival, arrive, ref_for
from lxgit.operations.consolidating import consolidate
from lxgit.operations.unpacking import Parts, committed
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from lxgit.objects.limits import Limits
    from lxgit.oci.layout import FoundImage, Place
    from lxgit.oci.platform import Platform
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository


_MOST_STEPS = 20_000  # of all images of an archive


class NoName(LxgitError):
    """An image that is to be loaded has no name, or too many have one."""


class LoadRequest(NamedTuple):
    """What `load` asks for; see `lxgit load --help`. A stream has an archive."""

    source: Path | IO[bytes]
    name: str | None = None
    platform: str | None = None
    max_size: int | None = None
    force: bool = False


class Loaded(NamedTuple):
    """An image that came, by one of its names, NAME:TAG."""

    name: str
    arrival: Arrival


class _Coming(NamedTuple):
    """An image that is about to be unpacked: the refs that it gets, by name."""

    image: FoundImage
    refs: dict[str, str]


def load(
    repository: Repository, request: LoadRequest, *, identity: Identity, progress: Progress
) -> Iterator[Loaded]:
    """Unpack images, and give them their names, one after the other.

    BadLayout, NotForLinux, NoSuchPlatform; NoName, BadReference; InvalidArchive and other errors of
    the layers as `committed`; NameHasCommits, NameTaken, InvalidName. Nothing is left of an image
    that is not whole.
    """
    platform = wanted_platform(request.platform)
    limits = limits_for(repository.scratch_dir, request.max_size)
    with _opened(repository, request.source, progress) as place:
        images = read_images(place, platform)
        asked = None if request.platform is None else platform
        for coming in _checked(repository, images, request.name, asked):
            yield from _load(repository, coming, request, limits, identity, progress)
    consolidate(repository, progress)


def _load(
    repository: Repository,
    coming: _Coming,
    request: LoadRequest,
    limits: Limits,
    identity: Identity,
    progress: Progress,
) -> Iterator[Loaded]:
    told = request.source.name if isinstance(request.source, Path) else "standard input"
    layers = coming.image.layers
    parts = Parts(
        read_config(coming.image.config, len(layers)),
        lambda number: layers[number],
        tuple({layer.fd for layer in layers}),
    )
    loaded: list[Loaded] = []
    try:
        with committed(repository, parts, limits, progress) as oid:
            for name, ref in coming.refs.items():
                arrival = arrive(
                    repository,
                    ref,
                    oid,
                    way=LOAD,
                    source=f"{name} from {told}",
                    force=request.force,
                    identity=identity,
                )
                loaded.append(Loaded(name, arrival))
    finally:
        yield from loaded  # also before a name that is refused; who is slow to hear keeps no lock


@contextmanager
def _opened(
    repository: Repository, source: Path | IO[bytes], progress: Progress
) -> Iterator[Place]:
    if isinstance(source, Path) and source.is_dir():
        with DirectoryPlace(source) as directory:
            yield directory
        return
    path, stream = (source, None) if isinstance(source, Path) else (None, source)
    with open_archive(path, stream, repository.scratch_dir) as archive:
        progress.phase("Reading the archive")
        yield ArchivePlace(read_tar(archive, progress))


def _checked(
    repository: Repository, images: list[FoundImage], name: str | None, asked: Platform | None
) -> list[_Coming]:
    """What is to be unpacked. Errors as of `load`.

    Images with one config are one image, of several names. What the configs say is not held: it
    takes several times their bytes, until the last image is there.
    """
    if name is not None and len(images) > 1:
        raise UsageError(
            f"there are {len(images)} images, and '{name}' is one name",
            hint="without it they have their own",
        )
    coming: dict[tuple[bytes, int], _Coming] = {}
    steps = 0
    for image in images:
        key = image.config, len(image.layers)
        if key not in coming:
            coming[key] = _Coming(image, {})
            steps += len(read_config(*key, asked).steps)
        if steps > _MOST_STEPS:
            raise BadLayout(
                f"the images have more than {_MOST_STEPS:,} steps together",
                hint="several archives may have more: each step is a commit",
            )
        coming[key].refs.update((one, ref_for(repository, one)) for one in _names(image, name))
    return list(coming.values())


def _names(image: FoundImage, name: str | None) -> list[str]:
    """The names that an image gets: that of the user, or its own, without their hosts."""
    if name is not None:
        return [name]
    if not image.names:
        raise NoName(
            "an image in it has no name",
            hint="'lxgit load -i FILE NAME' gives one to a single image",
        )
    found = (parse_reference(one).local_name for one in image.names)
    return [one if ":" in one else f"{one}:latest" for one in found]
