"""How much a tree unfolds to: forty trees that have each other twice are 2^40 directories.

Each tree is measured once, by its id, so that one in which others stand many times costs no more
than they do. A walk that meets the same trees again and again measures what it walks (`Bound`);
one that does not is as long as the store is large, and pays nothing.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.names import META_NAME
from lxgit.objects.tree import MODE_TREE, decode_tree
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from lxgit.objects.directory import BlobAndTreeReader
    from lxgit.objects.ids import ObjectID

MAX_ENTRIES = 1 << 22
"""Of one root filesystem: far more than anybody runs, and 3 GB of memory while it is imported."""

_AGAIN = 1 << 13
"""Entries that a walk meets in trees it has been in before until it measures."""


class TooManyEntries(LxgitError):
    """A root filesystem of more entries than are allowed."""


class Extent(NamedTuple):
    """Of a directory with all that is below it: itself is a level, and no entry."""

    levels: int
    entries: int


class Extents:
    """Measures directories; `read` gives how many entries one has, and the trees among them."""

    def __init__(self, read: Callable[[ObjectID], tuple[int, Sequence[ObjectID]]]) -> None:
        self._read = read
        self._known: dict[ObjectID, Extent] = {}

    def of(self, root: ObjectID) -> Extent:
        """The extent of the directory whose tree is `root`. Not recursive: trees are deep."""
        pending = [root]
        while pending:
            count, below = self._read(pending[-1])
            if missing := [oid for oid in below if oid not in self._known]:
                pending += missing
                continue
            known = [self._known[oid] for oid in below]
            levels = 1 + max((one.levels for one in known), default=0)
            entries = count + sum(one.entries for one in known)
            self._known[pending.pop()] = Extent(levels, entries)
        return self._known[root]


class Bound:
    """Keeps a walk of these directories, each with its reader, from unfolding without end."""

    def __init__(self, *roots: tuple[BlobAndTreeReader, ObjectID]) -> None:
        self._roots = roots
        self._met: set[Hashable] = set()
        self._again = 0
        self._measured = False

    def enter(self, directory: Hashable, entries: int) -> None:
        """The walk goes into a directory, or a pair of them, of so many entries; TooManyEntries."""
        if directory not in self._met:
            self._met.add(directory)
            return
        self._again += 1 + entries
        if self._again > _AGAIN and not self._measured:
            self._measured = True
            for reader, oid in self._roots:
                _measure(reader, oid)


def _measure(reader: BlobAndTreeReader, root: ObjectID) -> None:
    def read(oid: ObjectID) -> tuple[int, list[ObjectID]]:
        entries = decode_tree(reader.tree(oid))
        below = [entry.oid for entry in entries if entry.mode == MODE_TREE]
        lines = sum(
            reader.blob(entry.oid).count(b"\n") - 1 for entry in entries if entry.name == META_NAME
        )
        return lines + len(below), below  # each has a line, but for directories

    count = Extents(read).of(root).entries
    if count > MAX_ENTRIES:
        raise TooManyEntries(
            f"the image unfolds to {count:,} entries, and {MAX_ENTRIES:,} are allowed",
            hint="'lxgit fsck' says which branches and tags have it",
        )
