"""Stores for tests that call operations directly."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.commits import Signature
from lxgit.objects.image import read_image, write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.ingest import write_tree
from lxgit.objects.intake import Intake
from lxgit.objects.scan import read_tree
from lxgit.operations import lookup
from lxgit.operations.fsck import fsck
from lxgit.operations.values import Identity, Problem
from lxgit.repository import open_repository
from lxgit.runtime.containers import load
from lxgit.runtime.index import find_id

if TYPE_CHECKING:
    from lxgit.objects.image import Image
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

WHO = Identity(
    Signature("Ada", "ada@example.org", 1_700_000_000), Signature("Bo", "bo@x", 1_700_000_001)
)


class Listener:
    """A Progress that keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def phase(self, label: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def find(containers: Path, text: str) -> Container:
    """The container that has this name, or whose id begins so. Errors as `index.find_id`."""
    return load(containers, find_id(containers, text))


def find_image(repository: Repository, revision: str) -> Image:
    """The image that a revision names."""
    return lookup.image_of(repository, lookup.find_commit(repository, revision))


def copied(store: Path, to: Path) -> Path:
    """A copy of a store, at `to`."""
    subprocess.run(["cp", "-a", "--reflink=auto", store, to], check=True)
    return to


def stock_fsck(repository: Repository) -> str:
    """What `git fsck --strict --no-dangling` prints."""
    return repository.git.run(["fsck", "--strict", "--no-dangling", "--no-progress"]).decode()


def image_of(repository: Repository, fd: int, config: ImageConfig | None = None) -> Image:
    """The image of the directory that is open as `fd`, in Git and without a commit."""
    tree, _ = read_tree(fd, Listener())
    objects = repository.objects
    with objects.writer() as writer, Intake(writer, fd) as intake:
        rootfs = write_tree(writer, intake, tree, Listener())
        image = write_image(writer, rootfs, tree.links(), config or ImageConfig())
        writer.finish().release()
    return read_image(objects, image)


def contents(store: Path) -> dict[str, int]:
    """Every file of a store with its size; locks and what only tells who holds one left out."""
    found = {}
    for directory, _, files in os.walk(store):
        for name in files:
            path = Path(directory, name)
            found[str(path.relative_to(store))] = path.lstat().st_size
    return {name: size for name, size in found.items() if not name.startswith("locks/")}


def problems(store: Path, *, repair: bool = False) -> list[Problem]:
    """What fsck finds, with everything read anew; a store that cannot be opened is a problem."""
    try:
        repository = open_repository(store)
    except LxgitError as error:
        return [Problem(error.message)]
    found = list(fsck(repository, repair=repair, progress=Listener()))
    repository.objects.close()
    return found


def flip(path: Path, at: int | None = None, mask: int = 0x40) -> None:
    """Change bits of one byte, in the middle by default; mode and times stay as they were."""
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if at is None else at % len(data)
    data[place] ^= mask
    status = path.stat()
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
