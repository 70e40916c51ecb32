"""Where the rows do their work: a directory that goes at the end, and what several rows share."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.inputs import FULL, Inputs
from benchmarks.peers.docker import Docker, docker
from benchmarks.peers.podman import Podman
from benchmarks.store import Store

if TYPE_CHECKING:
    from benchmarks.inputs import Image

IMAGE = "base"
"""What every store calls its image."""


class Workbench:
    """A new directory in `parent` while its `with` lasts, for rows that measure `inputs`.

    What a round makes stays until the end: on ext4 without a journal, whoever creates many files
    soon after many were deleted was seen to be ten times as slow.
    """

    def __init__(self, parent: Path, inputs: Inputs = FULL) -> None:
        self.inputs = inputs
        self.directory = Path(tempfile.mkdtemp(prefix="lxgit-bench-", dir=parent))
        self._numbers = count(1)
        self._running = ExitStack()
        self._stores: dict[Image, Store] = {}
        self._podmans: dict[Image, Podman] = {}
        self._dockers: dict[Image, Docker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._running.close()
        finally:
            self._unmount()
            # Should something be mounted all the same, rm must not go through it.
            subprocess.run(["rm", "-rf", "--one-file-system", self.directory], check=True)

    def _unmount(self) -> None:
        """What peers leave mounted in their stores, the last first."""
        places = mounted_below(Path("/proc/self/mountinfo").read_text(), self.directory)
        for place in reversed(places):
            subprocess.run(["umount", "--lazy", place], check=False)

    def place(self, name: str) -> Path:
        """A path that nothing stands at."""
        return self.directory / f"{name}-{next(self._numbers)}"

    def empty_store(self) -> Store:
        """A store with nothing in it."""
        return Store(self.place("lxgit"))

    def empty_podman(self) -> Podman:
        """A store of Podman's with nothing in it; Void where there can be none."""
        return Podman(self.place("podman"))

    def empty_docker(self) -> Docker:
        """A daemon with nothing in its data root, until the end; Void where there can be none."""
        return self._running.enter_context(docker(self.place("docker")))

    def settle(self) -> None:
        """Have what earlier rounds wrote on disk, so that nobody waits for it later."""
        os.sync()

    def store(self, image: Image) -> Store:
        """The store with that image that rows share when they do not mind each other."""
        if image not in self._stores:
            self._stores[image] = self.new_store(image)
        return self._stores[image]

    def new_store(self, image: Image) -> Store:
        """Another store with that image."""
        store = self.empty_store()
        store.program.run("import", str(image.archive()), IMAGE)
        return store

    def podman(self, image: Image) -> Podman:
        """The store of Podman's with that image, shared likewise."""
        if image not in self._podmans:
            podman = self.empty_podman()
            podman.program.run("import", str(image.archive()), IMAGE)
            self._podmans[image] = podman
        return self._podmans[image]

    def docker(self, image: Image) -> Docker:
        """The daemon with that image, shared likewise."""
        if image not in self._dockers:
            daemon = self.empty_docker()
            daemon.program.run("import", str(image.archive()), IMAGE)
            self._dockers[image] = daemon
        return self._dockers[image]


def mounted_below(mountinfo: str, directory: Path) -> list[Path]:
    """Where something is mounted below a directory, as in /proc/PID/mountinfo (proc(5))."""
    places = (Path(line.split()[4]) for line in mountinfo.splitlines())
    return [place for place in places if directory in place.parents]
