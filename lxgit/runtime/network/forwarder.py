"""Passing on what reaches a published port on the host itself.

What comes from elsewhere goes to the container by a rule of the firewall, which a packet from
loopback cannot (firewall.py). Here are two sockets for each connection, and one for each sender of
datagrams, all in the supervisor's loop. A direction holds at most one piece of CHUNK bytes: who
does not read is not read for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time
from functools import partial

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.reserving import Reserved

    Address = tuple[Any, ...]

CHUNK = 1 << 16  # bytes; no datagram is larger
MOST_CONNECTIONS = 256
"""At once; the next ones wait until one of these has ended. A process has 1,024 descriptors."""

MOST_SENDERS = 256
IDLE = 90  # seconds after which a sender of datagrams may be forgotten, as Docker has it

_IP_PKTINFO = 8  # ip(7); Python has no name for it
_NEAR, _FAR = 0, 1


def forward(loop: Loop, reserved: Iterable[Reserved], address: str) -> None:
    """Have the loop pass on what comes to the host's ports to the container at `address`."""
    routes: dict[str, list[Route]] = {"tcp": [], "udp": []}
    for one in reserved:
        port = one.publication.port
        routes[port.protocol] += [Route(each, (address, port.number)) for each in one.sockets]
    Connections(loop, routes["tcp"]).listen()
    Datagrams(loop, routes["udp"]).listen()


class Route(NamedTuple):
    """A port of the host, and what it leads to."""

    listener: socket.socket
    target: tuple[str, int]


class Connections:
    """Those to the ports of TCP."""

    def __init__(self, loop: Loop, routes: Sequence[Route]) -> None:
        self.loop = loop
        self._routes = routes
        self._open = 0

    def listen(self) -> None:
        """Take connections from now on."""
        for route in self._routes:
            self.loop.listen(route.listener, partial(self._accept, route))

    def _accept(self, route: Route) -> None:
        with contextlib.ExitStack() as ends:
            far = ends.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            near = ends.enter_context(route.listener.accept()[0])
            for end in (near, far):
                end.settimeout(0)
            if far.connect_ex(route.target) not in (0, errno.EINPROGRESS):
                return
            _Connection(self, near, far)
            ends.pop_all()
        self._open += 1
        if self._open >= MOST_CONNECTIONS:
            for each in self._routes:
                self.loop.forget(each.listener.fileno())

    def ended(self) -> None:
        """One of them has."""
        self._open -= 1
        self.listen()


class _Connection:
    """One, from the host's side (near) to the container's (far)."""

    def __init__(self, all_of_them: Connections, near: socket.socket, far: socket.socket) -> None:
        self._all = all_of_them
        self._ends = (near, far)
        self._pending = [b"", b""]  # what each end has still to be given
        self._sends = [True, True]  # whether each end may send more
        self._told_end = [False, False]  # whether each end knows that there will be no more
        self._established = False
        self._watch()

    def _watch(self) -> None:
        for index, end in enumerate(self._ends):
            reads = self._established and self._sends[index] and not self._pending[1 - index]
            writes = bool(self._pending[index]) or (index == _FAR and not self._established)
            events = (select.EPOLLIN if reads else 0) | (select.EPOLLOUT if writes else 0)
            if events:
                self._all.loop.watch(end.fileno(), events, partial(self._ready, index))
            else:  # or a hang-up would be told again and again
                self._all.loop.forget(end.fileno())

    def _ready(self, index: int) -> None:
        try:
            self._go_on(index)
        except OSError:  # one end has broken off, and with it the connection
            self._close()
            return
        if any(self._sends) or any(self._pending):
            self._watch()
        else:
            self._close()

    def _go_on(self, index: int) -> None:
        if not self._established:
            if code := self._ends[_FAR].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, os.strerror(code))
            self._established = True
        self._write(index)
        if self._sends[index] and not self._pending[1 - index]:
            with contextlib.suppress(BlockingIOError):
                data = self._ends[index].recv(CHUNK)
                self._pending[1 - index] = data
                self._sends[index] = bool(data)
                self._write(1 - index)

    def _write(self, index: int) -> None:
        if self._pending[index]:
            with contextlib.suppress(BlockingIOError):
                sent = self._ends[index].send(self._pending[index])
                self._pending[index] = self._pending[index][sent:]
        if not (self._pending[index] or self._sends[1 - index] or self._told_end[index]):
            self._told_end[index] = True
            self._ends[index].shutdown(socket.SHUT_WR)

    def _close(self) -> None:
        for end in self._ends:
            self._all.loop.forget(end.fileno())
            end.close()
        self._all.ended()


class Datagrams:
    """Those to the ports of UDP. Each sender has a socket of its own, for the answers."""

    def __init__(self, loop: Loop, routes: Sequence[Route]) -> None:
        self._loop = loop
        self._routes = routes
        self._senders: dict[tuple[Route, Address], _Sender] = {}  # the latest last
        for listener, _ in routes:
            if listener.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                listener.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def listen(self) -> None:
        """Take datagrams from now on."""
        for route in self._routes:
            self._loop.watch(route.listener.fileno(), select.EPOLLIN, partial(self._receive, route))

    def _receive(self, route: Route) -> None:
        try:
            data, about, _, address = route.listener.recvmsg(CHUNK, 256)
        except OSError:  # an answer that could not be delivered
            return
        key = route, address
        sender = self._senders.pop(key, None) or self._new(route, address, about)
        if sender is not None:
            self._senders[key] = sender
            sender.used = time.monotonic()
            with contextlib.suppress(OSError):
                sender.socket.send(data)

    def _new(
        self, route: Route, address: Address, about: list[tuple[int, int, bytes]]
    ) -> _Sender | None:
        self._forget_idle()
        with contextlib.ExitStack() as failing:
            try:
                far = failing.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                far.settimeout(0)
                far.connect(route.target)
            except OSError:  # nobody is told of a datagram that is lost
                return None
            failing.pop_all()
        sender = _Sender(far, _answering(about))
        answer = partial(self._answer, route, address, sender)
        self._loop.watch(far.fileno(), select.EPOLLIN, answer)
        return sender

    def _answer(self, route: Route, address: Address, sender: _Sender) -> None:
        with contextlib.suppress(OSError):  # nobody listens there, or nobody here any more
            data = sender.socket.recv(CHUNK)
            route.listener.sendmsg([data], sender.about, 0, address)

    def _forget_idle(self) -> None:
        old = time.monotonic() - IDLE
        surplus = len(self._senders) - MOST_SENDERS + 1
        for index, (key, sender) in enumerate([*self._senders.items()]):
            if index < surplus or sender.used < old:
                del self._senders[key]
                self._loop.forget(sender.socket.fileno())
                sender.socket.close()


class _Sender:
    """A sender's socket to the container, and from which address it is to be answered."""

    def __init__(self, far: socket.socket, about: list[tuple[int, int, bytes]]) -> None:
        self.socket = far
        self.about = about
        self.used = time.monotonic()


def _answering(about: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """What sends from the address that was sent to: struct in_pktinfo, ip(7); ipv6(7)."""
    for level, kind, value in about:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return [(level, kind, struct.pack("=I", 0) + value[4:8] + bytes(4))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, value)]
    return []
