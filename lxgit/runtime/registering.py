"""The index of containers (format.md, "Containers"): entries that are given, taken back, mended."""

from __future__ import annotations

import contextlib
import os

from lxgit.beneath import drop
from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime import idranges, index
from lxgit.runtime.containers import BrokenContainer, all_containers, broken, edited, load
from lxgit.runtime.index import container_names, list_lock, withdraw
from lxgit.runtime.names import check_name
from lxgit.runtime.runplace import kernel_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.containers import Container
    from lxgit.runtime.idmap import IdMap


class ContainerNameTaken(LxgitError):
    """Another container has this name."""


def give_name(link: Path, identity: str) -> None:
    """Enter a name that no container has: a link that is there is of one that was killed."""
    drop(link)
    os.symlink(identity, link)


def has_entry(entry: Path, identity: str) -> bool:
    """Whether a container has the name, or the ids, of an entry; one that is damaged may.

    It has another name when `rename` was killed, or has failed, before its record was written, or
    when a power failure has kept its former link.
    """
    try:
        return entry in entries_of(load(entry.parent.parent, identity))
    except BrokenContainer:
        return True
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def registered(containers: Path) -> Iterator[None]:
    """Be the only one to give out names and ids of the host, or to take them back.

    An index that others have changed, or a crash, is compared with the records first.
    """
    for path in (containers, containers / ".names", containers / ".ranges"):
        path.mkdir(mode=0o700, exist_ok=True)
    with list_lock(containers) as lock:
        known = os.pread(lock, _LONGEST, 0)
        if known != index.stands(containers):
            _index(containers, anew=not known.startswith(kernel_boot().encode()))
            _note(lock, containers)
        yield
        with contextlib.suppress(OSError):  # of a full disk: whoever comes next compares it again
            _note(lock, containers)


_LONGEST = 256
"""Bytes of what `.lock` says, at most."""


def _note(lock: int, containers: Path) -> None:
    """Have `.lock` say how the index stands."""
    stands = index.stands(containers)
    if os.pread(lock, _LONGEST, 0) != stands:
        os.ftruncate(lock, os.pwrite(lock, stands, 0))


def _index(containers: Path, *, anew: bool) -> None:
    """Have the names and ids of all containers in the index.

    Nobody waits for the disk with those: a power failure may have left a container without, or with
    what it had before. In a new boot the latter goes: no command is at work that has taken ids for
    a container whose record does not name them yet. And all records have come through.
    """
    found = all_containers(containers)
    if anew:
        drop_stale(containers / ".names")
        drop_stale(containers / ".ranges")
        for container in found:
            with contextlib.suppress(OSError):  # of one that is damaged: the others count
                index.know(container.path)
            with contextlib.suppress(OSError):
                if container.upper.exists():
                    container.note_upper()
    for container in found:
        for entry in entries_of(container):
            take(entry, container)


def drop_stale(entries: Path) -> None:
    """Remove entries of containers that have gone, or have another, as a crash leaves them."""
    for entry in entries.iterdir():
        identity = index.entry(entry)
        if identity is not None and not has_entry(entry, identity):
            entry.unlink()


def entries_of(container: Container) -> list[Path]:
    """Where the index has a container's name, and where its ranges of host ids."""
    registry, config = container.path.parent, container.config
    ranges = [registry / ".ranges" / str(first) for first in idranges.firsts(config.idmap)]
    return [registry / ".names" / config.name, *ranges]


def take(entry: Path, container: Container) -> None:
    """Make an entry of the index a container's, unless another one has it."""
    known = index.entry(entry)
    if known is None or not has_entry(entry, known):
        drop(entry)
    with contextlib.suppress(FileExistsError):
        os.symlink(container.id, entry)


def rename(container: Container, name: str, check: Callable[[str], None] = check_name) -> Container:
    """Give a container another name. ContainerNameTaken, InvalidContainerName.

    `check` is called while nobody else gives out names, and raises where it may not have this one.
    What has failed half way leaves it both, and is done again.
    """
    check_name(name)
    registry = container.path.parent
    with edited(container) as now, registered(registry):
        check(name)
        names = container_names(registry)
        own = {each for each, identity in names.items() if identity == now.id}
        others = names.keys() if own == {now.config.name} else names.keys() - own
        link = registry / ".names" / name
        if name in others and has_entry(link, names[name]):
            raise ContainerNameTaken(
                f"a container is named '{name}' already", hint="choose another"
            )
        give_name(link, now.id)
        # With two names for a moment: a crash here leaves one that finds it too many, not none.
        renamed = now.configured(replace(now.config, name=name))
        for other in own - {name}:
            withdraw(registry / ".names" / other, now.id)
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
            idranges.release(registry / ".ranges", container.id, container.config.idmap)


def lacking(container: Container) -> list[Path]:
    """The entries that should be a container's, and are not."""
    return [one for one in entries_of(container) if index.entry(one) != container.id]


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
    return index.entry(path) is None or (is_range and not path.name.isdecimal())


def drop_stray(stray: Path) -> bool:
    """Remove one, unless a container is damaged that may have it; whether it has gone.

    The caller has entered before what the index lacked (`enter`): so no container has it.
    """
    containers = stray.parent.parent
    with registered(containers):
        if broken(containers) or not _is_stray(stray):
            return False
        drop(stray)
    return True
