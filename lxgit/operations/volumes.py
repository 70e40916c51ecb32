"""Volumes: made, listed, deleted; and which of them, and what else, a new container mounts."""

from __future__ import annotations

import os
from contextlib import contextmanager

from lxgit.errors import LxgitError, UsageError
from lxgit.operations.lookup import find_container
from lxgit.operations.selecting import DAMAGED, has_label, parse_filters
from lxgit.records import replace
from lxgit.runtime import mounts as mounting
from lxgit.runtime import volumes as records
from lxgit.runtime.holders import holders, require_all_told, untold
from lxgit.runtime.mounts import BIND, TMPFS, VOLUME, arranged, checked_target
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.volumes import Volume

Mount = mounting.Mount
"""These are here for the command line, which knows no room but operations."""
check_target = checked_target
PROPAGATIONS = mounting.PROPAGATIONS


class MissingSource(LxgitError):
    """A path of the host that is to be shown in a container, and is not there."""


class VolumeInUse(LxgitError):
    """A volume that containers have."""


class StorageRequest(NamedTuple):
    """What `run` and `create` ask for beside the image.

    A volume without a name, whose source is empty, is an anonymous one. `made` are sources of binds
    that are made when they are missing, as Docker's -v does. `volumes_from` are containers, whose
    volumes and binds are mounted too, with `:ro` for reading alone.
    """

    mounts: tuple[Mount, ...] = ()
    made: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    read_only: bool = False


class VolumeRow(NamedTuple):
    """A line of `volume ls`. `created` is in nanoseconds since 1970."""

    name: str
    path: str
    created: int
    labels: Mapping[str, str]
    anonymous: bool
    containers: tuple[str, ...]
    """The names of those that have it, running or not."""
    driver: str = "local"

    @property
    def is_damaged(self) -> bool:
        """Whether nothing can be told of it but its name, and who has it."""
        return self.driver == DAMAGED


class PrunedVolumes(NamedTuple):
    """What `volume prune` deleted; bytes as the disk counts them."""

    names: tuple[str, ...]
    size: int


def planned(
    repository: Repository, request: StorageRequest, image_volumes: Sequence[str]
) -> tuple[Mount, ...]:
    """What a new container mounts; volumes have names, and need not exist.

    What the command line says goes before what other containers have, and that before what the
    image wants. Raises MissingSource, NoSuchContainer, InvalidTarget, TargetTaken,
    InvalidVolumeName.
    """
    wanted = list(arranged(request.mounts))
    for mounts in (*_inherited(repository, request.volumes_from), _of_image(image_volumes)):
        taken = {mount.target for mount in wanted}
        wanted += [mount for mount in mounts if mount.target not in taken]
    _require_sources(wanted, request.made)
    return arranged(map(_named, wanted))


@contextmanager
def existing(repository: Repository, mounts: Sequence[Mount]) -> Iterator[None]:
    """Make the volumes that are missing, and keep them while a container is made that has them."""
    with records.kept(repository.volumes_dir):
        for mount in mounts:
            if mount.kind == VOLUME:
                records.create(repository.volumes_dir, mount.source)
        yield


def _inherited(repository: Repository, volumes_from: Sequence[str]) -> Iterator[list[Mount]]:
    for text in volumes_from:
        name, _, mode = text.partition(":")
        if mode not in ("", "ro", "rw"):
            raise UsageError(f"'{text}': '{mode}' is no way to mount", hint="CONTAINER[:ro]")
        mounts = find_container(repository, name).config.mounts
        yield [
            replace(mount, read_only=mount.read_only or mode == "ro", fill=False)
            for mount in mounts
            if mount.kind != TMPFS
        ]


def _of_image(volumes: Sequence[str]) -> list[Mount]:
    return [Mount(kind=VOLUME, target=checked_target(path)) for path in volumes]


def _require_sources(mounts: Iterable[Mount], made: Sequence[str]) -> None:
    for mount in mounts:
        if mount.kind != BIND or os.path.exists(mount.source):
            continue
        if mount.source in made:
            os.makedirs(mount.source, exist_ok=True)
        else:
            raise MissingSource(
                f"there is no '{mount.source}' to mount on '{mount.target}'",
                hint=f"'-v {mount.source}:{mount.target}' would make a directory",
            )


def _named(mount: Mount) -> Mount:
    """A mount whose volume has a name; InvalidVolumeName."""
    if mount.kind == VOLUME and not mount.source:
        return replace(mount, source=records.new_name())
    if mount.kind == VOLUME:
        records.check_name(mount.source)
    return mount


def create_volume(repository: Repository, name: str | None, labels: Mapping[str, str]) -> str:
    """Make a volume unless it is there, without a name a new one; its name. InvalidVolumeName."""
    with records.kept(repository.volumes_dir):
        made = records.create(repository.volumes_dir, name or records.new_name(), labels)
    return made.name


def list_volumes(repository: Repository) -> list[VolumeRow]:
    """All volumes by their names, damaged ones among them."""
    users = holders(repository, volumes_of)
    rows = []
    for name in records.names(repository.volumes_dir):
        try:
            rows.append(_row(records.load(repository.volumes_dir, name), users))
        except records.BrokenVolume:
            damaged = records.Volume(repository.volumes_dir / name, 0, {})
            rows.append(_row(damaged, users)._replace(driver=DAMAGED))
        except records.NoSuchVolume:
            continue  # it has just been deleted
    return rows


def find_volume(repository: Repository, name: str) -> VolumeRow:
    """One volume. NoSuchVolume, BrokenVolume."""
    return _row(records.load(repository.volumes_dir, name), holders(repository, volumes_of))


def _row(volume: Volume, users: Mapping[str, list[Container]]) -> VolumeRow:
    return VolumeRow(
        volume.name,
        os.fspath(volume.data),
        volume.created,
        volume.labels,
        volume.is_anonymous,
        tuple(container.config.name for container in users.get(volume.name, ())),
    )


def volumes_of(container: Container) -> list[str]:
    """The names of a container's volumes."""
    return [mount.source for mount in container.config.mounts if mount.kind == VOLUME]


def complete_volumes(repository: Repository) -> list[str]:
    """Every volume's name: for completion."""
    return records.names(repository.volumes_dir)


def select_volumes(rows: Iterable[VolumeRow], filters: Sequence[str]) -> list[VolumeRow]:
    """Those that pass Docker's filters: `name` (a part of it), `label`, `dangling`, `driver`.

    Several of one key ask for any of them, of different keys for all; each `label` must be there.
    UsageError.
    """
    wanted = parse_filters(filters, ("name", "label", "dangling", "driver"))
    return [row for row in rows if _fits(row, wanted)]


def _fits(row: VolumeRow, wanted: Mapping[str, Sequence[str]]) -> bool:
    labels = [f"{name}={value}" for name, value in row.labels.items()]
    unused = "false" if row.containers else "true"
    return (
        all(has_label(labels, value) for value in wanted.get("label", ()))
        and any(part in row.name for part in wanted.get("name", ("",)))
        and unused in wanted.get("dangling", (unused,))
        and row.driver in wanted.get("driver", (row.driver,))
    )


def remove_volume(repository: Repository, name: str, *, force: bool) -> None:
    """Delete a volume with what is in it.

    VolumeInUse, also with `force`: that only passes over one that there is not (NoSuchVolume).
    BrokenContainer while any may have it.
    """
    with records.settled(repository.volumes_dir):
        is_known = name in records.names(repository.volumes_dir)
        if not is_known and not force:
            records.load(repository.volumes_dir, name)
        if containers := holders(repository, volumes_of).get(name):
            told = ", ".join(f"'{one.config.name}'" for one in containers)
            raise VolumeInUse(
                f"volume '{name}' is in use by container {told}",
                hint="'lxgit rm CONTAINER' first",
            )
        if is_known:
            require_all_told(repository)
            records.remove(repository.volumes_dir, name)


def prune_volumes(
    repository: Repository, *, everything: bool = False, filters: Sequence[str] = ()
) -> PrunedVolumes:
    """Delete the anonymous volumes, or with `everything` all, that no container has.

    Damaged ones stay: nobody knows their labels. BrokenContainer while any may have one of those.
    """
    size = 0
    with records.settled(repository.volumes_dir):
        gone = [
            row.name
            for row in select_volumes(list_volumes(repository), filters)
            if not (row.containers or row.is_damaged) and (row.anonymous or everything)
        ]
        if gone:
            require_all_told(repository)
        for name in gone:
            size += records.size(repository.volumes_dir / name)
            records.remove(repository.volumes_dir, name)
    return PrunedVolumes(tuple(gone), size)


def remove_anonymous(repository: Repository, container: Container) -> None:
    """Delete the anonymous volumes of a container that has gone, unless others have them.

    They stay, for `volume prune`, while any other cannot tell.
    """
    names = volumes_of(container)
    if not names:
        return
    with records.settled(repository.volumes_dir):
        if untold(repository):
            return
        left = set(names).difference(holders(repository, volumes_of))
        for name in left.intersection(records.names(repository.volumes_dir)):
            if records.is_anonymous(name):
                records.remove(repository.volumes_dir, name)
