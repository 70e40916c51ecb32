"""What a process waits for: descriptors and moments, and what is to be called then. epoll(7)."""

from __future__ import annotations

import select
import time
from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


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
        if self._watched.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, callback: Callable[[], object]) -> None:
        """Call back once, when so much time has passed."""
        self._timers.append((time.monotonic() + seconds, callback))
        self._timers.sort(key=itemgetter(0))

    def turn(self, timeout: float | None = None) -> None:
        """Wait for one round of events, `timeout` seconds at most."""
        if self._timers:
            left = max(0.0, self._timers[0][0] - time.monotonic())
            timeout = left if timeout is None else min(left, timeout)
        for fd, _ in self._epoll.poll(timeout):
            if fd in self._watched:  # an earlier one of the round may have gone away
                self._watched[fd][1]()
        while self._timers and self._timers[0][0] <= time.monotonic():
            self._timers.pop(0)[1]()
