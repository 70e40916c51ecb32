"""A root filesystem in memory, from wherever it comes, before it is in the store.

Names lead to nodes; hard links are names that share one. Whatever a stranger's archive says is
played out here, where a symbolic link is a value and no path leads out: parents resolve as a
kernel resolves them under chroot(2).
"""

from __future__ import annotations

from itertools import chain

from lxgit.beneath import MAX_LINKS
from lxgit.errors import LxgitError, quoted
from lxgit.objects.extent import MAX_ENTRIES, TooManyEntries
from lxgit.objects.links import Links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.names import InvalidName, check_name, encode_name
from lxgit.objects.tree import MAX_DEPTH, MODE_TREE, sort_key
from lxgit.objects.treebuilder import TooDeep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lxgit.objects.content import Content
    from lxgit.objects.sink import TreeSink

NOT_FROM_A_MACHINE = "no tool that packs a root file system writes that: do not trust the archive"
_NO_NAMES = (b"", b".", b"..")
_MAX_FOLLOWED = 1 << 24  # parts of links' targets in all: half a minute's work
MOST_PATHS = 1 << 29
"""Bytes of all paths together, each as long as it is. MAX_ENTRIES ordinary ones take less."""

IMPLIED = Metadata(0o755, 0, 0, 0)
"""A directory that a source names only as a parent: the same each time."""


class InvalidPath(LxgitError):
    """A path of a source that leads nowhere a machine could have it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint=NOT_FROM_A_MACHINE)


class Node:
    """One inode: its kind, metadata, and what the kind has (the others are None)."""

    __slots__ = ("children", "content", "kind", "metadata", "rdev", "target")

    def __init__(
        self,
        kind: Kind,
        metadata: Metadata,
        *,
        target: bytes = b"",
        content: Content | None = None,
        rdev: tuple[int, int] | None = None,
    ) -> None:
        self.kind = kind
        self.metadata = metadata
        self.target = target
        self.content = content
        self.rdev = rdev
        self.children: dict[bytes, Node] | None = {} if kind is Kind.DIRECTORY else None


def split(path: bytes) -> list[bytes]:
    """The parts of an archive's path: leading and doubled slashes and `.` do not count.

    InvalidPath for `..`, which no archive of a root filesystem needs, and for impossible names.
    """
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    try:
        for part in parts:
            check_name(part)
    except InvalidName:
        raise InvalidPath(f"{quoted(path[:120])} is not a path inside a root file system") from None
    return parts


def _is_name(name: bytes) -> bool:
    """What `check_name` asks, quickly."""
    return name not in _NO_NAMES and len(name) <= 255 and 0 not in name


class FileTree:
    """The tree; begins as an empty root directory."""

    def __init__(self) -> None:
        self.root = Node(Kind.DIRECTORY, IMPLIED)
        self._entries = 0
        self._followed = 0
        # Where the parents of earlier paths are, spelled as they were: members come directory by
        # directory. Forgotten as soon as a directory or a link, which they may lead through, goes.
        self._parents: dict[bytes, dict[bytes, Node]] = {}

    def _descend(self, parts: list[bytes], path: bytes, *, make: bool = True) -> Node:
        """The directory at `parts`, links followed inside the tree; missing ones are made."""
        trail = [self.root]
        pending = parts[::-1]
        links = 0
        while pending:
            part = pending.pop()
            if part in _NO_NAMES:
                if part == b".." and len(trail) > 1:
                    trail.pop()
                continue
            node = self._below(trail[-1], part, path, make=make)
            if node.kind is Kind.SYMLINK:
                links += 1
                target = node.target.split(b"/")
                self._followed += len(target)
                if links > MAX_LINKS or self._followed > _MAX_FOLLOWED:
                    raise InvalidPath(f"{quoted(path[:120])} goes through too many symbolic links")
                if node.target.startswith(b"/"):
                    del trail[1:]
                pending.extend(target[::-1])
            elif node.children is None:
                raise InvalidPath(f"{quoted(path[:120])} is below a {node.kind.value}")
            else:
                trail.append(node)
                if len(trail) + 1 > MAX_DEPTH:  # the image's own tree is above the root
                    raise TooDeep(
                        f"{quoted(path[:60])}… is more than {MAX_DEPTH} levels deep",
                        hint="Git cannot read deeper trees",
                    )
        return trail[-1]

    def _below(self, directory: Node, name: bytes, path: bytes, *, make: bool) -> Node:
        """The entry of a directory; `path` is what somebody looks for, and makes if it must."""
        children = directory.children
        assert children is not None
        node = children.get(name)
        if node is None and not make:
            raise InvalidPath(f"{quoted(path[:120])} is not there")
        if node is None:
            split(name)  # a link's target may have names that no directory takes
            node = children[name] = Node(Kind.DIRECTORY, IMPLIED)
            self._count()
        return node

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise TooManyEntries(
                f"a root file system of more than {MAX_ENTRIES:,} entries",
                hint="import a part of it",
            )

    def put(self, path: bytes, node: Node) -> Node:
        """Put a node at a path; it takes the place of what is there. Returns what stands there now.

        A directory over a directory only gives it new metadata, as when tar extracts.
        """
        if path[-1:] == b"/":
            path = path.rstrip(b"/")
        above, _, name = path.rpartition(b"/")
        children = self._parents.get(above)
        if children is None or not _is_name(name):
            parts = split(path)
            if not parts:
                return self._put_root(node)
            children = self._descend(parts[:-1], path).children
            assert children is not None
            if name == parts[-1]:
                self._parents[above] = children
            name = parts[-1]
        present = children.get(name)
        if present is None:
            self._count()
        elif present.children is not None:
            if node.children is not None:
                present.metadata = node.metadata
                return present
            self._parents.clear()
        elif present.kind is Kind.SYMLINK:
            self._parents.clear()
        children[name] = node
        return node

    def _put_root(self, node: Node) -> Node:
        if node.kind is not Kind.DIRECTORY:
            raise InvalidPath(f"the root of the file system is a {node.kind.value}")
        self.root.metadata = node.metadata
        return self.root

    def find(self, path: bytes) -> Node | None:
        """What stands at a path whose parents are directories, no links followed."""
        node = self.root
        for part in path.split(b"/"):
            if part in (b"", b"."):
                continue
            below = node.children.get(part) if node.children else None
            if below is None:
                return None
            node = below
        return node

    def follow(self, path: bytes) -> Node | None:
        """What stands at a path, its links followed as on the machine itself, the last one too.

        None where nothing does, and where that is too far away to tell.
        """
        for _ in range(MAX_LINKS):
            parent, _, name = path.rpartition(b"/")
            parts = parent.split(b"/")
            self._followed += len(parts)
            if self._followed > _MAX_FOLLOWED:
                return None
            try:
                above = self._descend(parts, path, make=False)
            except (InvalidPath, TooDeep):
                return None
            node = above.children.get(name) if above.children is not None else None
            if node is None or node.kind is not Kind.SYMLINK:
                return node
            path = node.target if node.target.startswith(b"/") else parent + b"/" + node.target
        return None

    def has_program(self, path: bytes) -> bool:
        """Whether an executable file stands at a path, links followed as on the machine itself."""
        node = self.follow(path)
        return node is not None and node.kind is Kind.FILE and bool(node.metadata.mode & 1)

    def link(self, path: bytes, target: bytes) -> None:
        """Give what stands at `target` another name; InvalidPath when it is no file."""
        parts = split(target)
        parent = self._descend(parts[:-1], target).children if parts else None
        node = parent.get(parts[-1]) if parent is not None else None
        if node is None or node.children is not None:
            raise InvalidPath(
                f"{quoted(path[:120])} is a hard link to {quoted(target[:120])},"
                " which is no file before it"
            )
        self.put(path, node)

    def walk(self, *, in_order: bool = False) -> Iterator[tuple[bytes, Node]]:
        """Every path with its node, the root (`b""`) first, parents before children.

        As the source had them, or with `in_order` as Git's trees will.
        """
        below = walk_below(self.root, _as_stored if in_order else None)
        return chain([(b"", self.root)], below)

    def size(self) -> int:
        """The contents of all files together, in bytes; of hard links once."""
        nodes = {id(node): node for _, node in self.walk()}
        return sum(node.content.size for node in nodes.values() if node.content is not None)

    def links(self) -> Links:
        """The names that share a node."""
        shared = self._shared()
        names: dict[int, list[bytes]] = {number: [] for number in shared}
        for path, node in self.walk() if shared else ():
            if id(node) in shared:
                names[id(node)].append(path)
        return Links(names.values())

    def _shared(self) -> set[int]:
        """The ids, as Python has them, of the nodes that have several names."""
        seen: set[int] = set()
        shared: set[int] = set()
        left = [self.root]
        while left:
            for node in (left.pop().children or {}).values():
                if node.children is not None:
                    left.append(node)
                elif id(node) in seen:
                    shared.add(id(node))
                else:
                    seen.add(id(node))
        return shared

    def replay(self, sink: TreeSink) -> None:
        """Give the whole tree to a sink, in the order in which it will come out of Git."""
        put_nodes(sink, self.walk(in_order=True))


def walk_below(
    top: Node, key: Callable[[tuple[bytes, Node]], bytes] | None = None
) -> Iterator[tuple[bytes, Node]]:
    """Every path below a directory with its node, parents before children.

    The names of each directory are as they were put there, or sorted by a key. TooManyEntries where
    the paths are longer, all together, than any machine's: deep down and below long names a few
    entries are enough.
    """

    def items_of(node: Node) -> Iterator[tuple[bytes, Node]]:
        assert node.children is not None
        items = node.children.items()
        return iter(items if key is None else sorted(items, key=key))

    left = MOST_PATHS
    stack = [(b"", items_of(top))]
    while stack:
        prefix, items = stack[-1]
        for name, node in items:
            path = prefix + name
            left -= len(path)
            if left < 0:
                raise TooManyEntries(
                    f"paths of more than {MOST_PATHS >> 20} MiB in all",
                    hint="no machine has such: do not trust where they come from",
                )
            yield path, node
            if node.children is not None:
                stack.append((path + b"/", items_of(node)))
                break
        else:
            stack.pop()


def put_nodes(sink: TreeSink, found: Iterable[tuple[bytes, Node]]) -> None:
    """Give nodes to a sink, parents before children; names that share one stay links."""
    first: dict[int, bytes] = {}
    for path, node in found:
        existing = first.setdefault(id(node), path)
        if existing != path:
            sink.link(path, existing)
        else:
            _put_node(sink, path, node)


def _put_node(sink: TreeSink, path: bytes, node: Node) -> None:
    """Give one node to a sink."""
    if node.kind is Kind.DIRECTORY:
        sink.directory(path, node.metadata)
    elif node.content is not None:
        sink.file(path, node.metadata, node.content.size, node.content.chunks())
    elif node.kind is Kind.SYMLINK:
        sink.symlink(path, node.metadata, node.target)
    else:
        sink.special(path, node.kind, node.metadata, node.rdev)


def _as_stored(item: tuple[bytes, Node]) -> bytes:
    name, node = item
    return sort_key(encode_name(name), MODE_TREE if node.children is not None else 0)
