"""Which container a name means, for whoever wants to know no more of it.

`exec` waits for this module to be imported: what only a wrong name needs is loaded then.
"""

from __future__ import annotations

import time

from lxgit.runtime.index import NoSuchContainer, container_names, find_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository
    from lxgit.runtime.attach import NotRunning
    from lxgit.runtime.containers import Container

_PATIENCE = 30  # seconds for one that ends, or is being started
_MOMENT = 0.01


def find_container_id(repository: Repository, text: str) -> str:
    """The id of the container of that name, or whose id begins so.

    AmbiguousContainer; NoSuchContainer that says what else it is, or is like.
    """
    containers = f"{repository.location}/containers"
    try:
        return find_id(containers, text)
    except NoSuchContainer as error:
        from lxgit.objects.revisions import nearest_names

        if repository.revisions.ref_name(text) is not None:
            error.hint = f"'{text}' is an image; 'lxgit ps -a' lists the containers"
        elif nearest := nearest_names(text, container_names(containers)):
            error.hint = "did you mean " + " or ".join(f"'{name}'" for name in nearest) + "?"
        raise


def complete_containers(repository: Repository) -> list[tuple[str, str]]:
    """Id and name of every container, of which nothing else is looked at: for completion."""
    names = container_names(repository.containers_dir)
    return [(identity, name) for name, identity in names.items()]


def not_running(name: str) -> NotRunning:
    """The error for a container that has to run, by its name."""
    from lxgit.runtime.attach import NotRunning

    return NotRunning(f"container '{name}' is not running", hint="'lxgit ps -a' shows how it ended")


def require_running(container: Container) -> None:
    """NotRunning for one that has ended, and for one between two starts."""
    from lxgit.runtime.attach import NotRunning
    from lxgit.runtime.config import RESTARTING

    name, state = container.config.name, container.state
    if state.status == RESTARTING:
        raise NotRunning(f"container '{name}' is restarting", hint=f"'lxgit stop {name}' ends that")
    if not state.is_alive:
        raise not_running(name)


def tries(container: Container) -> Iterator[None]:
    """Again and again, for whoever waits until a container is between nothing any more.

    NotRunning where it goes on to end, or to be started.
    """
    from lxgit.runtime.attach import NotRunning

    end = time.monotonic() + _PATIENCE
    while time.monotonic() <= end:
        yield
        time.sleep(_MOMENT)
    if container.state.is_alive:
        require_running(container)  # which says of one between two starts that it is
    raise NotRunning(
        f"container '{container.config.name}' is still being started, or ended",
        hint="try again when 'lxgit ps -a' says which",
    )
