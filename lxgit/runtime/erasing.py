"""Deleting containers, and what is left of those that were half made or half deleted.

A container goes by the name of its directory: `.gone-ID` is none. What is in that goes then, at
leisure. It says that the container was deleted, so it stays itself until nothing is kept for that
any more (`pins.let_go`). If whoever is at it is killed, the next one goes on.
"""

from __future__ import annotations

import contextlib

from lxgit.beneath import drop, empty_tree
from lxgit.fsutil import fsync_directory
from lxgit.locks import locked
from lxgit.runtime import idranges, index
from lxgit.runtime.index import ids_of
from lxgit.runtime.registering import drop_stale, registered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lxgit.runtime.containers import Container

_GONE = ".gone-"


def remove(container: Container) -> None:
    """Delete a container that does not run. LockHeld when it does."""
    with container.lock():
        erase(container)


def erase(container: Container) -> None:
    """Delete a container whose lock the caller holds. It goes at once, and for good.

    A power failure after that must not bring it back: the caller lets go of its commit, then of
    what is left of it.
    """
    registry = container.path.parent
    with registered(registry):
        _put_aside(container.path)
        index.withdraw(registry / ".names" / container.config.name, container.id)
        if container.config.idmap is not None:
            idranges.release(registry / ".ranges", container.id, container.config.idmap)
    container.tell("destroy")


def erase_broken(containers: Path, identity: str) -> None:
    """Delete a container that cannot be read; what else has its id is found to be a leftover.

    LockHeld when it runs.
    """
    path = containers / identity
    with contextlib.ExitStack() as held:
        if path.is_dir() and not path.is_symlink():
            what = f"container {identity[:12]}"
            held.enter_context(locked(path / "lock", wait=False, what=what))
        held.enter_context(registered(containers))
        _put_aside(path)


def _put_aside(path: Path) -> None:
    """Give a container's directory the name of one that is gone, or leave it as it was."""
    aside = path.with_name(f"{_GONE}{path.name}")
    path.rename(aside)
    try:
        fsync_directory(path.parent)
    except OSError:
        aside.rename(path)
        raise


def gone(containers: Path) -> list[str]:
    """The ids of containers that were deleted, and of which something is left.

    Of one that was killed there, or is still at it.
    """
    found = (path.name.removeprefix(_GONE) for path in containers.glob(f"{_GONE}*"))
    return [identity for identity in found if index.is_id(identity)]


def empty_gone(containers: Path, identity: str) -> None:
    """Free what a container takes that was deleted, as far as that works; that it was is known."""
    with contextlib.suppress(OSError):
        empty_tree(containers / f"{_GONE}{identity}")


def drop_gone(containers: Path, identity: str) -> None:
    """Remove what is left of a container that was deleted, as far as that works."""
    with contextlib.suppress(OSError):
        drop(containers / f"{_GONE}{identity}")


@contextlib.contextmanager
def settled(containers: Path) -> Iterator[Collection[str]]:
    """The ids of the containers that there are, while none is made or goes.

    First what those that were killed here have left goes: containers half made are `gone`.
    """
    with registered(containers):
        for identity in ids_of(containers):
            if index.record(containers / identity) is None:
                (containers / identity).rename(containers / f"{_GONE}{identity}")
        idranges.drop_leftovers(containers / ".ranges")
        drop_stale(containers / ".names")
        yield ids_of(containers)
