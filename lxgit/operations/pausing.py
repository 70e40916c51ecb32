"""Containers that stand still: for as long as somebody wants, or for a look at their files."""

from __future__ import annotations

import contextlib
import os

from lxgit.errors import LxgitError
from lxgit.operations.finding import require_running, tries
from lxgit.operations.lookup import find_container
from lxgit.runtime.attach import IsPaused, NotRunning, SupervisorLost, connect
from lxgit.runtime.freezer import CannotFreeze, require, wait_until_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository
    from lxgit.runtime.attach import Session
    from lxgit.runtime.config import ContainerState
    from lxgit.runtime.containers import Container


class NotPaused(LxgitError):
    """The container does not stand still."""


def pause(repository: Repository, name: str) -> None:
    """Have a running container stand still. NotRunning, IsPaused, CannotFreeze."""
    container = _checked(repository, name, paused=False)
    require(container.id)
    with connect(container.path) as session:
        session.pause(paused=True)
        try:
            _see(container)
        except CannotFreeze:
            require_running(container)  # it has just ended
            session.pause(paused=False)
            raise


def unpause(repository: Repository, name: str) -> None:
    """Have a paused container go on. NotRunning, NotPaused."""
    with connect(_checked(repository, name, paused=True).path) as session:
        session.pause(paused=False)


def _checked(repository: Repository, name: str, *, paused: bool) -> Container:
    container = find_container(repository, name)
    name, state = container.config.name, container.state
    require_running(container)
    if state.paused and not paused:
        raise IsPaused(
            f"container '{name}' is paused already", hint=f"'lxgit unpause {name}' has it go on"
        )
    if paused and not state.paused:
        raise NotPaused(f"container '{name}' is not paused")
    return container


def _see(container: Container) -> None:
    if not container.state.paused:
        raise CannotFreeze(
            f"container '{container.config.name}' could not be paused",
            hint="its new state could not be written: is the disk full?",
        )
    wait_until_frozen(container.id)


def require_unpaused(container: Container) -> None:
    """IsPaused where a paused container would only hang."""
    if container.state.paused:
        name = container.config.name
        raise IsPaused(f"container '{name}' is paused", hint=f"'lxgit unpause {name}' first")


@contextlib.contextmanager
def held(container: Container) -> Iterator[None]:
    """Have a running container stand still meanwhile; it goes on when we are done, or killed.

    Nothing to one that has ended, nor to one between two starts: whoever has its record (`edited`)
    keeps it from the next. CannotFreeze; NotRunning as `tries`.
    """
    with contextlib.ExitStack() as holding:
        for _ in tries(container):
            state = container.state
            if state.waits or not state.is_alive:
                break
            try:
                _hold(container, holding)
                break
            except CannotFreeze:
                if _lives(state):
                    raise
            except (NotRunning, SupervisorLost):
                pass
            holding.close()  # it ends, or is being started
        yield


def _lives(state: ContainerState) -> bool:
    """Whether the first process that a container had is still there."""
    return state.pid is not None and os.path.exists(f"/proc/{state.pid}")


def _hold(container: Container, holding: contextlib.ExitStack) -> None:
    session = holding.enter_context(connect(container.path))
    session.wait_started()
    require(container.id)
    session.hold()
    holding.callback(_let_go, session)
    wait_until_frozen(container.id)


def _let_go(session: Session) -> None:
    with contextlib.suppress(LxgitError):
        session.let_go()
