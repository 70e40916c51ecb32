"""Containers whose supervisor was killed: who finds one first writes down that it has ended.

A supervisor records the end of its container, and tells of it. One that was killed, or went down
with the machine, leaves a state that says `running` and a lock that nobody holds. Whoever looks
next at the state settles it, alone: the container's directory is locked (flock(2)) meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time

from lxgit.records import replace
from lxgit.runtime import rundir
from lxgit.runtime.config import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.runtime.config import ContainerState
    from lxgit.runtime.containers import Container

_EXIT_CODE = 128 + signal.SIGKILL  # the container died with its supervisor (PR_SET_PDEATHSIG)
_WHY = "its supervisor was killed, or the machine went down"


def settled(container: Container) -> ContainerState:
    """The state of a container whose record says that it is alive, and whose lock is free."""
    fd = rundir.locked_directory(container.path, fcntl.LOCK_EX)
    if fd is None:  # it has just been deleted
        return container.recorded_state()
    try:
        state = container.recorded_state()
        if not state.is_alive or container.is_locked:  # it ended, or somebody was here before
            return state
        return _recorded_end(container, state)
    finally:
        os.close(fd)


def _recorded_end(container: Container, state: ContainerState) -> ContainerState:
    """Its end is now: when it was, nobody knows. Between two lives it had ended before."""
    ended = replace(state.ended(), error=_WHY)
    if state.status == RUNNING:
        ended = replace(ended, exit_code=_EXIT_CODE, finished=time.time_ns())
    with contextlib.suppress(OSError):  # a full disk: the next one who looks tries again
        container.record(ended)
        if state.status == RUNNING:
            container.tell("die", exitCode=str(_EXIT_CODE))
    return ended
