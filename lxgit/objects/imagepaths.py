"""Paths of an image, with links followed as a kernel follows them under chroot(2).

Whoever looks many up goes on from a directory that is known (`Place`): so each costs what its own
names cost, however deep it lies.
"""

from __future__ import annotations

from lxgit.beneath import MAX_LINKS
from lxgit.errors import LxgitError
from lxgit.objects.directory import Subdirectory, read_directory
from lxgit.objects.metadata import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.directory import Directory
    from lxgit.objects.entries import Entry
    from lxgit.objects.image import Image

_STEP = 256
_MOST_WORK = 1 << 32  # bytes of paths, and _STEP for each name: some seconds


class TooManyLinks(LxgitError):
    """Paths that lead through more links than anything but an attack has."""

    def __init__(self) -> None:
        super().__init__(
            "paths of the image lead through too many symbolic links",
            hint="do not trust where it comes from",
        )


class Place:
    """A directory of an image, reached without links. `path` is from its root, which is `b""`."""

    __slots__ = ("above", "directory", "path")

    def __init__(self, above: Place | None, path: bytes, directory: Directory) -> None:
        self.above = above
        self.path = path
        self.directory = directory


class ImagePaths:
    """Looks paths up in one image. TooManyLinks when all of them together take too long."""

    def __init__(self, image: Image) -> None:
        self._reader = image.reader
        self._work = 0
        self.root = Place(None, b"", read_directory(image.reader, image.rootfs))
        self._known: dict[bytes, Place | None] = {b"": self.root}  # by the path itself

    def find(self, path: bytes) -> bytes | None:
        """Where a path leads; None when that is nowhere: a circle, or what is not there."""
        above, _, name = path.rpartition(b"/")
        place = self.descend(self.root, above)
        if place is None:
            return None
        found = self._follow(place, name)
        return found.path if isinstance(found, Place) else found

    def descend(self, place: Place, path: bytes) -> Place | None:
        """The directory that a path leads to from there; None when there is none."""
        found = self._follow(place, path)
        return found if isinstance(found, Place) else None

    def entry(self, path: bytes) -> Entry | Subdirectory | None:
        """What stands at a path itself, no links followed; not for the root."""
        above, _, name = path.rpartition(b"/")
        place = self._at(above)
        return None if place is None else place.directory.entries.get(name)

    def _at(self, path: bytes) -> Place | None:
        """The directory at a path itself."""
        missing = []
        while path not in self._known:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        place = self._known[path]
        for path in reversed(missing):
            name = path.rpartition(b"/")[2]
            entry = None if place is None else place.directory.entries.get(name)
            place = self._below(place, name, entry) if isinstance(entry, Subdirectory) else None
            self._known[path] = place
        return place

    def _below(self, place: Place | None, name: bytes, entry: Subdirectory) -> Place:
        above = place.path + b"/" if place is not None and place.path else b""
        self._work += len(above) + len(name) + _STEP
        if self._work > _MOST_WORK:
            raise TooManyLinks
        return Place(place, above + name, read_directory(self._reader, entry.oid))

    def _follow(self, place: Place, path: bytes) -> Place | bytes | None:
        """A directory, or the path of something else that is the last name of all."""
        pending = path.split(b"/")[::-1]
        links = 0
        while pending:
            name = pending.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                place = place.above or self.root
                continue
            entry = place.directory.entries.get(name)
            if isinstance(entry, Subdirectory):
                place = self._below(place, name, entry)
            elif entry is not None and entry.kind is Kind.SYMLINK:
                links += 1
                if links > MAX_LINKS:
                    return None
                target = self._target(entry)
                if target.startswith(b"/"):
                    place = self.root
                pending += target.split(b"/")[::-1]
            elif entry is None or any(pending):
                return None
            else:
                return place.path + b"/" + name if place.path else name
        return place

    def _target(self, entry: Entry) -> bytes:
        assert entry.oid is not None  # a link has one, or its directory is refused
        target = self._reader.blob(entry.oid)
        self._work += len(target) * _STEP  # at most so many names, each looked up at least once
        return target
