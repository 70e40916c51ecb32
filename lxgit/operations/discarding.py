"""Containers that go when they have ended: of `run --rm`, and those that are a command's own."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from lxgit.locks import LockHeld
from lxgit.operations.attached import drop_anonymous_volumes
from lxgit.operations.pins import let_go
from lxgit.runtime import containers as records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.setup import AfterExit

_DYING = 10.0
"""Seconds for a command that is killed, and what it has forked, to let go of what they hold."""


def discard(repository: Repository, container: Container, cidfile: str | None = None) -> None:
    """Remove a container that does not run, with all that was made for it.

    `cidfile` has its id, which nobody has heard of then.
    """
    if container.path.exists():
        from lxgit.runtime.erasing import remove

        remove(container)
    drop_anonymous_volumes(repository, container)
    let_go(repository, container.id)
    if cidfile is not None:
        with suppress(OSError):  # its directory cannot be written to any more, say
            os.unlink(cidfile)


def remover(repository: Repository, container: Container) -> AfterExit | None:
    """What the supervisor does at the end of a container that goes then; None of one that stays."""
    return _Remover(repository, container) if container.config.passes else None


class _Remover:
    """Deletes a container that has ended; one that is a command's own, if that is dead."""

    def __init__(self, repository: Repository, container: Container) -> None:
        self._repository = repository
        self._container = container
        self._patience: float | None = None

    def __call__(self, *, is_locked: bool, is_abandoned: bool) -> None:
        container = self._container
        if self._owner_lives():
            if is_abandoned:
                self._see_it_die()
            return
        from lxgit.runtime.erasing import erase

        with records.edited(container, wait=False) as now:
            if is_locked:
                erase(now)
            elif not _removed(now):
                return
        drop_anonymous_volumes(self._repository, container)
        let_go(self._repository, container.id)

    def _owner_lives(self) -> bool:
        owner = self._container.config.owner
        if not owner:
            return False
        from lxgit.runtime.lifetime import lives

        return lives(self._repository.scratch_dir, owner)

    def _see_it_die(self) -> None:
        """LockHeld as long as an owner that has hung up may be dying, and not deleting it itself.

        Its connection ends before its lock is free: the kernel closes one file after the other, and
        a child that it had forked has the lock as well, until it has heard.
        """
        if self._patience is None:
            self._patience = time.monotonic() + _DYING
        if time.monotonic() < self._patience and self._container.path.exists():
            raise LockHeld("the command that had the container is still there")


def _removed(container: Container) -> bool:
    """Delete a container, unless it has been started again: then it goes another time."""
    from lxgit.runtime.erasing import remove

    try:
        remove(container)
    except LockHeld:
        return False
    return True
