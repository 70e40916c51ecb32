"""Keeping a running container's /etc/hosts up to date: inotify(7) on the lists of its bridges.

Which those are, is in the records. A command that has connected or disconnected a running container
replaces a file in its directory of /run/lxgit, which is watched too.
"""

from __future__ import annotations

import contextlib
import os
import select

from lxgit.fsutil import write_atomic
from lxgit.runtime import kernel, rundir
from lxgit.runtime.network import hosts, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.runtime.loop import Loop

_CHANGED = "networks"
"""The file of a container's directory that is replaced for the sake of it."""


def tell(container: str) -> None:
    """Have the supervisor of a container know that it is on other networks."""
    with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
        write_atomic(rundir.CONTAINERS / container / _CHANGED, b"", durable=False)


def keep_hosts(container: str, file: Path, loop: Loop) -> None:
    """Have an /etc/hosts say who is on a container's networks, as long as the loop turns."""
    neighbours = _Neighbours(container, os.open(file, os.O_RDWR | os.O_CLOEXEC), loop)
    loop.watch(neighbours.fd, select.EPOLLIN, neighbours.changed)


class _Neighbours:
    """Who else is on a container's bridges, written to the open hosts file `file` as it changes."""

    def __init__(self, container: str, file: int, loop: Loop) -> None:
        self._container = container
        self._file = file
        self._loop = loop
        self._told = b""
        self.fd = kernel.inotify_init()
        kernel.inotify_add_watch(self.fd, rundir.CONTAINERS / container, kernel.IN_MOVED_TO)
        self._update()

    def changed(self) -> None:
        """What `fd` has to be read for."""
        os.read(self.fd, 1 << 16)
        self._loop.insist(self._update)

    def _update(self) -> None:
        lines = b""
        for place in records.places_of(self._container):
            with contextlib.suppress(FileNotFoundError):  # the bridge goes
                # One that is watched already is not watched twice.
                kernel.inotify_add_watch(self.fd, place, kernel.IN_MOVED_TO)
                lines += (place / records.HOSTS).read_bytes()
        if lines != self._told:
            hosts.update(self._file, lines)
            self._told = lines
