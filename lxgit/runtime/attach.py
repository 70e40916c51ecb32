"""A client of a supervisor: the user's terminal or pipes on one side, the container on the other.

With a terminal the user's is set to raw: each key goes to the container as it is, Ctrl-C too, and
so does each change of its size. Without one, signals that would end this process are sent to the
command instead. Standard output that breaks (`| head`) ends the client; the container goes on.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING, Self

from lxgit.errors import LxgitError
from lxgit.runtime import protocol, terminal
from lxgit.runtime.protocol import CHUNK, Message
from lxgit.runtime.rundir import socket_path
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lxgit.runtime.process import Process

# What Docker's --sig-proxy passes on, of those that are sent to end or to control a process.
_PASSED_ON = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class SupervisorLost(LxgitError):
    """The connection to the supervisor ended before the container did."""

    exit_code = 125


class CommandTooLong(LxgitError):
    """More than one message can carry."""

    exit_code = 126


class NotRunning(LxgitError):
    """No supervisor listens for this container."""


class Streams(NamedTuple):
    """Descriptors of the user's side; without `stdin` nothing is read. `tty`: of the container.

    `detach_keys`, typed in a row at a terminal, end the client and leave the container running.
    """

    stdin: int | None
    stdout: int
    stderr: int
    tty: bool
    detach_keys: bytes = b""


class Session:
    """A connection to a supervisor."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._code: int | None = None  # the container's, once it has been told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Detach. The container goes on."""
        self._channel.close()

    def wait_started(self) -> None:
        """Until the command has been executed. StartFailed (125, 126, 127) when it was not."""
        message = _receive(self._channel)
        if message.kind == protocol.FAILED:
            raise protocol.failure(message)

    def execute(self, process: Process) -> None:
        """Have another command join the container, and be attached to that from now on.

        StartFailed (125, 126, 127) when it could not be executed.
        """
        request = protocol.EXECUTE + process.encoded()
        if len(request) > protocol.MAX_MESSAGE:
            raise CommandTooLong("the command and its environment take more than 64 KiB")
        self._channel.send(request)
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

    def end_for_good(self, *, by_user: bool = True) -> None:
        """Have no restart policy start it when it has ended; with `by_user` nor the next boot."""
        self._ask(protocol.for_good(by_user=by_user))

    def let_go(self) -> None:
        """The end of `hold`."""
        self._ask(protocol.LET_GO)

    def _ask(self, request: bytes) -> None:
        with contextlib.suppress(ConnectionError):
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
            if deadline is not None:
                self._channel.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                message = _receive(self._channel)
            finally:
                self._channel.settimeout(None)
            if message.kind == protocol.ENDED:
                self._code = message.number()
            elif message.kind == protocol.FAILED:
                raise protocol.failure(message)
            elif message.kind == kind:
                return

    def attach(self, streams: Streams) -> int | None:
        """Connect the streams until the container ends; its exit code.

        128 + n when signal n ended this client first, None when the user typed the keys to detach:
        then the container goes on. BrokenPipeError when nobody reads `stdout` any more.
        """
        with contextlib.ExitStack() as restore:
            passed = _ENDING if streams.tty else _PASSED_ON
            signals = restore.enter_context(caught(*passed, signal.SIGWINCH))
            if streams.tty and streams.stdin is not None and os.isatty(streams.stdin):
                restore.enter_context(terminal.raw(streams.stdin))
            return _Attached(self._channel, streams, signals).run()


def _receive(channel: socket.socket) -> Message:
    """The next message; SupervisorLost when there will be none."""
    try:
        message = Message.of(channel.recv(protocol.MAX_MESSAGE))
    except ConnectionError:
        message = Message.of(b"")
    if not message.kind:
        raise SupervisorLost(
            "the container's supervisor ended, and the container with it",
            hint="what it has written is kept: see 'lxgit ps -a' and 'lxgit status'",
        )
    return message


def connect(container: str) -> Session:
    """Attach to a running container by its whole id. NotRunning when it does not run."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        channel.connect(os.fspath(socket_path(container)))
    except OSError:
        channel.close()
        raise NotRunning(f"container {container[:12]} is not running") from None
    return Session(channel)


@contextlib.contextmanager
def caught(*numbers: int) -> Iterator[int]:
    """Signals as bytes to be read from a descriptor, instead of what they do to a process."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.signal(number, _note) for number in numbers}
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: Python has written the number to the wakeup descriptor."""


class _Attached:
    """The loop of `Session.attach`."""

    def __init__(self, channel: socket.socket, streams: Streams, signals: int) -> None:
        self._channel = channel
        self._streams = streams
        self._stdin = streams.stdin  # None once it has ended
        self._signals = signals
        self._window = protocol.WINDOW  # bytes of input that may still be sent
        self._keys = _Keys(streams.detach_keys)
        self._result: int | None = None
        self._ended = False
        self._resize()

    def run(self) -> int | None:
        while True:
            for call in self._ready():
                call()
                if self._ended:
                    return self._result

    def _end(self, result: int | None) -> None:
        self._result = result
        self._ended = True

    def _ready(self) -> list[Callable[[], None]]:
        """Wait; what there is to do then."""
        calls: dict[int, Callable[[], None]] = {
            self._channel.fileno(): self._from_container,
            self._signals: self._take_signals,
        }
        if self._stdin is not None and self._window > 0:
            calls[self._stdin] = self._from_user
        poll = select.poll()  # unlike epoll it takes regular files, as in `< file`
        for fd in calls:
            poll.register(fd, select.POLLIN)
        return [calls[fd] for fd, _ in poll.poll()]

    def _from_user(self) -> None:
        assert self._stdin is not None
        try:
            data = os.read(self._stdin, min(CHUNK, self._window))
        except BlockingIOError:
            return
        except OSError:  # EIO: the user's terminal has gone
            data = b""
        if data:
            if self._streams.tty and self._streams.detach_keys:
                data = self._keys.pass_on(data)
                if self._keys.typed:
                    self._end(None)
            if data:
                self._window -= len(data)
                self._channel.send(protocol.INPUT + data)
        else:
            self._stdin = None
            self._channel.send(protocol.END_OF_INPUT)

    def _from_container(self) -> None:
        message = _receive(self._channel)
        if message.kind == protocol.OUTPUT:
            _write(self._streams.stdout, message.data)
        elif message.kind == protocol.ERRORS:
            _write(self._streams.stderr, message.data)
        elif message.kind == protocol.TAKEN:
            self._window += message.number()
        elif message.kind == protocol.ENDED:
            self._end(message.number())
        elif message.kind == protocol.FAILED:
            raise protocol.failure(message)

    def _take_signals(self) -> None:
        for number in os.read(self._signals, 64):
            if number == signal.SIGWINCH:
                self._resize()
            elif self._streams.tty:
                self._end(128 + number)
            else:
                self._channel.send(protocol.signal(number))

    def _resize(self) -> None:
        """Tell the size of the user's terminal, which any of the streams may be."""
        if not self._streams.tty:
            return
        for fd in (self._streams.stdin, self._streams.stdout):
            if fd is not None and os.isatty(fd):
                self._channel.send(protocol.resize(terminal.window_size(fd)))
                return


class _Keys:
    """Finds the keys to detach in what is typed, and keeps them from the container."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""
        self.typed = False

    def pass_on(self, data: bytes) -> bytes:
        """What the container gets: without a beginning of the sequence, until it is another's."""
        data = self._held + data
        before, found, _ = data.partition(self._sequence)
        self.typed = bool(found)
        self._held = b""
        if not found:
            for length in range(min(len(self._sequence) - 1, len(data)), 0, -1):
                if data.endswith(self._sequence[:length]):
                    self._held = data[-length:]
                    return data[:-length]
        return before


def _write(fd: int, data: bytes) -> None:
    """Write everything, also where another has made the descriptor non-blocking."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
