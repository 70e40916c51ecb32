"""A client of a supervisor: what it asks for, and what it hears.

`exec` waits for this module to be imported, so it holds only what comes before the supervisor has
its request; what comes after is in attachment.py, and is loaded while the command begins.
"""

from __future__ import annotations

import _socket  # `socket` is this and 2 ms of constants made enumerations
import errno
import os
import time

from lxgit.errors import LxgitError
from lxgit.lean import suppress
from lxgit.runtime import interrupts, protocol
from lxgit.runtime.index import is_locked
from lxgit.runtime.protocol import Message
from lxgit.runtime.runplace import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from lxgit.runtime.streams import Streams
    from lxgit.runtime.wanted import WantedCommand


_LONGEST = 86_400  # seconds: poll(2) takes 24 days


class SupervisorLost(LxgitError):
    """The connection to the supervisor ended before the container did."""

    exit_code = 125


class CommandTooLong(LxgitError):
    """More than one message can carry."""

    exit_code = 126


class NotRunning(LxgitError):
    """No supervisor listens for this container."""


class IsPaused(LxgitError):
    """The container stands still, and would answer nobody."""


class Session:
    """A connection to a supervisor.

    Ctrl-C is held back (interrupts.py) where it `has_begun` the container, until it is closed or
    attached: by then somebody knows of it.
    """

    def __init__(self, channel: _socket.socket, *, has_begun: bool = False) -> None:
        self._channel = channel
        self._has_begun = has_begun
        self._code: int | None = None  # the container's, once it has been told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Detach. The container goes on."""
        self._channel.close()
        if self._has_begun:
            interrupts.let_through()

    def wait_started(self, tell: Callable[[str], None] | None = None) -> None:
        """Until the command has been executed. StartFailed (125, 126, 127) when it was not.

        `tell` is called with each warning as it comes: it holds whether the start fails or not.
        """
        from lxgit.runtime import attachment  # noqa: F401  # for `attach`, while the command begins

        message = receive(self._channel)
        while message.kind == protocol.WARNING:
            if tell is not None:
                tell(message.data.decode("utf-8", "surrogateescape"))
            message = receive(self._channel)
        if message.kind == protocol.FAILED:
            raise protocol.failure(message)

    def execute(self, wanted: WantedCommand) -> None:
        """Have another command join the container, and be attached to that: on a new session.

        StartFailed (125, 126, 127) when it could not be executed; IsPaused.
        """
        request = protocol.EXECUTE + wanted.encoded()
        if len(request) > protocol.MAX_MESSAGE:
            raise CommandTooLong("the command and its environment take more than 64 KiB")
        with suppress(ConnectionError):  # told by what is received, or not
            self._channel.send(request)
        self.wait_started()
        self._receive_until(protocol.STARTED, None)
        if self._code is not None:
            raise NotRunning("the container has just ended")

    def send_signal(self, number: int) -> None:
        """Send the command a signal; nothing happens to one that has ended."""
        # A client that left at once could be dropped before it has been heard.
        self._ask(protocol.signal(number))

    def pause(self, *, paused: bool) -> None:
        """Have the container stand still from now on, or go on; nothing to one that has ended."""
        self._ask(protocol.pause(paused=paused))

    def hold(self) -> None:
        """Have the container stand still until `let_go`, or until this connection ends."""
        self._ask(protocol.HOLD)

    def end_for_good(self, *, by_user: bool = True, stays: bool = False) -> None:
        """Have no restart policy start it when it has ended; with `by_user` nor the next boot.

        One that is to go when it has ended `stays` all the same.
        """
        self._ask(protocol.for_good(by_user=by_user, stays=stays))

    def let_go(self) -> None:
        """The end of `hold`."""
        self._ask(protocol.LET_GO)

    def _ask(self, request: bytes) -> None:
        with suppress(ConnectionError):
            self._channel.send(request)
        self._receive_until(protocol.DONE, None)

    def wait(self, deadline: float | None = None) -> int:
        """The exit code, when the container has ended; what it prints meanwhile is dropped.

        TimeoutError when it has not by `deadline` (time.monotonic).
        """
        self._receive_until(protocol.ENDED, deadline)
        assert self._code is not None
        return self._code

    def _receive_until(self, kind: bytes, deadline: float | None) -> None:
        """Until such a message has come, or the container has ended."""
        while self._code is None:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.001)
            if left is not None:
                self._channel.settimeout(min(left, _LONGEST))
            try:
                message = receive(self._channel)
            except TimeoutError:
                if left is not None and left > _LONGEST:
                    continue
                raise
            finally:
                self._channel.settimeout(None)
            if message.kind == protocol.ENDED:
                self._code = message.number()
            elif message.kind == protocol.FAILED:
                raise protocol.failure(message)
            elif message.kind == protocol.STANDS_STILL:
                raise IsPaused("the container is paused")
            elif message.kind == kind:
                return

    def attach(self, streams: Streams) -> int | None:
        """Connect the streams until the container ends; its exit code.

        128 + n when signal n ended this client first, None when the user typed the keys to detach:
        then the container goes on. ReaderGone when nobody reads the output any more.
        """
        from lxgit.runtime.attachment import connected

        return connected(self._channel, streams)


def receive(channel: _socket.socket) -> Message:
    """The next message; SupervisorLost when there will be none."""
    try:
        packet = channel.recv(protocol.MAX_MESSAGE)
    except ConnectionError:  # something of ours was left unread: told once, before what there is
        packet = channel.recv(protocol.MAX_MESSAGE)
    message = Message.of(packet)
    if not message.kind:
        raise SupervisorLost(
            "the container's supervisor ended, and the container with it",
            hint="what it has written is kept: see 'lxgit ps -a' and 'lxgit status'",
        )
    return message


def connect(container: Path | str) -> Session:
    """Attach to the running container of that directory. NotRunning when it does not run.

    The copy of a store has containers of the same ids, so that one listens is not enough.
    """
    identity = os.path.basename(container)
    if is_locked(container) and (channel := _connected(identity)) is not None:
        return Session(channel)
    raise NotRunning(f"container {identity[:12]} is not running")


def is_listened_for(identity: str) -> bool:
    """Whether anybody listens for a container of that id: a supervisor on its way out does not."""
    channel = _connected(identity)
    if channel is not None:
        channel.close()
    return channel is not None


def _connected(identity: str) -> _socket.socket | None:
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        channel.connect(socket_path(identity))
    except OSError as error:
        channel.close()
        if error.errno not in (errno.ENOENT, errno.ECONNREFUSED):
            raise
        return None
    return channel
