"""The user's terminal or pipes on one side, a container on the other, until one of them ends.

With a terminal the user's is set to raw: each key goes to the container as it is, Ctrl-C too, and
so does each change of its size. Without one, signals that would end this process are sent to the
command instead, unless the client keeps them. Standard output that breaks (`| head`) ends the
client; the container goes on.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from lxgit.errors import LxgitError, ReaderGone, reason
from lxgit.runtime import interrupts, protocol, terminal
from lxgit.runtime.attach import receive
from lxgit.runtime.protocol import CHUNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Iterator
    from types import FrameType

    from lxgit.runtime.streams import Streams

# What Docker's --sig-proxy passes on, of those that are sent to end or to control a process.
_PASSED_ON = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class OutputLost(LxgitError):
    """What a container printed could not be written here: the disk is full, say."""


def connected(channel: _socket.socket, streams: Streams) -> int | None:
    """See `Session.attach`."""
    with contextlib.ExitStack() as restore:
        passed = _ENDING if streams.tty else () if streams.keeps_signals else _PASSED_ON
        signals = restore.enter_context(_caught(*passed, signal.SIGWINCH))
        if streams.tty and streams.stdin is not None and os.isatty(streams.stdin):
            restore.enter_context(terminal.raw(streams.stdin))
        return _Attached(channel, streams, signals).run()


@contextlib.contextmanager
def _caught(*numbers: int) -> Iterator[int]:
    """Signals as bytes to be read from a descriptor, instead of what they do to a process."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    # As long as it does anything else, a signal does what it did before.
    wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _note) for number in numbers}
    try:
        interrupts.let_through()  # which the start of a container has held back
        yield read
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)
        os.close(read)
        os.close(write)


def _note(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: Python has written the number to the wakeup descriptor."""


class _Attached:
    """The loop of `connected`."""

    def __init__(self, channel: _socket.socket, streams: Streams, signals: int) -> None:
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
        if self._stdin is None:  # since we looked
            return
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
                self._send(protocol.INPUT + data)
        else:
            self._stdin = None
            self._send(protocol.END_OF_INPUT)

    def _send(self, packet: bytes) -> None:
        """Say something, be it to nobody: what was said to us before is heard all the same."""
        try:
            self._channel.send(packet)
        except ConnectionError:
            self._stdin = None

    def _from_container(self) -> None:
        message = receive(self._channel)
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
                self._send(protocol.signal(number))

    def _resize(self) -> None:
        """Tell the size of the user's terminal, which any of the streams may be."""
        if not self._streams.tty:
            return
        for fd in (self._streams.stdin, self._streams.stdout):
            if fd is not None and os.isatty(fd):
                self._send(protocol.resize(terminal.window_size(fd)))
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
    """Write everything, also where another has made the descriptor non-blocking.

    OutputLost, ReaderGone.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise OutputLost(f"cannot write the output: {reason(error)}") from error
