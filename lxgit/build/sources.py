"""What COPY takes from: a directory of the host, an archive's tree, or another image.

Each is looked at no further than somebody asks. A link is a value; `resolved` follows it, and stays
below the top as after chroot(2). Nodes that are hard links of each other are one and the same.
"""

from __future__ import annotations

import errno
import os
from functools import partial

from lxgit.beneath import follow_links, open_beneath
from lxgit.errors import LxgitError, quoted
from lxgit.objects.content import Below, stamp_of
from lxgit.objects.directory import Subdirectory, read_directory
from lxgit.objects.filetree import Node, walk_below
from lxgit.objects.image import walk_directory
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scan import GONE, read_inode, scan
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol

    from lxgit.build.ignore import Ignore, Standing
    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.directory import Directory
    from lxgit.objects.entries import Entry
    from lxgit.objects.filetree import FileTree
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.scan import Inode

    Skip = Callable[[bytes], bool]
    Found = tuple[bytes, Node]
    Walk = Callable[[Skip], Iterator[Found]]

    class Tree(Protocol):
        """Where paths lead to nodes; they have no leading slash, and `b""` is the top."""

        def find(self, path: bytes) -> Node | None:
            """What stands at a path whose parents are directories; None for nothing."""

    class Source(Tree, Protocol):
        """A tree that can be copied from. OSError as the file system has it."""

        def names(self, path: bytes) -> list[bytes]:
            """The names in the directory at a path, sorted."""

        def walk(self, path: bytes, skip: Skip) -> Iterator[Found]:
            """All below the directory at a path, by the rest of the path, parents first.

            What is to be `skip`ped is passed over, with all below.
            """


_NOT_THERE = (*GONE, errno.ENAMETOOLONG)  # no directory has such a name


class CircleOfLinks(LxgitError):
    """Links that lead to each other without end."""


class PathTooLong(LxgitError):
    """A path that nobody can look up, as it is or where its links lead."""


def nothing(_: bytes) -> bool:
    """Skips nothing."""
    return False


def joined(above: bytes, name: bytes) -> bytes:
    """The path of a name in a directory."""
    return above + b"/" + name if above and name else above or name


def resolved(source: Tree, path: bytes) -> bytes:
    """The path with its links followed, the last one too. CircleOfLinks, PathTooLong."""

    def target_of(at: bytes) -> bytes | None:
        node = source.find(at)
        return node.target if node is not None and node.kind is Kind.SYMLINK else None

    try:
        return follow_links(path, target_of)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise PathTooLong(
                f"{quoted(path[:60])}{'…' * (len(path) > 60)} is too long a path, or leads to one",
                hint="Linux takes 4,095 bytes",
            ) from None
        if error.errno != errno.ELOOP:
            raise
        raise CircleOfLinks(f"'{os.fsdecode(path)}' leads in a circle of links") from None


class HostDirectory:
    """A directory of the host, open as `root`, whoever it belongs to and whoever changes it.

    Nothing outside of it is opened, whatever its links say, or somebody puts in a name's place.
    Owners are not taken along, nor attributes that mean something on this host alone.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._nodes: dict[tuple[int, int], Node] = {}
        self.sockets: set[bytes] = set()
        """Where walks have met some, which no image keeps."""

    def find(self, path: bytes) -> Node | None:
        above, _, name = path.rpartition(b"/")
        try:
            directory = open_beneath(self._root, above, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                raise
            return None
        try:
            return self._node(path, read_inode(directory, name or b"."))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
                raise
            return None
        finally:
            os.close(directory)

    def names(self, path: bytes) -> list[bytes]:
        directory = open_beneath(self._root, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(map(os.fsencode, os.listdir(directory)))
        finally:
            os.close(directory)

    def walk(self, path: bytes, skip: Skip) -> Iterator[Found]:
        directory = open_beneath(self._root, path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for inode in scan(directory, skip=skip):
                if not inode.path:
                    continue
                whole = joined(path, inode.path)
                node = self._node(whole, inode)
                if node is not None:
                    yield inode.path, node
                else:
                    self.sockets.add(whole)
        finally:
            os.close(directory)

    def _node(self, path: bytes, inode: Inode) -> Node | None:
        if inode.kind is None:
            return None
        status = inode.status
        identity = status.st_dev, status.st_ino
        node = self._nodes.get(identity)
        if node is None or inode.kind is not Kind.FILE:
            content = None
            if inode.kind is Kind.FILE:
                content = Below(self._root, path, stamp_of(status))
            node = Node(
                inode.kind, _metadata(inode), target=inode.target, content=content, rdev=inode.rdev
            )
            if status.st_nlink > 1 and inode.kind is Kind.FILE:
                self._nodes[identity] = node
        return node


_KEPT = (b"user.", b"security.capability")


def _metadata(inode: Inode) -> Metadata:
    mode = 0o777 if inode.kind is Kind.SYMLINK else inode.status.st_mode & 0o7777
    xattrs = tuple(item for item in inode.xattrs if item[0].startswith(_KEPT))
    return Metadata(mode, 0, 0, inode.status.st_mtime_ns, xattrs)


class TreeSource:
    """A tree in memory, such as that of an archive."""

    def __init__(self, tree: FileTree) -> None:
        self._tree = tree

    def find(self, path: bytes) -> Node | None:
        return self._tree.find(path)

    def names(self, path: bytes) -> list[bytes]:
        node = self._tree.find(path)
        return sorted(node.children or ()) if node is not None else []

    def walk(self, path: bytes, skip: Skip) -> Iterator[Found]:
        node = self._tree.find(path)
        if node is None or node.children is None:
            return iter(())
        return passing_over(walk_below(node, _name), skip)


def _name(item: Found) -> bytes:
    return item[0]


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a file of an image."""

    objects: ObjectDatabase
    oid: ObjectID

    @property
    def size(self) -> int:
        return self.objects.size(self.oid)

    def chunks(self) -> Iterator[bytes]:
        return self.objects.stream(self.oid)

    def whole(self) -> bytes:
        return b"".join(self.chunks())

    def job(self) -> tuple[Any, ...]:
        raise NotImplementedError("it is in the store, and need not be written")


class ImageSource:
    """An image, each directory of which is read once."""

    def __init__(self, image: Image, objects: ObjectDatabase) -> None:
        self._image = image
        self._objects = objects
        top = read_directory(image.reader, image.rootfs)
        self._directories: dict[bytes, Directory | None] = {b"": top}
        self._links: dict[bytes, Node] = {}

    def find(self, path: bytes) -> Node | None:
        above, _, name = path.rpartition(b"/")
        directory = self._directory(above)
        entry = directory.entries.get(name) if directory is not None else None
        if not path or isinstance(entry, Subdirectory):
            directory = self._directory(path)
            return None if directory is None else Node(Kind.DIRECTORY, directory.metadata)
        return None if entry is None else self._node(path, entry)

    def names(self, path: bytes) -> list[bytes]:
        directory = self._directory(path)
        return sorted(directory.entries) if directory is not None else []

    def walk(self, path: bytes, skip: Skip) -> Iterator[Found]:
        entry = self._image.entry(path)
        if entry is None or entry.oid is None or not entry.is_directory:
            return iter(())
        walk = walk_directory(self._image.reader, entry.oid, b"")
        found = ((rest, self._node(joined(path, rest), entry)) for rest, entry in walk)
        return passing_over(found, skip)

    def _directory(self, path: bytes) -> Directory | None:
        """The directory at a path; None when there is none."""
        missing = []
        while path not in self._directories:
            path, _, name = path.rpartition(b"/")
            missing.append(name)
        directory = self._directories[path]
        for name in reversed(missing):
            path = joined(path, name)
            entry = directory.entries.get(name) if directory is not None else None
            directory = None
            if isinstance(entry, Subdirectory):
                directory = read_directory(self._image.reader, entry.oid)
            self._directories[path] = directory
        return directory

    def _node(self, path: bytes, entry: Entry) -> Node:
        first = self._image.links.group(path)[0]
        node = self._links.get(first)
        if node is None:
            content = None
            target = b""
            if entry.kind is Kind.FILE:
                assert entry.oid is not None
                content = Stored(self._objects, entry.oid)
            elif entry.kind is Kind.SYMLINK:
                assert entry.oid is not None
                target = self._image.reader.blob(entry.oid)
            node = Node(entry.kind, entry.metadata, target=target, content=content, rdev=entry.rdev)
            if path in self._image.links:
                self._links[first] = node
        return node


def passing_over(found: Iterable[Found], skip: Skip) -> Iterator[Found]:
    """What a walk has found, without what is to be skipped and all below."""
    over: bytes | None = None
    for path, node in found:
        if over is not None and path.startswith(over):
            continue
        if skip(path):
            over = path + b"/"
        else:
            yield path, node


class Filtered:
    """A source in which some paths do not exist."""

    def __init__(self, source: Source, ignore: Ignore) -> None:
        self._source = source
        self._ignore = ignore
        self._above = b"", ignore.top  # the directory asked about last: its names come together

    def find(self, path: bytes) -> Node | None:
        node = self._source.find(path)
        if node is None or not self._ignore.leaves_out(self._standing(path)):
            return node
        # A directory that is left out is there for the sake of what is let in again.
        is_directory = node.kind is Kind.DIRECTORY
        return node if is_directory and next(self.walk(path), None) is not None else None

    def names(self, path: bytes) -> list[bytes]:
        return [
            name for name in self._source.names(path) if self.find(joined(path, name)) is not None
        ]

    def walk(self, path: bytes, skip: Skip = nothing) -> Iterator[Found]:
        walk = partial(self._source.walk, path)
        return remaining(walk, self._ignore, self._standing(path), skip)

    def _standing(self, path: bytes) -> Standing:
        if not path:
            return self._ignore.top
        above, _, name = path.rpartition(b"/")
        known, standing = self._above
        if above != known:
            # A path is looked up part by part: each goes on from the last.
            rest = above.removeprefix(known + b"/")
            self._above = above, self._ignore.standing(rest, None if rest == above else standing)
        return self._ignore.below(self._above[1], name)


def remaining(
    walk: Walk, ignore: Ignore, standing: Standing | None = None, skip: Skip = nothing
) -> Iterator[Found]:
    """What a walk finds and the rules do not leave out, and what is not to be skipped.

    `standing` is that of the directory, by default the one that the rules are about. A directory
    that is left out comes when something below it is let in again.
    """
    if not ignore:
        yield from walk(skip)
        return
    standings = {b"": standing or ignore.top}  # of the last path, and of what is above it

    def over(rest: bytes) -> bool:
        above, _, name = rest.rpartition(b"/")
        while (last := next(reversed(standings))) != above:
            del standings[last]
        own = standings[rest] = ignore.below(standings[above], name)
        return skip(rest) or (ignore.leaves_out(own) and not ignore.may_let_in(own))

    held: list[Found] = []
    for rest, node in walk(over):
        while held and not rest.startswith(held[-1][0] + b"/"):
            held.pop()
        if not ignore.leaves_out(standings[rest]):
            yield from held
            held.clear()
            yield rest, node
        elif node.kind is Kind.DIRECTORY:
            held.append((rest, node))
