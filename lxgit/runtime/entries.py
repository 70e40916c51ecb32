"""The index of containers (format.md, "Containers"): another name, other host ids, mending."""

from __future__ import annotations

import os

from lxgit.beneath import drop
from lxgit.records import replace
from lxgit.runtime import idranges
from lxgit.runtime.containers import (
    Container,
    ContainerNameTaken,
    broken,
    edited,
    entries_of,
    give_name,
    has_name,
    registered,
    take,
)
from lxgit.runtime.index import container_names, entry
from lxgit.runtime.names import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lxgit.runtime.idmap import IdMap


def rename(container: Container, name: str) -> Container:
    """Give a container another name. ContainerNameTaken, InvalidContainerName.

    What has failed half way leaves it both, and is done again.
    """
    check_name(name)
    registry = container.path.parent
    with edited(container) as now, registered(registry):
        names = container_names(registry)
        own = {each for each, identity in names.items() if identity == now.id}
        others = names.keys() if own == {now.config.name} else names.keys() - own
        if name in others and has_name(registry, names[name], name):
            raise ContainerNameTaken(
                f"a container is named '{name}' already", hint="choose another"
            )
        give_name(registry / ".names" / name, now.id)
        # With two names for a moment: a crash here leaves one that finds it too many, not none.
        renamed = now.configured(replace(now.config, name=name))
        for other in own - {name}:
            (registry / ".names" / other).unlink(missing_ok=True)
    return renamed


def other_ids(containers: Path, identity: str, outside_range: Sequence[int]) -> IdMap:
    """More ids of the host for a container: the record is to name them. Errors as `create`."""
    with registered(containers):
        return idranges.allocate(containers / ".ranges", identity, outside_range)


def release_ids(container: Container) -> None:
    """Give back the ids of the host that a container had until now."""
    registry = container.path.parent
    if container.config.idmap is not None:
        with registered(registry):
            idranges.release(registry / ".ranges", container.config.idmap)


def lacking(container: Container) -> list[Path]:
    """The entries that should be a container's, and are not."""
    return [one for one in entries_of(container) if entry(one) != container.id]


def enter(container: Container) -> bool:
    """Have the index know a container; whether no other one has what is its."""
    with registered(container.path.parent):
        for one in lacking(container):
            take(one, container)
        return not lacking(container)


def strays(containers: Path) -> list[Path]:
    """What stands among the entries and is none."""
    return [
        path
        for directory in (".names", ".ranges")
        if (containers / directory).exists()
        for path in (containers / directory).iterdir()
        if _is_stray(path) and os.path.lexists(path)
    ]


def _is_stray(path: Path) -> bool:
    is_range = path.parent.name == ".ranges"
    return entry(path) is None or (is_range and not path.name.isdecimal())


def drop_stray(stray: Path) -> bool:
    """Remove one, after each container has entered what is its; whether all could tell that."""
    containers = stray.parent.parent
    with registered(containers):
        if broken(containers) or not _is_stray(stray):
            return False
        drop(stray)
    return True
