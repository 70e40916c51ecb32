"""Objects that are not in the store (yet): a changed tree can be read before it is written."""

from __future__ import annotations

from lxgit.objects.ids import ObjectID, ObjectType, hash_trusted, object_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.content import Content
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.packwriter import PackWriter


class ScratchObjects:
    """Reads the store, and what has been added here; passes that on to a writer, if there is one.

    Meant for the trees and `%meta` of one change: what is added stays in memory.
    """

    def __init__(self, database: ObjectDatabase, writer: PackWriter | None = None) -> None:
        self._database = database
        self._writer = writer
        self._added: dict[ObjectID, bytes] = {}

    def add(self, kind: ObjectType, data: bytes) -> ObjectID:
        """Keep an object, and write it if there is a writer."""
        oid = hash_trusted(kind, data) if self._writer is None else self._writer.add(kind, data)
        self._added[oid] = data
        return oid

    def tree(self, oid: ObjectID) -> bytes:
        """A tree's content."""
        return self._added[oid] if oid in self._added else self._database.tree(oid)

    def blob(self, oid: ObjectID) -> bytes:
        """A blob's content."""
        return self._added[oid] if oid in self._added else self._database.blob(oid)


def hash_content(content: Content) -> ObjectID:
    """The id that a file's content would have, without keeping anything of it."""
    import hashlib

    digest = hashlib.sha1(object_header(ObjectType.BLOB, content.size), usedforsecurity=False)
    for chunk in content.chunks():
        digest.update(chunk)
    return ObjectID(digest.digest())
