"""Two file systems side by side: what changed, and the contents on both sides."""

from __future__ import annotations

from lxgit.objects.diff import diff_images
from lxgit.operations.values import SizedChange
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.objects.changes import Change
    from lxgit.objects.entries import Entry
    from lxgit.objects.image import Image
    from lxgit.objects.replay import BlobReader
    from lxgit.repository import Repository


class Side(NamedTuple):
    """One file system, and where its contents are read from."""

    image: Image
    blobs: BlobReader


def stored_side(repository: Repository, image: Image) -> Side:
    """A side whose contents are in the store."""
    return Side(image, repository.objects)


def empty_image(repository: Repository, like: Image) -> Image:
    """An image with nothing in it but the root directory of another, for comparisons."""
    from lxgit.objects.directory import Directory, write_directory
    from lxgit.objects.ids import ObjectType
    from lxgit.objects.image import Image, directory_entry
    from lxgit.objects.links import Links, encode_links
    from lxgit.objects.scratch import ScratchObjects

    scratch = ScratchObjects(repository.objects)
    root = Directory(directory_entry(like.reader, like.rootfs).metadata, {})
    rootfs = write_directory(scratch, root)
    links = scratch.add(ObjectType.BLOB, encode_links(Links()))
    return Image(scratch, like.tree, like.config_id, links, rootfs)


class Comparison:
    """The differences between two sides, as a user wants to see them.

    `changes` are sorted by path; a directory whose mtime alone changed is not among them.
    """

    def __init__(self, old: Side, new: Side, paths: Iterable[bytes] = ()) -> None:
        """`paths`, without leading slash, limit the comparison to them and what is below."""
        self._old, self._new = old, new
        wanted = tuple(paths)
        self.changes = tuple(
            self._sized(change)
            for change in diff_images(old.image, new.image)
            if change.listed and _is_wanted(change.path, wanted)
        )

    def content(self, change: SizedChange, side: str) -> bytes:
        """The content of the "old" or "new" side of a change, whole; empty where there is none."""
        chosen = self._old if side == "old" else self._new
        entry = change.change.old if side == "old" else change.change.new
        if entry is None or entry.oid is None or entry.is_directory:
            return b""
        return chosen.blobs.blob(entry.oid)

    def hunks(self, change: SizedChange, *, context: int = 3) -> bytes | None:
        """The hunks of a unified diff of a change; None when a side is no text, or too large."""
        from lxgit.objects.textdiff import LARGEST, unified_hunks

        if max(change.old_size, change.new_size) > LARGEST:
            return None
        old, new = self.content(change, "old"), self.content(change, "new")
        return unified_hunks(old, new, context=context)

    def _sized(self, change: Change) -> SizedChange:
        return SizedChange(
            change,
            _size(self._old, change.old),
            _size(self._new, change.new),
            _other_links(self._old, change.path, change.old),
            _other_links(self._new, change.path, change.new),
        )


def _size(side: Side, entry: Entry | None) -> int:
    if entry is None or entry.oid is None or entry.is_directory:
        return 0
    return side.blobs.size(entry.oid)


def _other_links(side: Side, path: bytes, entry: Entry | None) -> tuple[bytes, ...]:
    if entry is None or entry.is_directory:
        return ()
    return tuple(other for other in side.image.links.group(path) if other != path)


def _is_wanted(path: bytes, wanted: tuple[bytes, ...]) -> bool:
    return not wanted or any(
        not prefix or path == prefix or path.startswith(prefix + b"/") for prefix in wanted
    )
