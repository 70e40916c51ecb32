"""The keeper: a process that has a container with a restart policy started again and again.

It forks a supervisor for each life of the container, as the starting command does for one without
a policy, and holds the container's lock and its base layers from the first to the last. Between two
lives it listens in the supervisor's place: a signal, as of `stop`, then ends it for good.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from lxgit.locks import LockHeld
from lxgit.records import replace
from lxgit.runtime import bases, protocol, rundir
from lxgit.runtime.config import RESTARTING
from lxgit.runtime.containers import edited
from lxgit.runtime.leaving import become
from lxgit.runtime.loop import Loop
from lxgit.runtime.relay import Relay
from lxgit.runtime.restarts import Backoff
from lxgit.runtime.runplace import socket_path
from lxgit.runtime.supervisor import supervise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import NoReturn

    from lxgit.runtime.config import ContainerState
    from lxgit.runtime.containers import Container
    from lxgit.runtime.setup import Task


def keep(task: Task, channel: socket.socket, lock: int) -> NoReturn:
    """Become the keeper; never returns. `channel` is the first client, `lock` its claim."""

    def lives() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the supervisor passes its own on
        with bases.held(task.lowers):
            _Keeper(replace(task, kept=True), lock).run(channel)

    become(lives, task.container, channel, lock)


class _Keeper:
    def __init__(self, task: Task, lock: int) -> None:
        self._task = task
        self._lock = lock
        self._backoff = Backoff()
        self._stopped = False
        self._by_user = True

    def run(self, channel: socket.socket) -> None:
        """Until the container has ended for good."""
        while True:
            begin = time.monotonic()
            if not self._live(channel):
                return
            container = self._task.container
            state = container.recorded_state()
            lasted = time.monotonic() - begin
            if state.status != RESTARTING:
                return
            again = self._next(state, self._backoff.after(lasted))
            if again is None:
                return
            nobody, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            nobody.close()
            self._task = replace(
                self._task,
                container=again,
                detached=True,
                record_is_locked=False,
                restarts=state.restarts + 1,
            )

    def _next(self, state: ContainerState, seconds: float) -> Container | None:
        """The container as it is to be started after a wait; None if it is not.

        Who changes it from then on sees that it is being started, by a state without a supervisor.
        """
        while self._wait(state, seconds):
            try:
                with edited(self._task.container, wait=False) as container:
                    wanted = _is_wanted(container, state)
                    _record(container, replace(state, supervisor=None) if wanted else state.ended())
                    return container if wanted else None
            except LockHeld:  # somebody changes it, and may stop it, too
                seconds = _PAUSE
        return None

    def _live(self, channel: socket.socket) -> bool:
        """One life, from start to end; whether its supervisor has ended in order."""
        child = os.fork()
        if child == 0:
            supervise(self._task, channel, self._lock)
        channel.close()
        return os.waitpid(child, 0)[1] == 0

    def _wait(self, state: ContainerState, seconds: float) -> bool:
        """Wait so long; whether nobody has stopped it meanwhile."""
        container = self._task.container
        _record(container, replace(state, supervisor=os.getpid()))
        assert state.exit_code is not None  # it would not go on
        with rundir.claimed(container.id), socket.socket(*_KIND) as listener:
            listener.bind(socket_path(container.id))
            listener.listen()
            ended = protocol.ended(state.exit_code)

            def refuse(channel: socket.socket, _: bytes) -> None:
                """There is nothing that a command could join."""
                with channel, contextlib.suppress(OSError):  # it has gone again
                    channel.send(ended)

            relay = Relay(None, self._stop, Loop(), refuse, self._control)
            with contextlib.closing(relay):
                relay.listen(listener)
                end = time.monotonic() + seconds
                while not self._stopped and (left := end - time.monotonic()) > 0:
                    relay.loop.turn(left)
                if self._stopped:
                    _record(container, self._for_good(state))
                relay.broadcast(ended)
                relay.flush(1)
        return not self._stopped

    def _for_good(self, state: ContainerState) -> ContainerState:
        return replace(state.ended(), stopped=self._by_user, shut_down=not self._by_user)

    def _control(self, _: Hashable, message: protocol.Message) -> None:
        """Whose wish it is that it ends for good."""
        if message.kind == protocol.FOR_GOOD:
            self._by_user, _ = protocol.how_for_good(message)

    def _stop(self, number: int) -> None:
        """A signal for a container that does not run: it was meant to end it."""
        del number
        self._stopped = True


def _record(container: Container, state: ContainerState) -> None:
    """Have others know of it; where a disk does not take it the container goes on all the same."""
    with contextlib.suppress(OSError):
        container.record(state)


def _is_wanted(container: Container, state: ContainerState) -> bool:
    """Whether its policy has it started again still."""
    assert state.exit_code is not None  # it would not go on
    return container.config.restart.wants(
        exit_code=state.exit_code, stopped=False, restarts=state.restarts
    )


_PAUSE = 0.05  # seconds
_KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
