r"""An image: the tree of a commit.

    format         "lxgit 1\n", the version of this layout
    config.json    how the image wants to run          (imageconfig)
    links          the hard-link groups                (links)
    rootfs/        the root filesystem                 (directory)

Everything under `rootfs` is the machine's; the rest is about it.
"""

from __future__ import annotations

import re
from functools import cached_property

from lxgit.errors import LxgitError, quoted
from lxgit.objects.directory import Subdirectory, read_directory, read_metadata
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.imageconfig import ImageConfig, decode_config, encode_config
from lxgit.objects.links import Links, decode_links, encode_links
from lxgit.objects.metadata import Kind
from lxgit.objects.names import LINKS, ROOTFS
from lxgit.objects.tree import (
    MAX_DEPTH,
    MODE_FILE,
    MODE_TREE,
    InvalidTree,
    TreeEntry,
    decode_tree,
    encode_tree,
)
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.directory import BlobAndTreeReader, Directory, ObjectWriter
    from lxgit.objects.extent import Bound

FORMAT = b"lxgit 1\n"
_LAYOUT = {b"config.json": MODE_FILE, b"format": MODE_FILE, LINKS: MODE_FILE, ROOTFS: MODE_TREE}


class NotAnImage(LxgitError):
    """A commit or tree that holds no image of lxgit's."""


class NewerFormat(LxgitError):
    """An image of a later version of the layout."""


class NoSuchPath(LxgitError):
    """The image has nothing at that path."""


@dataclass(frozen=True)
class Image:
    """The four parts of an image by id, and readers for them."""

    reader: BlobAndTreeReader
    tree: ObjectID
    config_id: ObjectID
    links_id: ObjectID
    rootfs: ObjectID

    @cached_property
    def config(self) -> ImageConfig:
        return decode_config(self.reader.blob(self.config_id))

    @cached_property
    def links(self) -> Links:
        return decode_links(self.reader.blob(self.links_id))

    @property
    def filesystem(self) -> tuple[ObjectID, ObjectID]:
        """What a mount of the image depends on: the root filesystem and its links."""
        return self.rootfs, self.links_id

    def root(self) -> Entry:
        """The root directory as an entry."""
        return directory_entry(self.reader, self.rootfs)

    def entry(self, path: bytes) -> Entry | None:
        """What stands at a path (no leading slash, `b""` the root), links not followed."""
        found: Entry | Subdirectory | None = Subdirectory(self.rootfs)
        for part in path.split(b"/") if path else ():
            if not isinstance(found, Subdirectory):
                return None
            found = read_directory(self.reader, found.oid).entries.get(part)
        return directory_entry(self.reader, found.oid) if isinstance(found, Subdirectory) else found

    def directory(self, path: bytes) -> Directory:
        """The directory at a path; NoSuchPath when there is none."""
        entry = self.entry(path)
        if entry is None or entry.oid is None or not entry.is_directory:
            raise NoSuchPath(f"no directory at '/{path.decode(errors='backslashreplace')}'")
        return read_directory(self.reader, entry.oid)

    def walk(self) -> Iterator[tuple[bytes, Entry]]:
        """Every path below the root with its entry, parents first, in the order of the trees."""
        return walk_directory(self.reader, self.rootfs, b"")


def directory_entry(reader: BlobAndTreeReader, oid: ObjectID) -> Entry:
    """The directory whose tree is `oid`, as an entry."""
    return Entry(Kind.DIRECTORY, read_metadata(reader, oid), oid)


def walk_directory(
    reader: BlobAndTreeReader, oid: ObjectID, prefix: bytes, bound: Bound | None = None
) -> Iterator[tuple[bytes, Entry]]:
    """Every path below the directory whose tree is `oid`, parents first.

    `prefix` is put before each path: `b""` or one that ends in `/`. Not recursive: a path may be
    2,000 levels deep; InvalidTree when it is deeper. TooManyEntries by `bound`, which may be that
    of several walks.
    """
    from lxgit.objects.extent import Bound

    bound = bound or Bound((reader, oid))
    directory = read_directory(reader, oid)
    bound.enter(oid, len(directory.entries))
    stack = [(prefix, iter(directory.entries.items()))]
    while stack:
        base, entries = stack[-1]
        for name, entry in entries:
            path = base + name
            if isinstance(entry, Entry):
                yield path, entry
                continue
            if len(stack) + 1 >= MAX_DEPTH:  # the image's own tree is above the first
                raise InvalidTree(f"the image is more than {MAX_DEPTH:,} levels deep")
            directory = read_directory(reader, entry.oid)
            bound.enter(entry.oid, len(directory.entries))
            yield path, Entry(Kind.DIRECTORY, directory.metadata, entry.oid)
            stack.append((path + b"/", iter(directory.entries.items())))
            break
        else:
            stack.pop()


def read_image(reader: BlobAndTreeReader, tree: ObjectID) -> Image:
    """The image whose root tree is `tree`.

    NotAnImage when the tree has another layout, NewerFormat when a later lxgit wrote it.
    """
    try:
        parts = {entry.name: entry for entry in decode_tree(reader.tree(tree))}
    except InvalidTree:
        parts = {}
    if b"format" not in parts:
        raise NotAnImage(
            f"{tree.hex()[:12]} is no image of lxgit's",
            hint="lxgit commits have a 'format' file at their root",
        )
    written = reader.blob(parts[b"format"].oid)
    if written != FORMAT:
        _refuse_format(written)
    if {name: entry.mode for name, entry in parts.items()} != _LAYOUT:
        raise NotAnImage(f"the tree {tree.hex()[:12]} has not the parts of an image")
    return Image(reader, tree, parts[b"config.json"].oid, parts[LINKS].oid, parts[ROOTFS].oid)


def _refuse_format(written: bytes) -> None:
    if re.fullmatch(rb"lxgit [0-9]{1,9}\n", written):
        version = int(written[6:])
        raise NewerFormat(
            f"the image has format {version}, this lxgit reads format 1",
            hint="use a newer lxgit",
        )
    raise NotAnImage(f"the image has an unknown format {quoted(written[:40])}")


def write_image(
    writer: ObjectWriter, rootfs: ObjectID, links: Links, config: ImageConfig
) -> ObjectID:
    """Write the root tree over a root filesystem that has been written; returns its id."""
    config_id = writer.add(ObjectType.BLOB, encode_config(config))
    links_id = writer.add(ObjectType.BLOB, encode_links(links))
    return write_root(writer, rootfs, links_id, config_id)


def write_root(
    writer: ObjectWriter, rootfs: ObjectID, links_id: ObjectID, config_id: ObjectID
) -> ObjectID:
    """Write the root tree over parts that have been written; returns its id."""
    entries = [
        TreeEntry(MODE_FILE, b"config.json", config_id),
        TreeEntry(MODE_FILE, b"format", writer.add(ObjectType.BLOB, FORMAT)),
        TreeEntry(MODE_FILE, LINKS, links_id),
        TreeEntry(MODE_TREE, ROOTFS, rootfs),
    ]
    return writer.add(ObjectType.TREE, encode_tree(entries))
