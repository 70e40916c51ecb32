"""Whether an image is one: every `%meta` meets its tree, and links meet their members."""

from __future__ import annotations

from lxgit.errors import LxgitError, quoted
from lxgit.objects.database import CorruptObject, WrongType
from lxgit.objects.directory import Subdirectory, read_directory
from lxgit.objects.extent import MAX_ENTRIES, Extents
from lxgit.objects.ids import ObjectType
from lxgit.objects.image import read_image
from lxgit.objects.metadata import Kind
from lxgit.objects.replay import read_target
from lxgit.objects.tree import MAX_DEPTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.entries import Entry
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image


class ImageVerifier:
    """Verifies images one after the other; what they share is read once.

    `damaged` are the objects that are known to be: an image that has one of them is faulty.
    """

    def __init__(self, database: ObjectDatabase, damaged: Collection[ObjectID] = ()) -> None:
        self._database = database
        self._damaged = damaged
        self._good: set[ObjectID] = set()
        self._fitting: set[tuple[ObjectID, ObjectID]] = set()
        self._below: dict[ObjectID, tuple[int, list[ObjectID]]] = {}
        self._extents = Extents(lambda oid: self._below.get(oid, (0, [])))

    def faults(self, tree: ObjectID) -> Iterator[str]:
        """What is wrong with the image whose root tree is `tree`, a line each; nothing: it is good.

        The bytes of objects are not compared with their ids here: `git fsck` does that.
        """
        try:
            image = read_image(self._database, tree)
            _ = image.config
        except LxgitError as error:
            yield error.message
            return
        yield from self._directories(image.rootfs)
        if image.rootfs in self._below:
            yield from self._extent(image.rootfs)
        if image.filesystem not in self._fitting:  # either is good beside some others
            yield from self._links(image)

    def _directories(self, root: ObjectID) -> Iterator[str]:
        pending = [(b"", root)]
        while pending:
            path, oid = pending.pop()
            if oid in self._good:
                continue
            try:
                directory = read_directory(self._database, oid)
                for name, entry in directory.entries.items():
                    below = path + b"/" + name if path else name
                    if isinstance(entry, Subdirectory):
                        pending.append((below, entry.oid))
                    else:
                        self._check_entry(below, entry)
            except LxgitError as error:
                shown = path.decode(errors="backslashreplace")
                yield f"the directory /{shown}: {error.message}"
            else:
                self._good.add(oid)
                trees = directory.entries.values()
                self._below[oid] = (
                    len(directory.entries),
                    [one.oid for one in trees if isinstance(one, Subdirectory)],
                )

    def _extent(self, root: ObjectID) -> Iterator[str]:
        """Whether it is too deep, or unfolds to more than an archive may have."""
        levels, count = self._extents.of(root)
        if levels + 1 > MAX_DEPTH:
            yield f"it is {levels:,} levels deep, and {MAX_DEPTH:,} are allowed"
        if count > MAX_ENTRIES:
            yield f"it unfolds to {count:,} entries, and {MAX_ENTRIES:,} are allowed"

    def _check_entry(self, path: bytes, entry: Entry) -> None:
        if entry.oid is None:
            return
        if entry.oid in self._damaged:
            raise CorruptObject(entry.oid, f"it is /{path.decode(errors='backslashreplace')}")
        kind, _ = self._database.describe(entry.oid)
        if kind is not ObjectType.BLOB:
            raise WrongType(f"{quoted(path)} is a {kind.name.lower()} in Git, not a blob")
        if entry.kind is Kind.SYMLINK:
            read_target(self._database, path, entry.oid)

    def _links(self, image: Image) -> Iterator[str]:
        try:
            groups = image.links.groups
        except LxgitError as error:
            yield error.message
            return
        sound = True
        for group in groups:
            try:
                entries = {image.entry(path) for path in group}
            except LxgitError:
                continue  # its directory has been told of
            if len(entries) > 1 or None in entries or any(e and e.is_directory for e in entries):
                sound = False
                shown = " ".join(path.decode(errors="backslashreplace") for path in group)
                yield f"links: these are not one inode: {shown}"
        if sound:
            self._fitting.add(image.filesystem)
