"""A tree in memory becomes objects: blobs in the order of the walk, then the directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.metadata import Kind
from lxgit.objects.treebuilder import TreeBuilder

if TYPE_CHECKING:
    from lxgit.objects.content import Content
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.filetree import FileTree, Node
    from lxgit.objects.packwriter import PackWriter
    from lxgit.progress import Progress

LARGE = 16 << 20
"""Files of more bytes pass through in chunks."""


def write_content(writer: PackWriter, content: Content) -> ObjectID:
    """Write a file's bytes as a blob; a large one never stands in memory whole."""
    if content.size > LARGE:
        return writer.add_stream(content.size, content.chunks())
    chunks = list(content.chunks())
    return writer.add(ObjectType.BLOB, chunks[0] if len(chunks) == 1 else b"".join(chunks))


def write_node(writer: PackWriter, node: Node) -> Entry:
    """Write what Git holds of a node, and return the entry; of a directory, the metadata alone."""
    oid = None
    if node.content is not None:
        oid = write_content(writer, node.content)
    elif node.kind is Kind.SYMLINK:
        oid = writer.add(ObjectType.BLOB, node.target)
    return Entry(node.kind, node.metadata, oid, node.rdev)


def write_tree(
    database: ObjectDatabase, writer: PackWriter, tree: FileTree, progress: Progress
) -> ObjectID:
    """Write a whole root filesystem; returns the id of its tree."""
    builder = TreeBuilder(database, writer)
    written: dict[int, Entry] = {}
    for path, node in tree.walk():
        entry = written.get(id(node))
        if entry is None:
            entry = written[id(node)] = write_node(writer, node)
            progress.advance(node.content.size if node.content is not None else 0)
        builder.put(path, entry)
    return builder.write()
