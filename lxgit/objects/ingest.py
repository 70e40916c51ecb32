"""A tree in memory becomes objects: the contents of its files first, then the directories."""

from __future__ import annotations

from lxgit.objects.directory import Directory, Subdirectory, write_directory
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.metadata import Kind
from lxgit.objects.treebuilder import check_depth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.content import Content
    from lxgit.objects.filetree import FileTree, Node
    from lxgit.objects.intake import Intake
    from lxgit.objects.packwriter import PackWriter
    from lxgit.progress import Progress

LARGE = 16 << 20
"""Files of more bytes pass through in chunks."""


def write_content(writer: PackWriter, content: Content) -> ObjectID:
    """Write a file's bytes as a blob; a large one never stands in memory whole."""
    if content.size > LARGE:
        return writer.add_stream(content.size, content.chunks())
    return writer.add(ObjectType.BLOB, content.whole())


def write_tree(writer: PackWriter, intake: Intake, tree: FileTree, progress: Progress) -> ObjectID:
    """Write a whole root filesystem; returns the id of its tree. TooDeep; errors of `intake`."""
    directories = _directories(tree)
    intake.take(_contents(tree), progress)
    written: dict[int, Subdirectory] = {}
    for directory in reversed(directories):
        assert directory.children is not None
        entries = {
            name: written[id(node)] if node.children is not None else _entry(writer, intake, node)
            for name, node in directory.children.items()
        }
        oid = write_directory(writer, Directory(directory.metadata, entries))
        written[id(directory)] = Subdirectory(oid)
    return written[id(tree.root)].oid


def _entry(writer: PackWriter, intake: Intake, node: Node) -> Entry:
    oid = None
    if node.content is not None:
        oid = intake.oid(node.content)
    elif node.kind is Kind.SYMLINK:
        oid = writer.add(ObjectType.BLOB, node.target)
    return Entry(node.kind, node.metadata, oid, node.rdev)


def _contents(tree: FileTree) -> Iterator[Content]:
    return (node.content for _, node in tree.walk() if node.content is not None)


def _directories(tree: FileTree) -> list[Node]:
    """Every directory, parents before children."""
    level = [tree.root]
    found: list[Node] = []
    depth = 0
    while level:
        check_depth(depth)
        found += level
        children = [node for directory in level for node in (directory.children or {}).values()]
        level = [node for node in children if node.children is not None]
        depth += 1
    return found
