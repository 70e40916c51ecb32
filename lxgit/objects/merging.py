"""Changes of one image carried over to another: three images, path by path.

A path is one unit of content and metadata. Both sides may change the same path if they do the same
to it; a directory's mtime alone is no change. Whoever has removed a directory, or put something
else in its place, is in the way of whoever has something below it.
"""

from __future__ import annotations

from lxgit.objects.diff import iter_differences
from lxgit.objects.links import Group, Links
from lxgit.objects.names import parents
from lxgit.objects.treebuilder import TreeBuilder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lxgit.objects.changes import Change
    from lxgit.objects.directory import BlobAndTreeReader, ObjectWriter
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image

Changes = dict[bytes, "Change"]


def changes_of(old: Image, new: Image) -> Changes:
    """What differs, by path, in order; without directories whose mtime alone does."""
    found = (change for change in iter_differences(old, new) if change.listed)
    return {change.path: change for change in sorted(found, key=lambda change: change.path)}


def conflicts(ours: Changes, our_image: Image, theirs: Changes, their_image: Image) -> list[bytes]:
    """The paths of `ours` that cannot be carried over to the image that `theirs` lead to."""
    return sorted(
        path
        for path in ours
        if _differ(path, ours, our_image, theirs, their_image)
        or _blocked(path, ours, theirs)
        or _blocking(path, ours, theirs)
    )


def _differ(
    path: bytes, ours: Changes, our_image: Image, theirs: Changes, their_image: Image
) -> bool:
    """Whether both have changed the path, and not alike."""
    other = theirs.get(path)
    if other is None:
        return False
    mine, yours = ours[path].new, other.new
    if mine is not None and yours is not None and mine.is_directory and yours.is_directory:
        return mine.metadata != yours.metadata
    return mine != yours or our_image.links.group(path) != their_image.links.group(path)


def _blocked(path: bytes, ours: Mapping[bytes, Change], theirs: Mapping[bytes, Change]) -> bool:
    """Whether we have something where they have no directory any more."""
    if ours[path].new is None:
        return False
    above = (theirs.get(parent) for parent in parents(path))
    return any(one is not None and not _is_directory(one) for one in above)


def _blocking(path: bytes, ours: Mapping[bytes, Change], theirs: Mapping[bytes, Change]) -> bool:
    """Whether they have something where we have no directory any more."""
    old = ours[path].old
    if old is None or not old.is_directory or _is_directory(ours[path]):
        return False
    below = path + b"/"
    return any(other.startswith(below) and theirs[other].new is not None for other in theirs)


def _is_directory(change: Change) -> bool:
    return change.new is not None and change.new.is_directory


def carry(
    reader: BlobAndTreeReader,
    writer: ObjectWriter,
    changes: Changes,
    from_links: Links,
    onto: Image,
) -> tuple[ObjectID, Links]:
    """The file system of `onto` with these changes, which conflict with nothing there: written."""
    builder = TreeBuilder(reader, writer, onto.rootfs)
    gone: set[bytes] = set()
    for path, change in changes.items():
        if change.new is not None:
            builder.put(path, change.new)
        elif gone.isdisjoint(parents(path)):
            builder.remove(path)
        if not _is_directory(change):
            gone.add(path)
    return builder.write(), _carried_links(changes, from_links, onto.links)


def _carried_links(changes: Iterable[bytes], ours: Links, onto: Links) -> Links:
    """Their groups without the paths that change, and ours of these: all of a group change."""
    touched = set(changes)
    kept = ([path for path in group if path not in touched] for group in onto.groups)
    carried = ([path for path in group if path in touched] for group in ours.groups)
    return Links([*kept, *carried])


def replace_paths(
    reader: BlobAndTreeReader,
    writer: ObjectWriter,
    image: Image,
    source: Image,
    paths: Iterable[bytes],
) -> tuple[ObjectID, Links, list[bytes]]:
    """The file system of `image` with what is at and below these paths as in `source`: written.

    What `source` has not goes. Directories that lead to a path are made where they are missing.
    The other names that it has a file by are linked again, but for those that are not as there:
    they stay as they are, and are told of.
    """
    wanted = _topmost(paths)
    if b"" in wanted:
        return source.rootfs, source.links, []
    builder = TreeBuilder(reader, writer, image.rootfs)
    for path in wanted:
        found = source.entry(path)
        if found is None:
            builder.remove(path)
            continue
        for parent in parents(path):
            present = image.entry(parent)
            if present is None or not present.is_directory:
                directory = source.entry(parent)
                assert directory is not None
                builder.put(parent, directory)
        builder.graft(path, found)
    return (builder.write(), *_replaced_links(wanted, image, source))


def _topmost(paths: Iterable[bytes]) -> list[bytes]:
    """The paths without those that are below another."""
    wanted = set(paths)
    return sorted(path for path in wanted if wanted.isdisjoint((*parents(path), b"")) or not path)


def _replaced_links(wanted: list[bytes], image: Image, source: Image) -> tuple[Links, list[bytes]]:
    """The groups then, and the members of groups of `source` that are in none of them."""

    def is_replaced(path: bytes) -> bool:
        return any(path == one or path.startswith(one + b"/") for one in wanted)

    def is_as_in(group: Group, path: bytes) -> bool:
        others = (one for one in image.links.group(path) if not is_replaced(one))
        return image.entry(path) == source.entry(path) and set(others) <= set(group)

    touched = [group for group in source.links.groups if any(map(is_replaced, group))]
    linked = [
        [path for path in group if is_replaced(path) or is_as_in(group, path)] for group in touched
    ]
    apart = {path for group in touched for path in group}.difference(*linked)
    gone = {path for group in linked for path in group}
    gone.update(parent for path in wanted for parent in parents(path))  # they are directories now
    kept = (
        [path for path in group if path not in gone and not is_replaced(path)]
        for group in image.links.groups
    )
    return Links([*kept, *linked]), sorted(apart)
