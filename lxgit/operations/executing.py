"""Another command in a container that runs already: `exec`.

The supervisor knows its container, so all that is done here is to find it and to ask.
"""

from __future__ import annotations

from lxgit.runtime import graceperiod
from lxgit.runtime.streams import Streams
from lxgit.runtime.wanted import WantedCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository

__all__ = ["Streams", "WantedCommand", "execute"]


def execute(
    repository: Repository, name: str, wanted: WantedCommand, streams: Streams
) -> int | None:
    """Execute another command in a running container: its exit code; 0 at once if detached.

    None after the detach keys. NotRunning, NoSuchContainer, IsPaused; faults of the command have
    Docker's exit codes, 126 and 127.
    """
    with graceperiod.begun():
        # While the kernel has begun to wait: all else that this takes, from here on.
        return _execute(repository, name, wanted, streams)


def _execute(
    repository: Repository, name: str, wanted: WantedCommand, streams: Streams
) -> int | None:
    from lxgit.operations.finding import find_container_id, not_running, require_running
    from lxgit.runtime.attach import IsPaused, NotRunning, connect

    container = find_container_id(repository, name)
    try:
        with connect(f"{repository.location}/containers/{container}") as session:
            session.execute(wanted)
            return 0 if wanted.detached else session.attach(streams)
    except NotRunning:
        from lxgit.operations.lookup import find_container

        require_running(find_container(repository, container))
        raise not_running(name) from None
    except IsPaused:
        raise IsPaused(
            f"container '{name}' is paused", hint=f"'lxgit unpause {name}' first"
        ) from None
