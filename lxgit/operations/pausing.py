"""Containers that stand still: for as long as somebody wants, or for a look at their files."""

from __future__ import annotations

import contextlib

from lxgit.errors import LxgitError
from lxgit.operations.finding import not_running
from lxgit.operations.lookup import find_container
from lxgit.runtime.attach import IsPaused, NotRunning, SupervisorLost, connect
from lxgit.runtime.freezer import CannotFreeze, require, wait_until_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository
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
            session.pause(paused=False)
            raise


def unpause(repository: Repository, name: str) -> None:
    """Have a paused container go on. NotRunning, NotPaused."""
    with connect(_checked(repository, name, paused=True).path) as session:
        session.pause(paused=False)


def _checked(repository: Repository, name: str, *, paused: bool) -> Container:
    container = find_container(repository, name)
    name, state = container.config.name, container.state
    if not container.is_running:
        raise not_running(name)
    if state.paused and not paused:
        raise IsPaused(f"container '{name}' is paused already")
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

    Nothing to one that has ended. CannotFreeze.
    """
    try:
        session = connect(container.path)
    except NotRunning:
        yield
        return
    with session:
        session.wait_started()
        if container.is_running:
            require(container.id)
        with contextlib.suppress(SupervisorLost):
            session.hold()
        try:
            if container.is_running:
                wait_until_frozen(container.id)
            yield
        finally:
            with contextlib.suppress(LxgitError):
                session.let_go()
