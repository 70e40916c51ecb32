"""Writing a root filesystem: a changed copy of another one, or a new one from nothing.

Only the directories that a change touches are read and written.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.directory import Directory, Subdirectory, read_directory, write_directory
from lxgit.objects.tree import MAX_DEPTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.directory import BlobAndTreeReader, ObjectWriter
    from lxgit.objects.entries import Entry
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.metadata import Metadata


class TooDeep(LxgitError):
    """A tree with more levels than Git reads."""


def check_depth(depth: int) -> None:
    """TooDeep when no directory may have that depth, the root's being 0."""
    if depth + 2 > MAX_DEPTH:  # its own tree, and the image's above the root
        raise TooDeep(
            f"a directory is more than {MAX_DEPTH} levels deep",
            hint="Git cannot read deeper trees",
        )


def _depth(path: bytes) -> int:
    return path.count(b"/") + 1


class _Open:
    """A directory being changed."""

    __slots__ = ("entries", "metadata")

    def __init__(self, metadata: Metadata | None = None) -> None:
        self.metadata = metadata
        self.entries: dict[bytes, Entry | Subdirectory | _Open] = {}


class TreeBuilder:
    """Collects puts and removals, then writes the directories that they touch."""

    def __init__(
        self, reader: BlobAndTreeReader, writer: ObjectWriter, base: ObjectID | None = None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._root = _Open() if base is None else self._opened(base)

    def _opened(self, oid: ObjectID) -> _Open:
        directory = read_directory(self._reader, oid)
        opened = _Open(directory.metadata)
        opened.entries.update(directory.entries)
        return opened

    def _parent(self, path: bytes) -> tuple[_Open, bytes]:
        """The directory that holds `path`, opened, and the last name."""
        *parents, name = path.split(b"/")
        check_depth(len(parents))
        at = self._root
        for part in parents:
            below = at.entries.get(part)
            if isinstance(below, Subdirectory):
                below = at.entries[part] = self._opened(below.oid)
            if not isinstance(below, _Open):
                raise NotADirectoryError(f"{path!r} is not below a directory")
            at = below
        return at, name

    def put(self, path: bytes, entry: Entry) -> None:
        """Set what stands at `path`.

        Where a directory is put over a directory, its metadata alone changes; any other entry
        takes the place of what was there and all below it. NotADirectoryError when the parent is
        none.
        """
        if not path:
            self._root.metadata = entry.metadata
            return
        parent, name = self._parent(path)
        if not entry.is_directory:
            parent.entries[name] = entry
            return
        check_depth(_depth(path))
        below = parent.entries.get(name)
        if isinstance(below, Subdirectory):
            below = self._opened(below.oid)
        if not isinstance(below, _Open):
            below = _Open()
        below.metadata = entry.metadata
        parent.entries[name] = below

    def graft(self, path: bytes, entry: Entry) -> None:
        """Set what stands at `path`, a directory with all that its tree has."""
        parent, name = self._parent(path)
        if entry.is_directory:
            assert entry.oid is not None
            check_depth(_depth(path))
            parent.entries[name] = Subdirectory(entry.oid)
        else:
            parent.entries[name] = entry

    def remove(self, path: bytes) -> None:
        """Remove what stands at `path` and below; nothing there is nothing to do."""
        try:
            parent, name = self._parent(path)
        except NotADirectoryError:
            return
        parent.entries.pop(name, None)

    def clear(self, path: bytes) -> None:
        """Remove all that stands below the directory at `path`; no directory is nothing to do."""
        if not path:
            self._root.entries.clear()
            return
        try:
            parent, name = self._parent(path)
        except NotADirectoryError:
            return
        below = parent.entries.get(name)
        if isinstance(below, Subdirectory):
            below = parent.entries[name] = self._opened(below.oid)
        if isinstance(below, _Open):
            below.entries.clear()

    def write(self) -> ObjectID:
        """Write every directory that was touched, children first; returns the root's tree."""
        order = [self._root]
        for opened in order:  # grows while it runs: parents before children, at any depth
            order.extend(entry for entry in opened.entries.values() if isinstance(entry, _Open))
        written: dict[int, Subdirectory] = {}
        for opened in reversed(order):
            written[id(opened)] = Subdirectory(self._write_one(opened, written))
        return written[id(self._root)].oid

    def _write_one(self, opened: _Open, written: dict[int, Subdirectory]) -> ObjectID:
        if opened.metadata is None:
            raise ValueError("a directory has no metadata")
        entries = {
            name: written[id(entry)] if isinstance(entry, _Open) else entry
            for name, entry in opened.entries.items()
        }
        return write_directory(self._writer, Directory(opened.metadata, entries))
