"""Health checks: a command that is executed in a running container now and then.

The supervisor is its own client here: it executes the command as for `exec`, and hears of output
and end over a socket, in the same loop.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import time

from lxgit.errors import in_words
from lxgit.runtime import protocol
from lxgit.runtime.attach import SupervisorLost, receive
from lxgit.runtime.health import Health, HealthCheck, HealthResult
from lxgit.runtime.wanted import WantedCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.runtime.loop import Loop

_OUTPUT = 4096  # bytes that are kept of what a check prints
_NOT_MADE = 125  # what a check ends with that could not be made


class Checker:
    """Checks one life of a container, from now on, and reports after each time.

    `execute` has a command run for whoever has the other end of the socket.
    """

    def __init__(
        self,
        check: HealthCheck,
        loop: Loop,
        execute: Callable[[socket.socket, bytes], None],
        report: Callable[[Health], None],
        is_paused: Callable[[], bool],
    ) -> None:
        self._is_paused = is_paused
        self._check = check
        self._loop = loop
        self._execute = execute
        self._report = report
        self._health = Health()
        self._has_ended = False
        self._since = time.monotonic()
        self._request = WantedCommand(check.command).encoded()
        loop.after(check.interval, self._begin)

    def end(self) -> None:
        """Begin no more, and report none that is under way: that life has ended."""
        self._has_ended = True

    def _begin(self) -> None:
        if self._has_ended:
            return
        if self._is_paused():
            self._loop.after(self._check.interval, self._begin)
            return
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            now = time.time_ns()
            self._ended(HealthResult(now, now, _NOT_MADE, str(in_words(error))))
            return
        ours.settimeout(0)
        run = _Run(ours, self._loop, self._ended)
        self._loop.after(self._check.timeout, run.give_up)
        self._execute(theirs, self._request)

    def _ended(self, result: HealthResult) -> None:
        if self._has_ended:
            return
        is_starting = time.monotonic() - self._since < self._check.start_period
        self._health = self._health.after(result, self._check, is_starting=is_starting)
        self._report(self._health)
        self._loop.after(self._check.interval, self._begin)


class _Run:
    """One check under way."""

    def __init__(
        self, channel: socket.socket, loop: Loop, ended: Callable[[HealthResult], None]
    ) -> None:
        self._channel = channel
        self._loop = loop
        self._ended = ended
        self._begun = time.time_ns()
        self._output = b""
        self._is_late = self._is_over = False
        loop.watch(channel.fileno(), select.EPOLLIN, self._receive)

    def give_up(self) -> None:
        """It has taken too long."""
        if not self._is_over:
            self._is_late = True
            with contextlib.suppress(ConnectionError):
                self._channel.send(protocol.signal(signal.SIGKILL))

    def _receive(self) -> None:
        try:
            message = receive(self._channel)
        except SupervisorLost:  # who executes it has hung up, and is the supervisor itself
            self._output = b"it is not known how the health check ended"
            self._finish(_NOT_MADE)
            return
        if message.kind in (protocol.OUTPUT, protocol.ERRORS):
            self._output = (self._output + message.data)[:_OUTPUT]
        elif message.kind == protocol.ENDED:
            self._finish(message.number())
        elif message.kind == protocol.FAILED:
            self._output = str(protocol.failure(message)).encode("utf-8", "replace")
            self._finish(message.data[0])

    def _finish(self, code: int) -> None:
        self._is_over = True
        self._loop.forget(self._channel.fileno())
        self._channel.close()
        text = self._output.decode("utf-8", "replace")
        if self._is_late:
            code, text = -1, "the health check took too long"
        self._ended(HealthResult(self._begun, time.time_ns(), code, text))
