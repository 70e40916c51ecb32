"""What `fsck` finds of volumes and networks: their descriptions, and whether all are there.

What stands in a volume nobody else knows, so nothing is said of that.
"""

from __future__ import annotations

import os

from lxgit.operations.networks import networks_of
from lxgit.operations.values import Problem
from lxgit.operations.volumes import volumes_of
from lxgit.runtime import networks, volumes
from lxgit.runtime.config import BUILT_IN
from lxgit.runtime.containers import BrokenContainer, load
from lxgit.runtime.holders import holders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


def volume_problems(repository: Repository, *, repair: bool) -> Iterator[Problem]:
    """Volumes that are damaged, and such as containers have and there are not."""
    directory = repository.volumes_dir
    users = holders(repository, volumes_of)
    known = volumes.names(directory)
    for name in known:
        told = _names(users, name)
        try:
            volumes.load(directory, name)
        except volumes.NoSuchVolume:
            continue  # it has just been deleted
        except volumes.BrokenVolume as error:
            yield Problem(
                f"volume '{name}': its volume.json does not say what it is",
                told,
                hint=error.hint,
                repaired=repair and volumes.describe_anew(directory, name),
            )
        if not (directory / name / "data").is_dir() and (directory / name).is_dir():
            yield Problem(
                f"volume '{name}': the directory of its files is missing",
                told,
                hint=f"it comes back from a backup; 'lxgit volume rm {name}' deletes what is left",
            )
    for name in _missing(repository, users, known, volumes_of):
        hint = f"'lxgit volume create {name}' makes an empty one"
        yield Problem(f"volume '{name}' is missing", _names(users, name), hint=hint)


def network_problems(repository: Repository) -> Iterator[Problem]:
    """Networks that are damaged, and such as containers have and there are not."""
    directory = repository.networks_dir
    users = holders(repository, networks_of)
    known = networks.names(directory)
    for name in known:
        try:
            networks.load(directory, name)
        except networks.NoSuchNetwork:
            continue  # it has just been deleted
        except networks.BrokenNetwork:
            file = os.fspath(directory / f"{name}.json")
            yield Problem(
                f"network '{name}': its file does not say what it is",
                _names(users, name),
                hint=f"without '{file}', 'lxgit network create {name}' makes it anew",
            )
    for name in _missing(repository, users, (*known, *BUILT_IN), networks_of):
        hint = f"'lxgit network create {name}' makes it anew"
        yield Problem(f"network '{name}' is missing", _names(users, name), hint=hint)


def _names(users: Mapping[str, list[Container]], name: str) -> tuple[str, ...]:
    return tuple(one.config.name for one in users.get(name, ()))


def _missing(
    repository: Repository,
    users: Mapping[str, list[Container]],
    known: Iterable[str],
    names_of: Callable[[Container], Sequence[str]],
) -> list[str]:
    """What containers have and there is not: what has gone with one is not missed."""
    return [
        name
        for name in sorted(users.keys() - set(known))
        if any(name in names_of(one) for one in _still(repository, users[name]))
    ]


def _still(repository: Repository, containers: Iterable[Container]) -> Iterator[Container]:
    """Those that are there, as they are now."""
    for one in containers:
        try:
            yield load(repository.containers_dir, one.id)
        except (FileNotFoundError, BrokenContainer):
            continue
