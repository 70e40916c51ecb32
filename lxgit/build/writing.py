"""What COPY changes, written as objects of the store."""

from __future__ import annotations

from lxgit.errors import quoted
from lxgit.objects.changeset import apply
from lxgit.objects.content import SourceChanged
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectType
from lxgit.objects.ingest import write_content
from lxgit.objects.metadata import Kind
from lxgit.objects.scratch import ScratchObjects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.objects.changeset import Changeset
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.filetree import Node
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.links import Links
    from lxgit.objects.packwriter import PackWriter


def write_changes(
    changes: Changeset,
    base: Image,
    ids: Mapping[int, ObjectID],
    database: ObjectDatabase,
    writer: PackWriter,
) -> tuple[ObjectID, Links]:
    """Write a changed file system; returns its tree and its links, as `objects.changeset.apply`.

    `ids` are those of `Taken`: what the store has is not read again, and what comes to another id
    by now is a SourceChanged, or the cache would keep under one digest what belongs to another.
    """
    objects = ScratchObjects(database, writer)

    def entry_of(path: bytes, node: Node) -> Entry:
        oid = None
        if node.content is not None:
            oid = ids.get(id(node.content))
            if oid is None or not (oid in writer or database.freshen(oid)):
                written = write_content(writer, node.content)
                if oid not in (None, written):
                    raise SourceChanged(f"{quoted(path)} changed while it was copied")
                oid = written
        elif node.kind is Kind.SYMLINK:
            oid = writer.add(ObjectType.BLOB, node.target)
        return Entry(node.kind, node.metadata, oid, node.rdev)

    return apply(changes, base, objects, entry_of)
