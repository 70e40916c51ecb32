"""The files of a container as it sees them, for commands of the host.

Of one that runs, that is the root as its supervisor has mounted it; of one that does not, the same
root mounted by a child, which hands it over as a descriptor. Whoever uses either must open what is
below it by `openat2`: somebody in the container may put links in the way at any moment.
"""

from __future__ import annotations

import contextlib
import os

from lxgit.runtime import bases, handover, kernel, overlay, rundir
from lxgit.runtime.attach import NotRunning
from lxgit.runtime.rootmount import ROOT, finish_root, mount_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lxgit.progress import Progress
    from lxgit.runtime.containers import Container
    from lxgit.runtime.overlay import Lower


@contextlib.contextmanager
def opened_root(container: Container, lowers: Sequence[Lower], progress: Progress) -> Iterator[int]:
    """The root of a container that does not run, and whose lock the caller holds: a descriptor."""
    with bases.held(lowers) as directories:

        def mounted(tell: Callable[[str], None]) -> int:
            root = mount_root(container, directories, tell)
            finish_root(root, container)
            return kernel.open_tree(ROOT, recursive=True)

        root = overlay.in_private_namespace(mounted, progress.warn)
        try:
            yield root
        finally:
            os.close(root)


@contextlib.contextmanager
def running_root(container: Container) -> Iterator[int]:
    """The root of a container that runs, as its supervisor has mounted it. NotRunning."""
    try:
        root = handover.receive(rundir.CONTAINERS / container.id)
    except (FileNotFoundError, ConnectionError):
        raise NotRunning(f"container {container.id[:12]} has just ended") from None
    try:
        yield root
    finally:
        os.close(root)
