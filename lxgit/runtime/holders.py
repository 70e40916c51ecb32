"""Which containers have what would be deleted, and whether all of them can tell."""

from __future__ import annotations

from lxgit.runtime.containers import BrokenContainer, all_containers, broken, read_all
from lxgit.runtime.index import is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


def holders(
    repository: Repository, names_of: Callable[[Container], Iterable[str]]
) -> dict[str, list[Container]]:
    """The containers, running or not, by the names of what each has."""
    found: dict[str, list[Container]] = {}
    for container in all_containers(repository.containers_dir):
        for name in names_of(container):
            found.setdefault(name, []).append(container)
    return found


def untold(repository: Repository) -> BrokenContainer | None:
    """A container that cannot tell what it has."""
    for identity in broken(repository.containers_dir):
        return BrokenContainer(repository.containers_dir / identity)
    return None


def require_all_told(repository: Repository) -> None:
    """Raise BrokenContainer for one that is `untold`."""
    if fault := untold(repository):
        raise fault


def pinned_layers(repository: Repository) -> set[str]:
    """The layers under containers that run: all, while one cannot tell what it is mounted on.

    Under those that are being started, too: who starts one may have been killed.
    """
    try:
        return told_layers(repository)
    except BrokenContainer:
        from lxgit.runtime.layers import LayerStore

        return set(LayerStore(repository.layers_dir).all_ids())


def told_layers(repository: Repository) -> set[str]:
    """The same; BrokenContainer for one that runs, and cannot tell."""
    sound, damaged = read_all(repository.containers_dir)
    for identity in damaged:
        if is_locked(repository.containers_dir / identity):
            raise BrokenContainer(repository.containers_dir / identity)
    return {
        layer
        for container in sound
        if container.is_running or is_starting(container)
        for layer in container.config.stack
    }


def is_starting(container: Container) -> bool:
    """Whether a supervisor has the container's lock, and has written no state yet.

    It notes itself in the lock first. One that has written its last state only unmounts.
    """
    if not container.is_locked:
        return False
    try:
        written = (container.path / "state.json").stat().st_mtime_ns
        return written <= (container.path / "lock").stat().st_mtime_ns
    except FileNotFoundError:
        return True
