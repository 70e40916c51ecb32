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
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lxgit.objects.entries import Entry
    from lxgit.objects.image import Image
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import SizedChange
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


def counted_sizes(sized: SizedChange) -> tuple[int, int]:
    """What `image_size` counts at a path before and after a change."""
    change = sized.change
    return (
        _counted(change.path, change.old, sized.old_size, sized.old_links),
        _counted(change.path, change.new, sized.new_size, sized.new_links),
    )


def _counted(path: bytes, entry: Entry | None, size: int, others: Sequence[bytes]) -> int:
    """Of a file's links the first counts: `others`, in order, are those beside the path."""
    if entry is None or entry.kind is not Kind.FILE or (others and others[0] < path):
        return 0
    return size


def files_size(top: Path) -> int:
    """The contents of the files below a directory, each inode once; 0 where there is none."""
    files = {
        status.st_ino: status.st_size for status in statuses(top) if stat.S_ISREG(status.st_mode)
    }
    return sum(files.values())
