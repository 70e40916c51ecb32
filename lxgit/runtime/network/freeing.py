"""Ports of the host that a container had: they are given back after its end has been told.

That takes a supervisor as long as others keep the list of networks. Who has ended a container, or
has seen its end, may want its ports for another one.
"""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.locks import Waiting, is_held
from lxgit.runtime import containers, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.containers import Container

_MARK = "ports"


@contextmanager
def marked(directory: Path) -> Iterator[None]:
    """Have others see meanwhile that a container, with that directory in /run, may have ports."""
    mark = directory / _MARK
    mark.touch()
    try:
        yield
    finally:
        mark.unlink()


def see_ports_free(container: Container) -> None:
    """Wait until a container that has ended has given back its ports of the host, if it had any.

    Not until its file systems are unmounted, which may take longer.
    """
    if not container.config.publishes:
        return
    from lxgit.runtime.network.records import lock_of_networks  # rare, and costly to import

    claim, what = rundir.CONTAINERS / container.id, f"container '{container.config.name}'"
    waiting = Waiting(containers.LAST_STEPS, lock_of_networks(), (claim, what))
    # The mark of a supervisor that was killed says nothing.
    while (claim / _MARK).exists() and is_held(claim):
        if container.is_running or not waiting.goes_on():  # somebody has started it again
            return
