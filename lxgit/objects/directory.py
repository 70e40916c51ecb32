"""A directory of the machine: a Git tree and its `%meta`, read in step.

Both are in the same order, so one pass meets each tree entry with its line. Anything that does not
meet (a file without a line, a line without a file, a device that has a tree entry) is refused.
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from itertools import islice

from lxgit.errors import quoted
from lxgit.objects.entries import Entry
from lxgit.objects.ids import READ_LIMIT, ObjectID, ObjectType
from lxgit.objects.metadata import (
    Described,
    InvalidMetadata,
    Kind,
    Metadata,
    decode_line,
    encode_line,
    unescape_line_name,
)
from lxgit.objects.names import META_NAME, InvalidName, decode_name, encode_name
from lxgit.objects.tree import (
    MODE_EXECUTABLE,
    MODE_FILE,
    MODE_SYMLINK,
    MODE_TREE,
    InvalidTree,
    TreeEntry,
    decode_tree,
    encode_tree,
    sort_key,
)
from lxgit.records import dataclass
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    class BlobAndTreeReader(Protocol):
        """The two reads that a walk of directories needs."""

        def tree(self, oid: ObjectID) -> bytes: ...
        def blob(self, oid: ObjectID) -> bytes: ...

    class ObjectWriter(Protocol):
        """What takes objects in and says their ids."""

        def add(self, kind: ObjectType, data: bytes) -> ObjectID: ...


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory's own metadata and its entries by file name, in the order of the tree.

    A subdirectory stands as a `Subdirectory`: its metadata is in a `%meta` of its own, and reading
    one directory does not read the next.
    """

    metadata: Metadata
    entries: dict[bytes, Entry | Subdirectory]


@dataclass(frozen=True, slots=True)
class Subdirectory:
    """A directory below, not read yet."""

    oid: ObjectID


def read_directory(reader: BlobAndTreeReader, oid: ObjectID) -> Directory:
    """The directory whose tree is `oid`.

    InvalidTree or InvalidMetadata names what does not fit; MissingObject and CorruptObject as the
    reader has them.
    """
    tree, meta = _read_parts(reader, oid)
    with _naming(oid):
        return _join(tree, meta)


def read_differing(
    old_reader: BlobAndTreeReader, old: ObjectID, new_reader: BlobAndTreeReader, new: ObjectID
) -> tuple[Directory, Directory]:
    """Two directories, without the entries that are the same in both, and in no order.

    Everything is refused that `read_directory` refuses, but for what a line says of an entry that
    is the same on the other side: it is not decoded, which is what makes this several times as
    fast where little differs.
    """
    left, right = _read_sides(old_reader, old), _read_sides(new_reader, new)
    unlike = (left.tree.items() ^ right.tree.items()) | (left.lines.items() ^ right.lines.items())
    names = {name for name, _ in unlike}
    with _naming(old):
        before = left.only(names)
    with _naming(new):
        return before, right.only(names)


class _Sides(NamedTuple):
    """The two sides of a directory, by name as stored: tree entries and lines; and its own line."""

    tree: dict[bytes, TreeEntry]
    own: bytes
    lines: dict[bytes, bytes]

    def only(self, names: set[bytes]) -> Directory:
        """The directory with these entries, and any that have no line, or a line alone."""
        directories = {name for name, entry in self.tree.items() if entry.mode == MODE_TREE}
        names = names | (directories ^ (self.tree.keys() - self.lines.keys()))
        names |= self.lines.keys() - self.tree.keys()
        entries = {}
        for name in names & (self.tree.keys() | self.lines.keys()):
            line = self.lines.get(name)
            says = None if line is None else decode_line(line)[1]
            entries[decode_name(name)] = _meet(name, self.tree.get(name), says)
        return Directory(_own_metadata(self.own), entries)


def _read_sides(reader: BlobAndTreeReader, oid: ObjectID) -> _Sides:
    tree, meta = _read_parts(reader, oid)
    with _naming(oid):
        own, *lines = _split(meta)
        names = [unescape_line_name(line.split(b" ", 2)[-1]) for line in lines]
        if any(map(operator.ge, names, islice(names, 1, None))):
            raise InvalidMetadata("the lines are not in order")
        return _Sides(tree, own, dict(zip(names, lines, strict=True)))


def _read_parts(reader: BlobAndTreeReader, oid: ObjectID) -> tuple[dict[bytes, TreeEntry], bytes]:
    """The entries of a tree but its `%meta`, and that one's content."""
    tree = {entry.name: entry for entry in decode_tree(reader.tree(oid))}
    meta = tree.pop(META_NAME, None)
    if meta is None or meta.mode != MODE_FILE:
        raise InvalidTree(f"tree {oid.hex()} has no %meta")
    return tree, reader.blob(meta.oid)


def _split(meta: bytes) -> list[bytes]:
    """The lines of a `%meta`, the directory's own at the head."""
    lines = meta.split(b"\n")
    if lines.pop() != b"":
        raise InvalidMetadata("the last line has no end")
    if not lines:
        raise InvalidMetadata("the directory's own line is missing")
    return lines


@contextmanager
def _naming(oid: ObjectID) -> Iterator[None]:
    """Have an error in a `%meta` say whose."""
    try:
        yield
    except (InvalidMetadata, InvalidName) as error:
        raise InvalidMetadata(f"{error.message}, in the %meta of tree {oid.hex()}") from None


def read_metadata(reader: BlobAndTreeReader, oid: ObjectID) -> Metadata:
    """The metadata of the directory whose tree is `oid`, without its entries."""
    for entry in decode_tree(reader.tree(oid)):
        if entry.name == META_NAME:
            line, _, _ = reader.blob(entry.oid).partition(b"\n")
            return _own_metadata(line)
    raise InvalidTree(f"tree {oid.hex()} has no %meta")


def _own_metadata(line: bytes) -> Metadata:
    name, described = decode_line(line)
    if name != b"." or described.special is not None:
        raise InvalidMetadata("the first line is not the directory's own")
    return described.metadata(Kind.DIRECTORY)


def _join(tree: dict[bytes, TreeEntry], meta: bytes) -> Directory:
    """Meet each line with its tree entry."""
    own_line, *lines = _split(meta)
    own = _own_metadata(own_line)
    described: dict[bytes, Described] = {}
    last = b""
    for line in lines:
        name, says = decode_line(line)
        if name <= last:
            raise InvalidMetadata("the lines are not in order")
        last = name
        described[name] = says
    entries: dict[bytes, Entry | Subdirectory] = {}
    for name in _merged(tree, described):
        entries[decode_name(name)] = _meet(name, tree.get(name), described.get(name))
    return Directory(own, entries)


def _merged(
    tree: Mapping[bytes, TreeEntry], described: Mapping[bytes, Described]
) -> Iterator[bytes]:
    """Every stored name once, in Git's tree order."""
    names = dict.fromkeys(tree)
    specials = [name for name in described if name not in names]
    if not specials:
        yield from names
        return
    modes = {name: entry.mode for name, entry in tree.items()}
    yield from sorted([*names, *specials], key=lambda name: sort_key(name, modes.get(name, 0)))


def _meet(name: bytes, entry: TreeEntry | None, says: Described | None) -> Entry | Subdirectory:
    """One entry from the two things that describe it."""
    if entry is None:
        if says is None or says.special is None:
            raise InvalidMetadata(f"{quoted(name)} has a line and no tree entry")
        kind, rdev = says.special
        return Entry(kind, says.metadata(kind), None, rdev)
    if entry.mode == MODE_TREE:
        if says is not None:
            raise InvalidMetadata(f"the directory {quoted(name)} has a line in its parent")
        return Subdirectory(entry.oid)
    if says is None or says.special is not None:
        raise InvalidMetadata(f"{quoted(name)} has no line of its own")
    kind = Kind.SYMLINK if entry.mode == MODE_SYMLINK else Kind.FILE
    executable = entry.mode == MODE_EXECUTABLE
    return Entry(kind, says.metadata(kind, executable=executable), entry.oid)


def _tree_mode(entry: Entry | Subdirectory) -> int:
    if isinstance(entry, Subdirectory) or entry.is_directory:
        return MODE_TREE
    if entry.kind is Kind.SYMLINK:
        return MODE_SYMLINK
    return MODE_EXECUTABLE if entry.executable else MODE_FILE


def encode_meta(metadata: Metadata, entries: Mapping[bytes, Entry | Subdirectory]) -> bytes:
    """The `%meta` of a directory; the entries by file name, in any order.

    TooLarge beyond READ_LIMIT, before it is all in memory.
    """
    lines = [encode_line(b".", Kind.DIRECTORY, metadata)]
    size = len(lines[0])
    stored = sorted(
        (encode_name(name), entry) for name, entry in entries.items() if isinstance(entry, Entry)
    )
    for name, entry in stored:
        if not entry.is_directory:
            line = encode_line(name, entry.kind, entry.metadata, entry.rdev)
            size += len(line)
            if size > READ_LIMIT:
                from lxgit.objects.limits import unreadable

                raise unreadable("the metadata of a directory")
            lines.append(line)
    return b"".join(lines)


def write_directory(writer: ObjectWriter, directory: Directory) -> ObjectID:
    """Write the `%meta` and the tree of a directory; its subdirectories have been written."""
    meta = writer.add(ObjectType.BLOB, encode_meta(directory.metadata, directory.entries))
    entries = [TreeEntry(MODE_FILE, META_NAME, meta)]
    for name, entry in directory.entries.items():
        if entry.oid is not None:
            entries.append(TreeEntry(_tree_mode(entry), encode_name(name), entry.oid))
    return writer.add(ObjectType.TREE, encode_tree(entries))
