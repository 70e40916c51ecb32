"""A delta: what turns the file system of one image into that of another, as a layer over it.

The rules are in format.md, "Layers". A mount of an overlayfs layer breaks silently where one of
them is not kept, and so does what unpacks an OCI layer.
"""

from __future__ import annotations

from lxgit.objects.directory import read_metadata
from lxgit.objects.names import encode_name, parents
from lxgit.objects.replay import Replayer, absent_link
from lxgit.objects.sink import TreeSink
from lxgit.objects.tree import decode_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol

    from lxgit.objects.changes import Change
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.metadata import Kind, Metadata
    from lxgit.objects.replay import BlobReader
else:
    Protocol = object


class DeltaSink(TreeSink, Protocol):
    """Takes the entries of a delta: in each directory first what is removed from it."""

    def whiteout(self, path: bytes) -> None:
        """Hide what the layers below have at `path`."""

    def opaque(self, path: bytes) -> None:
        """A directory that was put stands where below there is another thing, or nothing."""


def _never(_kind: Kind, _rdev: tuple[int, int] | None) -> bool:
    return False


class _Lookup:
    """Directories of an image by path: of each on the way its tree alone is read, once.

    `known` are those of which the metadata has been read before.
    """

    def __init__(self, image: Image, known: Mapping[bytes, Metadata]) -> None:
        self._image = image
        self._known = known
        self._below: dict[bytes, dict[bytes, ObjectID]] = {}

    def metadata(self, path: bytes) -> Metadata:
        """The metadata of a directory."""
        known = self._known.get(path)
        if known is not None:
            return known
        return read_metadata(self._image.reader, self._oid(path))

    def _oid(self, path: bytes) -> ObjectID:
        oid = self._image.rootfs
        if path:
            parent, _, name = path.rpartition(b"/")
            below = self._below.get(parent)
            if below is None:
                tree = decode_tree(self._image.reader.tree(self._oid(parent)))
                below = self._below[parent] = {entry.name: entry.oid for entry in tree}
            oid = below[encode_name(name)]
        return oid


def write_delta(
    reader: BlobReader,
    new: Image,
    changes: Iterable[Change],
    sink: DeltaSink,
    *,
    is_hidden: Callable[[Kind, tuple[int, int] | None], bool] = _never,
    passed: Mapping[bytes, Metadata] | None = None,
) -> None:
    """Write the layer that makes `new` of the image that `changes` start from.

    `changes` are those of `diff_images`, which have every member of a group of links that differs
    in anything. `is_hidden` says what no layer of this kind has. The order is always the same.
    `passed` is what `iter_differences` has told of directories: they are not read again then.
    """
    lookup = _Lookup(new, passed or {})
    touched = {change.path: change for change in changes}
    replayer = Replayer(reader, new.links, sink)
    made = {b""}
    sink.directory(b"", lookup.metadata(b""))
    for path, change in sorted(touched.items(), key=_place):
        if change.new is None and path in new.links:
            raise absent_link(path)
        if change.new is None or is_hidden(change.new.kind, change.new.rdev):
            shown = change.old is not None and not is_hidden(change.old.kind, change.old.rdev)
            if shown and _parent_stays(path, touched):
                _ancestors(path, made, lookup, sink)
                sink.whiteout(path)
            continue
        _ancestors(path, made, lookup, sink)
        if path not in made:
            replayer.put(path, change.new)
        if change.new.is_directory:
            made.add(path)
            if change.old is not None and not change.old.is_directory:
                sink.opaque(path)


def _place(item: tuple[bytes, Change]) -> bytes:
    """What a path is sorted by: behind its directory, and there what was removed first."""
    path, change = item
    above, slash, name = path.rpartition(b"/")
    parent = above.replace(b"/", b"\0") + b"\0" if slash else b""
    return parent + b"\0" + name if change.new is None else parent + name


def _parent_stays(path: bytes, touched: dict[bytes, Change]) -> bool:
    """Whether the directory of a removed path is one before and after."""
    above = touched.get(path.rpartition(b"/")[0])
    return above is None or (
        above.old is not None
        and above.new is not None
        and above.old.is_directory
        and above.new.is_directory
    )


def _ancestors(path: bytes, made: set[bytes], lookup: _Lookup, sink: DeltaSink) -> None:
    """Make the directories that lead to a path, each with its metadata in the new image."""
    for ancestor in parents(path):
        if ancestor not in made:
            made.add(ancestor)
            sink.directory(ancestor, lookup.metadata(ancestor))
