"""What differs between two images: only the directories whose trees differ are read."""

from __future__ import annotations

from lxgit.objects.changes import Change
from lxgit.objects.directory import Directory, Subdirectory, read_differing, read_directory
from lxgit.objects.entries import Entry
from lxgit.objects.extent import Bound
from lxgit.objects.image import walk_directory
from lxgit.objects.metadata import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.directory import BlobAndTreeReader
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.metadata import Metadata


def diff_images(old: Image, new: Image) -> list[Change]:
    """Every path that is not the same entry in both, sorted by path, the root first.

    A path whose hard links alone changed is there too, with equal entries. The cost is in
    proportion to the entries of the directories that differ.
    """
    return sorted(iter_differences(old, new), key=lambda change: change.path)


def iter_differences(
    old: Image, new: Image, passed: dict[bytes, Metadata] | None = None
) -> Iterator[Change]:
    """The same changes in no order, as they are found: a caller may have enough of them.

    `passed` gets what the directories on the way are in the new image, by path.

    TooManyEntries where an image unfolds without end, and the other does not share it.
    """
    relinked = set()
    if old.links_id != new.links_id:
        relinked = old.links.differing(new.links)
    if old.rootfs != new.rootfs:
        for change in _diff_directories(old, new, {} if passed is None else passed):
            relinked.discard(change.path)
            yield change
    for path in relinked:
        yield Change(path, old.entry(path), new.entry(path))


def _diff_directories(
    old_image: Image, new_image: Image, passed: dict[bytes, Metadata]
) -> Iterator[Change]:
    """Differing paths of two root filesystems. Not recursive: trees are deep."""
    old_reader, new_reader = old_image.reader, new_image.reader
    pending = [(b"", old_image.rootfs, new_image.rootfs)]
    bound = Bound((old_reader, old_image.rootfs), (new_reader, new_image.rootfs))
    while pending:
        path, old, new = pending.pop()
        before, after = read_differing(old_reader, old, new_reader, new)
        bound.enter((old, new), len(before.entries) + len(after.entries))
        passed[path] = after.metadata
        if before.metadata != after.metadata:
            yield Change(path, _as_entry(before, old), _as_entry(after, new))
        prefix = path + b"/" if path else b""
        for name in before.entries.keys() | after.entries.keys():
            left, right = before.entries.get(name), after.entries.get(name)
            if left == right:
                continue
            if isinstance(left, Subdirectory) and isinstance(right, Subdirectory):
                pending.append((prefix + name, left.oid, right.oid))
                continue
            gone = _expand(old_reader, prefix + name, left, bound)
            yield from _replaced(gone, _expand(new_reader, prefix + name, right, bound))


def _as_entry(directory: Directory, oid: ObjectID) -> Entry:
    return Entry(Kind.DIRECTORY, directory.metadata, oid)


def _replaced(
    gone: Iterator[tuple[bytes, Entry]], come: Iterator[tuple[bytes, Entry]]
) -> Iterator[Change]:
    """A path that is not a directory in both, and what stood or stands below it."""
    before, after = dict(gone), dict(come)
    for name in before.keys() | after.keys():
        yield Change(name, before.get(name), after.get(name))


def _expand(
    reader: BlobAndTreeReader, path: bytes, entry: Entry | Subdirectory | None, bound: Bound
) -> Iterator[tuple[bytes, Entry]]:
    if isinstance(entry, Entry):
        yield path, entry
    elif entry is not None:
        directory = read_directory(reader, entry.oid)
        yield path, _as_entry(directory, entry.oid)
        yield from walk_directory(reader, entry.oid, path + b"/", bound)
