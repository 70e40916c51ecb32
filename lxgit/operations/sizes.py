"""How large containers and images are: bytes of their files' contents, each file once."""

from __future__ import annotations

import stat
from functools import cache

from lxgit.beneath import statuses
from lxgit.objects.ids import from_hex
from lxgit.objects.image import walk_directory
from lxgit.objects.metadata import Kind
from lxgit.operations.containerrows import row_of
from lxgit.operations.lookup import image_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lxgit.objects.image import Image
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


def sized_rows(repository: Repository, containers: Iterable[Container]) -> list[ContainerRow]:
    """Containers with what they wrote, and with what their image has besides."""

    @cache
    def of_commit(commit: str) -> int:
        return image_size(repository, image_of(repository, from_hex(commit)))

    sized = []
    for container in containers:
        written = files_size(container.upper)
        virtual = written + of_commit(container.config.commit)
        sized.append(row_of(container)._replace(size=written, virtual_size=virtual))
    return sized


def image_size(repository: Repository, image: Image) -> int:
    """The contents of an image's files. TooManyEntries for a tree that unfolds without end."""
    again = {path for group in image.links.groups for path in group[1:]}
    return sum(
        repository.objects.size(entry.oid)
        for path, entry in walk_directory(image.reader, image.rootfs, b"")
        if entry.kind is Kind.FILE and entry.oid is not None and path not in again
    )


def files_size(top: Path) -> int:
    """The contents of the files below a directory, each inode once; 0 where there is none."""
    files = {
        status.st_ino: status.st_size for status in statuses(top) if stat.S_ISREG(status.st_mode)
    }
    return sum(files.values())
