"""Keeping a running container's /etc/hosts up to date: inotify(7) on the list of its bridge."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lxgit.runtime import kernel
from lxgit.runtime.network import hosts, records

if TYPE_CHECKING:
    from pathlib import Path


class Neighbours:
    """Who else is on the bridge at `place`, written to the open hosts file `file` as it changes."""

    def __init__(self, place: Path, file: int) -> None:
        self._list = place / records.HOSTS
        self._file = file
        self._told = b""
        self.fd = kernel.inotify_init()
        kernel.inotify_add_watch(self.fd, place, kernel.IN_MOVED_TO)
        self._update()

    def changed(self) -> None:
        """What `fd` has to be read for."""
        os.read(self.fd, 1 << 16)
        self._update()

    def _update(self) -> None:
        try:
            lines = self._list.read_bytes()
        except FileNotFoundError:  # the bridge goes
            return
        if lines != self._told:
            hosts.update(self._file, lines)
            self._told = lines
