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

from lxgit.errors import quoted
from lxgit.objects.changeset import Changeset
from lxgit.objects.content import read_range
from lxgit.objects.entries import Entry
from lxgit.objects.filetree import (
    IMPLIED,
    NOT_FROM_A_MACHINE,
    FileTree,
    InvalidPath,
    Node,
    split,
)
from lxgit.objects.imagepaths import ImagePaths
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import ArchiveFile, InvalidArchive, is_compressed, unpacking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.objects.content import Content, Slice
    from lxgit.objects.image import Image
    from lxgit.objects.imagepaths import Place
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
        raise InvalidArchive(
            f"the layer's {quoted(path[:120])} removes nothing", hint=NOT_FROM_A_MACHINE
        )
    return removed


def _is_below_whiteout(above: bytes) -> bool:
    return WHITEOUT in above and any(part.startswith(WHITEOUT) for part in above.split(b"/"))


def settle(changes: Changeset, base: Image) -> Changeset:
    """The changes as they are over `base`, which is known by now. InvalidPath, TooManyLinks."""
    paths = ImagePaths(base)
    settled = _placed(changes, paths)
    gone = _gone(settled)
    below_file = _below_file(settled)
    files: dict[tuple[bytes, ...], Borrowed] = {}  # by all the names that each has in the base
    for path, node in list(settled.nodes.items()):
        if isinstance(node, Borrowed):
            file = files.setdefault(base.links.group(node.source), node)
            settled.nodes[path] = file
    for file in files.values():
        entry = paths.entry(file.source)
        if not isinstance(entry, Entry):
            raise InvalidPath(
                f"a layer has a hard link to {quoted(file.source[:120])},"
                " which is no file before it"
            )
        file.entry, file.kind, file.metadata = entry, entry.kind, entry.metadata
        for path in base.links.group(file.source):  # all its names are of one group then
            if path not in gone and path not in settled.nodes and _above(path) not in below_file:
                settled.nodes[path] = file
    return settled


def _placed(changes: Changeset, paths: ImagePaths) -> Changeset:
    """A directory that is only part of a path is the base's, or where a link of the base leads.

    So it is when tar extracts the layer over the others. Each is looked for from the one above.
    """
    gone = _gone(changes)
    known: dict[bytes, Place] = {b"": paths.root}  # directories of the base, by where they are
    where: dict[bytes, bytes] = {}
    placed = Changeset()
    for path, node in changes.nodes.items():
        place = _joined(where[_above(path)], path) if path else b""
        if node.children is None:
            placed.nodes[place] = node
            continue
        found = known.get(b"") if not path else _found(place, known, paths)
        if found is not None and (path in gone or found.path in gone):
            found = None
        if found is not None and node.metadata is IMPLIED:
            where[path] = found.path
            known[found.path] = found
            continue
        where[path] = place
        if found is not None and found.path == place:
            known[place] = found
        placed.nodes[place] = node
    placed.removed += [_joined(where[_above(path)], path) for path in changes.removed]
    placed.opaque += [where[path] for path in changes.opaque]
    if any(path != place for path, place in where.items()):
        _check(placed, where)
    return placed


def _found(place: bytes, known: dict[bytes, Place], paths: ImagePaths) -> Place | None:
    """The base's directory there, or the one that a link there leads to."""
    above = known.get(_above(place))
    return None if above is None else paths.descend(above, place.rpartition(b"/")[2])


def _check(placed: Changeset, where: dict[bytes, bytes]) -> None:
    """Raise InvalidPath where a path of the layer goes through what the layer takes away."""
    gone, below_file = _gone(placed), _below_file(placed)
    for place in (*where.values(), *placed.nodes):
        if (place in gone and place not in placed.nodes) or _above(place) in below_file:
            raise InvalidPath(f"{quoted(place[:120])} is below what the same layer takes away")


def _above(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _joined(directory: bytes, path: bytes) -> bytes:
    """Where the last name of a path is, in that directory."""
    name = path.rpartition(b"/")[2]
    return directory + b"/" + name if directory else name


class _Inherited:
    """The paths of which something holds, or of one above: each is asked for once."""

    def __init__(self, holds: Callable[[bytes], bool]) -> None:
        self._holds = holds
        self._known: dict[bytes, bool] = {}

    def __contains__(self, path: bytes) -> bool:
        asked = []
        while path not in self._known:
            asked.append(path)
            if not path:
                self._known[path] = self._holds(path)
                break
            path = _above(path)
        found = self._known[path]
        for below in reversed(asked):
            found = self._known[below] = found or self._holds(below)
        return found


def _gone(changes: Changeset) -> _Inherited:
    """The paths of which whiteouts take away what the base has."""
    removed, opaque = set(changes.removed), set(changes.opaque)
    return _Inherited(lambda path: path in removed or (path != b"" and _above(path) in opaque))


def _below_file(changes: Changeset) -> _Inherited:
    """The paths that are no directory in the layer, and those below."""

    def holds(path: bytes) -> bool:
        node = changes.nodes.get(path)
        return node is not None and node.children is None

    return _Inherited(holds)
