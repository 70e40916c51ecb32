"""An OCI layer as a changeset (image-spec, layer.md): a tar of what is new, with whiteouts.

    DIRECTORY/.wh.NAME        NAME of the layers below is removed
    DIRECTORY/.wh..wh..opq    all that they have in the directory is
    .wh..wh.*                 others are AUFS's own, and say nothing

Both are about what is below alone, wherever in the layer they stand. What a layer leaves to those
below is settled when these are known (`settle`): a directory that it names only as part of a path,
which may be one of theirs or a link to one, and a file of theirs that it has another name for.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager

from lxgit.fsutil import follow_links
from lxgit.objects.changeset import Changeset
from lxgit.objects.content import read_range
from lxgit.objects.filetree import (
    IMPLIED,
    NOT_FROM_A_MACHINE,
    FileTree,
    InvalidPath,
    Node,
    split,
)
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import ArchiveFile, InvalidArchive, is_compressed, unpacking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.objects.content import Content, Slice
    from lxgit.objects.entries import Entry
    from lxgit.objects.image import Image
    from lxgit.objects.limits import Limits
    from lxgit.objects.tarsource import Readable
    from lxgit.progress import Progress

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."
_LONGEST = 255  # bytes of a name
_UNKNOWN = Metadata(0, 0, 0, 0)


class Borrowed(Node):
    """A file of a layer below, which this one has another name for; `entry` when it is known."""

    __slots__ = ("entry", "source")

    def __init__(self, source: bytes) -> None:
        super().__init__(Kind.FILE, _UNKNOWN)
        self.source = source
        self.entry: Entry | None = None


class LayerTree(FileTree):
    """A layer on its own: a hard link may lead to what is not in it.

    A whiteout has a name that is longer by its prefix than what it removes, and than any file's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._borrowed: dict[bytes, Borrowed] = {}

    def put(self, path: bytes, node: Node) -> Node:
        if len(path) <= _LONGEST:
            return super().put(path, node)
        above, _, name = path.rstrip(b"/").rpartition(b"/")
        if len(name) <= _LONGEST or not name.startswith(WHITEOUT):
            return super().put(path, node)
        split(name.removeprefix(WHITEOUT))
        children = self._descend(split(above), path).children
        assert children is not None
        if name not in children:
            self._count()
        children[name] = node
        return node

    def link(self, path: bytes, target: bytes) -> None:
        parts = split(target)
        source = b"/".join(parts)
        try:
            self._descend(parts[:-1], target, make=False)  # for what is not here, none is made
            super().link(path, target)
        except InvalidPath:
            if not parts or self.find(source) is not None:
                raise
            self.put(path, self._borrowed.setdefault(source, Borrowed(source)))


@contextmanager
def opened_layer(
    part: Slice, spool: int, *, in_place: bool
) -> Iterator[tuple[ArchiveFile, Callable[[], str]]]:
    """A layer's tar, and what says its diff id once the tar has been read.

    With `in_place` one without compression is read where it is. Any other passes into the open file
    `spool`, behind what that holds. InvalidArchive, MissingProgram.
    """
    if in_place and not is_compressed(os.pread(part.fd, 6, part.offset)):
        archive = ArchiveFile(part.fd, None, part.offset, part.size)
        archive.vouched = True
        yield archive, lambda: _digest(read_range(part.fd, part.offset, part.size))
        return
    end = os.lseek(spool, 0, os.SEEK_END)
    with unpacking(part) as plain:
        hashed = _Hashed(plain)
        archive = ArchiveFile(spool, hashed, end)
        archive.vouched = True
        yield archive, hashed.diff_id


class _Hashed:
    """What comes through, and its digest."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = self._source.read(size)
        self._digest.update(data)
        return data

    def diff_id(self) -> str:
        """Of what has come so far: all of it, when the archive has been read."""
        return f"sha256:{self._digest.hexdigest()}"


def _digest(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def read_layer(
    archive: ArchiveFile, progress: Progress, offer: Callable[[Content], None], limits: Limits
) -> Changeset:
    """What a layer changes; not settled yet. Parameters and errors as of `read_tar`."""
    tree = read_tar(archive, progress, offer, limits, LayerTree())
    changes = Changeset()
    for path, node in tree.walk():
        above, slash, name = path.rpartition(b"/")
        if _is_below_whiteout(above):
            continue
        if not name.startswith(WHITEOUT):
            changes.nodes[path] = node
        elif name == OPAQUE:
            changes.opaque.append(above)
        elif not name.startswith(_AUFS):
            changes.removed.append(above + slash + _removed(name, path))
    return changes


def without_markers(changes: Changeset) -> Node | None:
    """The root of a layer of `read_layer` that is a file system by itself; None for any other."""
    root = changes.nodes[b""]
    borrowed = any(isinstance(node, Borrowed) for node in changes.nodes.values())
    if borrowed or _count(root) != len(changes.nodes):
        return None
    return root


def _count(root: Node) -> int:
    """How many paths there are, the root's included."""
    count, left = 0, [root]
    while left:
        count += 1
        left += (left.pop().children or {}).values()
    return count


def _removed(name: bytes, path: bytes) -> bytes:
    removed = name.removeprefix(WHITEOUT)
    if removed in (b"", b".", b".."):
        raise InvalidArchive(f"the layer's {path[:120]!r} removes nothing", hint=NOT_FROM_A_MACHINE)
    return removed


def _is_below_whiteout(above: bytes) -> bool:
    return WHITEOUT in above and any(part.startswith(WHITEOUT) for part in above.split(b"/"))


def settle(changes: Changeset, base: Image) -> Changeset:
    """The changes as they are over `base`, which is known by now. InvalidPath."""
    settled = _placed(changes, base)
    gone = _Gone(settled)
    files: dict[tuple[bytes, ...], Borrowed] = {}  # by all the names that each has in the base
    for path, node in list(settled.nodes.items()):
        if isinstance(node, Borrowed):
            file = files.setdefault(base.links.group(node.source), node)
            settled.nodes[path] = file
    for file in files.values():
        _borrow(settled, gone, file, base)
    return settled


def _placed(changes: Changeset, base: Image) -> Changeset:
    """A directory that is only part of a path is the base's, or where a link of the base leads.

    So it is when tar extracts the layer over the others.
    """
    gone = _Gone(changes)
    where: dict[bytes, bytes] = {}
    nodes: dict[bytes, Node] = {}
    for path, node in changes.nodes.items():
        place = _place(path, where)
        if node.metadata is IMPLIED and path not in gone:
            found = _directory_at(base, place)
            if found is not None:
                where[path] = found
                continue
        if node.children is not None:
            where[path] = place
        nodes[place] = node
    removed = [_place(path, where) for path in changes.removed]
    placed = Changeset(nodes, removed, [where[path] for path in changes.opaque])
    if any(path != place for path, place in where.items()):
        _check_parents(placed)
    return placed


def _place(path: bytes, where: dict[bytes, bytes]) -> bytes:
    """Where a path is, when it is known where the directory is that has it."""
    above, _, name = path.rpartition(b"/")
    parent = where[above] if path else b""
    return parent + b"/" + name if parent else name


def _directory_at(base: Image, path: bytes) -> bytes | None:
    """The base's directory at a path, or where a link there leads; None for anything else."""

    def target_of(place: bytes) -> bytes | None:
        entry = base.entry(place)
        if entry is None or entry.kind is not Kind.SYMLINK or entry.oid is None:
            return None
        return base.reader.blob(entry.oid)

    if base.entry(path) is None:
        return None
    try:
        place = follow_links(path, target_of)
    except OSError:  # a circle of links
        return None
    entry = base.entry(place)
    return place if entry is not None and entry.is_directory else None


def _check_parents(changes: Changeset) -> None:
    for path in changes.nodes:
        if _is_below_file(path, changes):
            raise InvalidPath(f"{path[:120]!r} is below what the same layer makes a file")


class _Gone:
    """The paths of which whiteouts take away what the base has."""

    def __init__(self, changes: Changeset) -> None:
        self._removed = set(changes.removed)
        self._opaque = set(changes.opaque)

    def __contains__(self, path: bytes) -> bool:
        if path in self._removed:
            return True
        while path:
            path = path.rpartition(b"/")[0]
            if path in self._opaque or path in self._removed:
                return True
        return False


def _borrow(changes: Changeset, gone: _Gone, node: Borrowed, base: Image) -> None:
    """Give a file of the base another name: all its names are of one group then."""
    entry = base.entry(node.source)
    if entry is None or entry.is_directory:
        raise InvalidPath(
            f"a layer has a hard link to {node.source[:120]!r}, which is no file before it"
        )
    node.entry, node.kind, node.metadata = entry, entry.kind, entry.metadata
    for path in base.links.group(node.source):
        if path not in gone and path not in changes.nodes and not _is_below_file(path, changes):
            changes.nodes[path] = node


def _is_below_file(path: bytes, changes: Changeset) -> bool:
    """Whether the changes have no directory where one would lead to the path."""
    while path := path.rpartition(b"/")[0]:
        above = changes.nodes.get(path)
        if above is not None and above.children is None:
            return True
    return False
