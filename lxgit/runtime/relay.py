"""Between a container's terminal or pipes, its log, and whoever is attached.

One thread, one epoll(7). Output is read only as fast as the slowest client takes it, as with any
pipe: what a client has not taken yet is at most HIGH bytes and one read. Input goes the other way
with a window of its own (protocol.py), so that neither direction holds up the other, nor signals.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections import deque
from functools import partial

from lxgit.lean import suppress
from lxgit.runtime import protocol, terminal
from lxgit.runtime.logfile import ERR, OUT
from lxgit.runtime.protocol import CHUNK, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection, Hashable

    from lxgit.runtime.logfile import LogWriter
    from lxgit.runtime.loop import Loop

HIGH = 1 << 20  # bytes waiting for one client above which no more output is read

_CONTROLS = (protocol.PAUSE, protocol.HOLD, protocol.LET_GO, protocol.FOR_GOOD)
_READ = select.EPOLLIN
_WRITE = select.EPOLLOUT


class Client:
    """Somebody attached."""

    def __init__(self, relay: Relay, channel: socket.socket) -> None:
        self._relay = relay
        self._channel = channel
        self._queue: deque[bytes] = deque()
        self.waiting = 0  # bytes queued
        channel.settimeout(0)
        self._watch()

    def send(self, packet: bytes) -> None:
        """Send a message now or when the client takes it."""
        self._queue.append(packet)
        self.waiting += len(packet)
        self._flush()

    def _watch(self) -> None:
        events = _READ | (_WRITE if self._queue else 0)
        self._relay.loop.watch(self._channel.fileno(), events, self._ready)

    def _ready(self) -> None:
        self._flush()
        if self in self._relay.clients:
            self._receive()

    def _receive(self) -> None:
        try:
            packet = self._channel.recv(protocol.MAX_MESSAGE)
        except BlockingIOError:
            return
        except ConnectionError:
            packet = b""
        if packet:
            self._relay.receive(self, Message.of(packet))
        else:
            self._relay.drop(self)

    def _flush(self) -> None:
        try:
            while self._queue:
                self._channel.send(self._queue[0])
                self.waiting -= len(self._queue.popleft())
        except BlockingIOError:
            pass
        except OSError:  # it went away
            self._relay.drop(self)
            return
        self._watch()
        self._relay.pace()
        self._relay.hang_up_if_told(self)

    def fileno(self) -> int:
        """The connection's descriptor."""
        return self._channel.fileno()

    def release(self) -> socket.socket:
        """The connection, which is no longer watched."""
        self._relay.loop.forget(self._channel.fileno())
        return self._channel

    def close(self) -> None:
        """Hang up."""
        self._relay.loop.forget(self._channel.fileno())
        self._channel.close()


class Input:
    """The way into the container: a pipe, or the terminal's main side."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._fd: int | None = fd
        self._queue: deque[tuple[bytes, Client]] = deque()
        self._ending = False
        os.set_blocking(fd, False)

    def take(self, data: bytes, client: Client) -> None:
        """Pass data on; the client hears when that is done, or when nobody reads it any more."""
        if self._fd is None or self._ending:
            client.send(protocol.taken(len(data)))
            return
        self._queue.append((data, client))
        self._flush()

    def end(self) -> None:
        """Close after what is queued."""
        self._ending = True
        self._flush()

    def close(self) -> None:
        """Close now, and take what comes as taken."""
        if self._fd is not None:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = None

    def _flush(self) -> None:
        while self._queue and self._fd is not None:
            data, client = self._queue.popleft()
            try:
                count = os.write(self._fd, data)
            except BlockingIOError:
                self._queue.appendleft((data, client))
                self._loop.watch(self._fd, _WRITE, self._flush)
                return
            except OSError:  # EPIPE, EIO: the container reads no more
                count = len(data)
            if count < len(data):
                self._queue.appendleft((data[count:], client))
            client.send(protocol.taken(count))
        if self._fd is not None:
            self._loop.forget(self._fd)
            if self._ending:
                os.close(self._fd)
                self._fd = None


class Relay:
    """Everything that is attached to one container."""

    def __init__(
        self,
        log: LogWriter | None,
        send_signal: Callable[[int], None],
        loop: Loop,
        execute: Callable[[socket.socket, bytes], None] | None = None,
        control: Callable[[Hashable, Message], None] = lambda *_: None,
    ) -> None:
        """`control` gets what is asked of the container; a client that has gone has let go."""
        self.loop = loop
        self._control = control
        self._execute = execute
        self._told = False
        self.clients: list[Client] = []
        self._log = log
        self._send_signal = send_signal
        self._outputs: dict[int, tuple[bytes, str]] = {}
        self._begun = self._ending = False
        self._paused = True
        self._input: Input | None = None
        self._input_of: Client | None = None  # whose departure ends the input
        self._left: Callable[[], None] | None = None  # called at that departure
        self._tty: int | None = None

    def use_terminal(self, main: int) -> None:
        """Serve a terminal, which stays the caller's if there is an OSError.

        Input has no end there but Ctrl-D.
        """
        self._input = Input(self.loop, os.dup(main))
        self._tty = main
        self._add_output(main, protocol.OUTPUT, OUT)

    def use_pipes(self, stdin: int | None, stdout: int, stderr: int) -> None:
        """Serve pipes; without `stdin` input is thrown away."""
        self._add_output(stdout, protocol.OUTPUT, OUT)
        self._add_output(stderr, protocol.ERRORS, ERR)
        self._input = Input(self.loop, stdin) if stdin is not None else None

    def _add_output(self, fd: int, letter: bytes, stream: str) -> None:
        os.set_blocking(fd, False)
        self._outputs[fd] = (letter, stream)

    def skip(self) -> None:
        """Drop what is there to be read: before the command begins only LXC can have said it."""
        for fd in self._outputs:
            with suppress(OSError):  # there is no more for now, or for ever
                while os.read(fd, CHUNK):
                    pass

    def begin(self) -> None:
        """Read output from now on: what has been told before comes first to every client."""
        self._begun = True
        self.pace()

    def drain(self) -> None:
        """Read what is left, little as it is, however far behind the clients are."""
        self._ending = True
        self.pace()

    @property
    def is_drained(self) -> bool:
        """Whether every output has ended."""
        return not self._outputs

    def add(
        self,
        channel: socket.socket,
        *,
        owns_input: bool = False,
        left: Callable[[], None] | None = None,
    ) -> None:
        """Attach a client; with `owns_input` the container's input ends when it leaves.

        Then `left` is called as well.
        """
        client = Client(self, channel)
        self.clients.append(client)
        if owns_input:
            self._input_of = client
            self._left = left

    def listen(self, listener: socket.socket) -> None:
        """Attach whoever connects."""
        self.loop.listen(listener, lambda: self._accept(listener))

    def _accept(self, listener: socket.socket) -> None:
        channel, _ = listener.accept()
        self.add(channel)
        self.clients[-1].send(protocol.STARTED)

    def connections(self) -> set[int]:
        """The descriptors of those who are attached."""
        return {client.fileno() for client in self.clients}

    def broadcast(self, packet: bytes) -> None:
        """Send one message to all."""
        for client in [*self.clients]:
            client.send(packet)

    def drop(self, client: Client) -> None:
        """Forget a client that has left."""
        if client not in self.clients:
            return
        self.clients.remove(client)
        client.close()
        self._control(client, Message(protocol.LET_GO, b""))
        if client is self._input_of and self._tty is None and self._input is not None:
            self._input.end()
        if client is self._input_of and self._left is not None:
            self._left()
        self.pace()

    def read_rest(self) -> None:
        """Read what has been written so far, and no more, whoever may still hold the other end."""
        self._ending = True
        for fd in [*self._outputs]:
            while fd in self._outputs and self._read(fd):
                pass

    def keep(self, connections: Collection[int]) -> None:
        """Serve nobody else from now on, and log no more."""
        self.loop.keep(connections)
        if self._log is not None:
            self._log.close()
            self._log = None

    def end_when_told(self) -> None:
        """Close what is open, and hang up on each client when it has taken everything."""
        self._told = True
        for fd in [*self._outputs]:
            self._end_output(fd)
        if self._input is not None:
            self._input.close()
        for client in [*self.clients]:
            self.hang_up_if_told(client)

    def hang_up_if_told(self, client: Client) -> None:
        """Drop a client that has taken everything, once there will be no more."""
        if self._told and not client.waiting:
            self.drop(client)

    def close(self) -> None:
        """Hang up on everybody, and watch nothing more: Python keeps cycles for long."""
        for client in self.clients:
            client.close()
        self.loop.close()

    def receive(self, client: Client, message: Message) -> None:
        """Do what a client asks for; nonsense is not listened to."""
        if message.kind == protocol.INPUT:
            if self._input is not None:
                self._input.take(message.data, client)
            else:
                client.send(protocol.taken(len(message.data)))
        elif message.kind == protocol.END_OF_INPUT:
            if self._input is not None and self._tty is None:
                self._input.end()
        elif message.kind == protocol.RESIZE and len(message.data) == 4:
            if self._tty is not None:
                terminal.set_window_size(self._tty, message.size())
        elif message.kind == protocol.SIGNAL and len(message.data) == 1:
            self._send_signal(message.number())
            client.send(protocol.DONE)
        elif message.kind in _CONTROLS:
            self._control(client, message)
            client.send(protocol.DONE)
        elif message.kind == protocol.EXECUTE and self._execute is not None:
            self._execute(self._release(client), message.data)

    def _release(self, client: Client) -> socket.socket:
        """Let go of a client, which stays connected."""
        self.clients.remove(client)
        return client.release()

    def _read(self, fd: int) -> bool:
        """Read once, and pass it on; whether there was anything to read."""
        letter, stream = self._outputs[fd]
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:  # a terminal whose last user has gone
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._end_output(fd)
            return False
        if self._log is not None:
            self._log.write(stream, data)
        self.broadcast(letter + data)
        return True

    def _end_output(self, fd: int) -> None:
        self.loop.forget(fd)
        del self._outputs[fd]
        if fd == self._tty:
            self._tty = None
        os.close(fd)

    def pace(self) -> None:
        """Read output only while every client keeps up."""
        behind = any(client.waiting > HIGH for client in self.clients)
        paused = (behind or not self._begun) and not self._ending
        if paused == self._paused:
            return
        self._paused = paused
        for fd in self._outputs:
            if paused:
                self.loop.forget(fd)
            else:
                self.loop.watch(fd, _READ, partial(self._read, fd))

    @property
    def is_behind(self) -> bool:
        """Whether a client has not taken everything yet."""
        return any(client.waiting for client in self.clients)

    def flush(self, seconds: float | None) -> None:
        """Wait until every client has taken everything or left, for `seconds` at most."""
        end = None if seconds is None else time.monotonic() + seconds
        while self.is_behind:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return
            self.loop.turn(left)
