"""The root of a container or of the host, for whoever copies: whatever the container does."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from lxgit.operations.finding import tries
from lxgit.operations.launching import stacked
from lxgit.operations.lookup import find_container
from lxgit.runtime.attach import NotRunning
from lxgit.runtime.containers import edited
from lxgit.runtime.idmap import IdMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


@contextmanager
def opened_root(
    repository: Repository, container: str | None, progress: Progress
) -> Iterator[tuple[int, IdMap]]:
    """The root directory of a container or of the host, and the map of its owners. NotRunning."""
    if container is None:
        root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield root, IdMap.identity()
        finally:
            os.close(root)
        return
    found = find_container(repository, container)
    with ExitStack() as opened:
        for _ in tries(found):
            had = _container_root(repository, found, progress, opened)
            if had is not None:
                yield had
                return
            opened.close()


def _container_root(
    repository: Repository, found: Container, progress: Progress, opened: ExitStack
) -> tuple[int, IdMap] | None:
    """The root of a container, whatever it does; None while it ends, or is being started."""
    from lxgit.runtime import rootaccess
    from lxgit.runtime.starting import make_upper

    state = found.state
    if state.is_alive and not state.waits:
        try:
            return opened.enter_context(rootaccess.running_root(found)), found.config.ids
        except NotRunning:
            return None
    now = opened.enter_context(edited(found, reading=True))
    is_kept = now.state.waits  # its keeper has the lock, and waits for the record to be free
    if not is_kept and now.is_running:
        return None
    opened.enter_context(repository.layers_lock(shared=True))
    if not is_kept:
        opened.enter_context(now.lock(reading=True))
    ready, stack, image = stacked(repository, now, progress)
    make_upper(ready, image.root().metadata)
    root = opened.enter_context(rootaccess.opened_root(ready, stack.lowers, progress))
    return root, ready.config.ids
