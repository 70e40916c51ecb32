"""An image, given entry by entry to a sink."""

from __future__ import annotations

from lxgit.errors import quoted
from lxgit.objects.links import InvalidLinks
from lxgit.objects.metadata import InvalidMetadata, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from lxgit.objects.entries import Entry
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.links import Links
    from lxgit.objects.sink import TreeSink
    from lxgit.progress import Progress

    class BlobReader(Protocol):
        """The reads of contents, whole and in chunks; sizes in bytes."""

        def size(self, oid: ObjectID) -> int: ...
        def blob(self, oid: ObjectID) -> bytes: ...
        def stream(self, oid: ObjectID) -> Iterator[bytes]: ...


MAX_TARGET = 4095
"""Bytes of a symbolic link's target: PATH_MAX without its NUL."""


class Blob:
    """A file's bytes in chunks, read when they are wanted; a sink may look at `oid` instead."""

    __slots__ = ("_reader", "oid")

    def __init__(self, reader: BlobReader, oid: ObjectID) -> None:
        self._reader = reader
        self.oid = oid

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reader.stream(self.oid))


class Replayer:
    """Puts entries into a sink; the members of a hard-link group become links to the first."""

    def __init__(self, reader: BlobReader, links: Links, sink: TreeSink) -> None:
        self._reader = reader
        self._links = links
        self._sink = sink
        self._first: dict[bytes, tuple[bytes, Entry]] = {}
        self._linked: set[bytes] = set()

    def finish(self) -> None:
        """All has been put; InvalidLinks when a link was not among it."""
        for group in self._links.groups:
            for path in group:
                if path not in self._linked:
                    raise absent_link(path)

    def put(self, path: bytes, entry: Entry) -> None:
        """Give one entry to the sink."""
        if path in self._links:
            self._linked.add(path)
            leader = self._links.group(path)[0]
            existing, like = self._first.setdefault(leader, (path, entry))
            if entry != like or entry.is_directory:
                raise InvalidLinks(
                    f"links: {quoted(path)} and {quoted(existing)} are not one inode"
                )
            if existing != path:
                self._sink.link(path, existing)
                return
        put_entry(self._reader, self._sink, path, entry)


def put_entry(reader: BlobReader, sink: TreeSink, path: bytes, entry: Entry) -> None:
    """Give an entry to a sink, whatever links it has."""
    if entry.kind is Kind.DIRECTORY:
        sink.directory(path, entry.metadata)
    elif entry.oid is None:
        sink.special(path, entry.kind, entry.metadata, entry.rdev)
    elif entry.kind is Kind.SYMLINK:
        sink.symlink(path, entry.metadata, read_target(reader, path, entry.oid))
    else:
        sink.file(path, entry.metadata, reader.size(entry.oid), Blob(reader, entry.oid))


def read_target(reader: BlobReader, path: bytes, oid: ObjectID) -> bytes:
    """A symlink's target; InvalidMetadata for one that no symlink can have."""
    target = reader.blob(oid) if reader.size(oid) <= MAX_TARGET else b""
    if not target or b"\0" in target:
        raise InvalidMetadata(f"the symbolic link {quoted(path)} has no possible target")
    return target


def replay_image(reader: BlobReader, image: Image, sink: TreeSink, progress: Progress) -> None:
    """Give a whole image to a sink, the root directory first, in the order of the trees."""
    replayer = Replayer(reader, image.links, sink)
    for path, entry in _with_root(image):
        replayer.put(path, entry)
        progress.advance()
    replayer.finish()


def absent_link(path: bytes) -> InvalidLinks:
    """The error for a path of a group that the image does not have."""
    return InvalidLinks(f"links: {quoted(path)} is not there")


def _with_root(image: Image) -> Iterator[tuple[bytes, Entry]]:
    yield b"", image.root()
    yield from image.walk()
