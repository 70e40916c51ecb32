"""What a process waits for: descriptors and moments, and what is to be called then. epoll(7)."""

from __future__ import annotations

import errno
import select
import time
from functools import partial
from operator import itemgetter

from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Collection

_LONGEST = 86_400.0  # seconds: epoll_wait(2) takes 24 days, of which a health check knows nothing
_PAUSE = 0.1  # seconds until a call is made again for which there was no descriptor

_NOBODY = (errno.EAGAIN, errno.ECONNABORTED)
"""What accept(2) says of who has gone again."""


class Loop:
    """Descriptors and what to call when they are ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[int, Callable[[], object]]] = {}  # events, callback
        self._timers: list[tuple[float, Callable[[], object]]] = []  # time.monotonic, callback

    def watch(self, fd: int, events: int, callback: Callable[[], object]) -> None:
        """Call back when `fd` is ready, or has been hung up; again replaces events and callback."""
        if fd not in self._watched:
            self._epoll.register(fd, events)
        elif self._watched[fd][0] != events:
            self._epoll.modify(fd, events)
        self._watched[fd] = (events, callback)

    def forget(self, fd: int) -> None:
        """Watch no more; do so before closing."""
        if fd in self._watched:
            self._epoll.unregister(fd)
            del self._watched[fd]  # a callback may be all that holds it open

    def keep(self, fds: Collection[int]) -> None:
        """Forget all other descriptors, and every moment to come."""
        for fd in self._watched.keys() - fds:
            self.forget(fd)
        self._timers.clear()

    def descriptors(self) -> set[int]:
        """Those that are watched, and its own."""
        return {self._epoll.fileno(), *self._watched}

    def close(self) -> None:
        """Watch nothing more, for good; what was watched stays open."""
        self._watched.clear()  # what is called back may refer to us
        self._timers.clear()
        self._epoll.close()

    def after(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back once, when so much time has passed."""
        self._timers.append((time.monotonic() + seconds, callback))
        self._timers.sort(key=itemgetter(0))

    def listen(self, listener: socket.socket, accept: Callable[[], object]) -> None:
        """Call `accept` when somebody has connected: it takes the connection, and never waits.

        An OSError of it ends nothing here: whoever has connected waits for the next call. So what
        else is needed for a connection is to be had before it is taken.
        """
        listener.settimeout(0)
        fd = listener.fileno()
        self.watch(fd, select.EPOLLIN, partial(self._accept, fd, accept))

    def _accept(self, fd: int, accept: Callable[[], object]) -> None:
        try:
            accept()
        except OSError as error:
            if error.errno not in _NOBODY:
                self._rest(fd)  # no descriptor is left, and epoll would call again at once

    def _rest(self, fd: int) -> None:
        """Look away for a moment, unless it is watched anew meanwhile."""
        events, callback = self._watched[fd]
        self.watch(fd, 0, callback)

        def again() -> None:
            if self._watched.get(fd) == (0, callback):
                with suppress(OSError):  # it has been closed
                    self.watch(fd, events, callback)

        self.after(_PAUSE, again)

    def insist(self, work: Callable[[], object]) -> None:
        """Do something, and where OSError is raised do it again soon, until it is done."""
        try:
            work()
        except OSError:
            self.after(_PAUSE, partial(self.insist, work))

    def turn(self, timeout: float | None = None) -> None:
        """Wait for one round of events, `timeout` seconds or a day at most."""
        if self._timers:
            left = min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST)
            timeout = left if timeout is None else min(left, timeout)
        for fd, _ in self._epoll.poll(timeout):
            if fd in self._watched:  # an earlier one of the round may have gone away
                self._watched[fd][1]()
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._timers.pop(0)[1]()
