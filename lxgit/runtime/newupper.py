"""Another upper directory for a stopped container: it takes over when the record names it.

It is written beside the one in force, from the difference between the image that it will lie over
and the one that the container is to show. So a crash leaves the container as it was, or as it is to
be, and beside it at most a directory that nothing names.
"""

from __future__ import annotations

from lxgit.beneath import remove_tree
from lxgit.fsutil import sync_filesystem
from lxgit.objects.acl import ACCESS, DEFAULT
from lxgit.objects.delta import write_delta
from lxgit.objects.diff import iter_differences
from lxgit.objects.metadata import Metadata
from lxgit.objects.xattrs import CAPABILITY
from lxgit.runtime.config import OTHER, UPPER, UPPERS
from lxgit.runtime.directory_layer import DirectoryWriter, is_hidden, words_for_lacks
from lxgit.runtime.idmap import acl_to_disk, capability_to_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.image import Image
    from lxgit.objects.metadata import Kind
    from lxgit.runtime.containers import Container
    from lxgit.runtime.idmap import IdMap


def other_name(container: Container) -> str:
    """The name for the upper directory that takes over; nothing is there."""
    remove_others(container)
    return OTHER if container.config.upper == UPPER else UPPER


def write_upper(
    database: ObjectDatabase, place: Path, ids: IdMap, below: Image, shown: Image
) -> tuple[str, ...]:
    """Write the upper directory that shows one image where another is mounted, durably.

    What is to be told of it. UnmappedId when it has an id that the container has not.
    """
    place.mkdir(mode=0o700)
    with UpperWriter(place, ids) as sink:
        passed: dict[bytes, Metadata] = {}
        changes = iter_differences(below, shown, passed)
        write_delta(database, shown, changes, sink, is_hidden=is_hidden, passed=passed)
    sync_filesystem(place)
    return words_for_lacks(0, sink.retimed)


def others(container: Container) -> list[Path]:
    """The upper directories that the record does not name."""
    places = [container.path / name for name in UPPERS if name != container.config.upper]
    return [place for place in places if place.exists()]


def remove_others(container: Container) -> int:
    """Delete the upper directories that the record does not name; how many they were."""
    found = others(container)
    for place in found:
        remove_tree(place)
    return len(found)


class UpperWriter(DirectoryWriter):
    """Makes inodes with the host's ids of a container."""

    def __init__(self, root: Path, ids: IdMap) -> None:
        super().__init__(root)
        self._ids = ids

    def directory(self, path: bytes, metadata: Metadata) -> None:
        super().directory(path, self._mapped(metadata))

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        super().file(path, self._mapped(metadata), size, chunks)

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        super().symlink(path, self._mapped(metadata), target)

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        super().special(path, kind, self._mapped(metadata), rdev)

    def _mapped(self, metadata: Metadata) -> Metadata:
        return Metadata(
            metadata.mode,
            self._ids.outside(metadata.uid),
            self._ids.outside(metadata.gid),
            metadata.mtime,
            tuple((name, self._value(name, value)) for name, value in metadata.xattrs),
        )

    def _value(self, name: bytes, value: bytes) -> bytes:
        if name in (ACCESS, DEFAULT):
            return acl_to_disk(value, self._ids)
        return capability_to_disk(value, self._ids) if name == CAPABILITY else value
