"""Where the rows do their work: a directory that goes at the end, and what several rows share."""

from __future__ import annotations

import os
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.podman import Podman
from benchmarks.store import Store

if TYPE_CHECKING:
    from benchmarks.inputs import Debian

IMAGE = "base"
"""What every store calls its image."""


class Workbench:
    """A new directory in `parent` while its `with` lasts.

    What a round makes stays until the end: on ext4 without a journal, whoever creates many files
    soon after many were deleted was seen to be ten times as slow.
    """

    def __init__(self, parent: Path) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lxgit-bench-", dir=parent))
        self._numbers = count(1)
        self._stores: dict[Debian, Store] = {}
        self._podmans: dict[Debian, Podman] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Nothing here stays mounted; should it all the same, rm must not go through it.
        subprocess.run(["rm", "-rf", "--one-file-system", self.directory], check=True)

    def _place(self, name: str) -> Path:
        """A path that nothing stands at."""
        return self.directory / f"{name}-{next(self._numbers)}"

    def empty_store(self) -> Store:
        """A store with nothing in it."""
        return Store(self._place("lxgit"))

    def empty_podman(self) -> Podman:
        """A store of Podman's with nothing in it; Void where there can be none."""
        return Podman(self._place("podman"))

    def settle(self) -> None:
        """Have what earlier rounds wrote on disk, so that nobody waits for it later."""
        os.sync()

    def store(self, debian: Debian) -> Store:
        """The store with that image that rows share when they do not mind each other."""
        if debian not in self._stores:
            self._stores[debian] = self.new_store(debian)
        return self._stores[debian]

    def new_store(self, debian: Debian) -> Store:
        """Another store with that image."""
        store = self.empty_store()
        store.program.run("import", str(debian.archive()), IMAGE)
        return store

    def podman(self, debian: Debian) -> Podman:
        """The store of Podman's with that image, shared likewise."""
        if debian not in self._podmans:
            podman = self.empty_podman()
            podman.program.run("import", str(debian.archive()), IMAGE)
            self._podmans[debian] = podman
        return self._podmans[debian]
