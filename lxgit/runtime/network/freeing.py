"""Ports of the host that a container had: they are given back after its end has been told.

That takes a supervisor as long as others keep the list of networks. Who has ended a container, or
has seen its end, may want its ports for another one.
"""

from __future__ import annotations

from lxgit.locks import Waiting, is_held
from lxgit.runtime import containers, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.runtime.containers import Container


def see_ports_free(container: Container) -> None:
    """Wait until a container that has ended has given back its ports of the host."""
    if not (container.config.publish or container.config.publish_all):
        return
    from lxgit.runtime.network.records import lock_of_networks  # rare, and costly to import

    claim, what = rundir.CONTAINERS / container.id, f"container '{container.config.name}'"
    waiting = Waiting(containers.LAST_STEPS, lock_of_networks(), (claim, what))
    while is_held(claim) and not container.is_running:  # or somebody has started it again
        if not waiting.goes_on():
            return
