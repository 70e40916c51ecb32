"""What stands in an image: listings of directories, contents of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.objects.directory import Directory, Subdirectory, write_directory
from lxgit.objects.ids import ObjectType
from lxgit.objects.image import Image, directory_entry, walk_directory
from lxgit.objects.links import Links, encode_links
from lxgit.objects.metadata import Kind
from lxgit.objects.replay import read_content, read_target
from lxgit.objects.scratch import ScratchObjects
from lxgit.operations.lookup import find_path
from lxgit.operations.values import ListedEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.objects.entries import Entry
    from lxgit.repository import Repository


def empty_image(repository: Repository, like: Image) -> Image:
    """An image with nothing in it but the root directory of another, for comparisons."""
    scratch = ScratchObjects(repository.objects)
    root = Directory(directory_entry(like.reader, like.rootfs).metadata, {})
    rootfs = write_directory(scratch, root)
    links = scratch.add(ObjectType.BLOB, encode_links(Links()))
    return Image(scratch, like.tree, like.config_id, links, rootfs)


def list_directory(
    repository: Repository, spec: str, *, recursive: bool = False
) -> Iterator[ListedEntry]:
    """What is in the directory that `REV[:PATH]` names, in the order of its names; a file, itself.

    `recursive` lists what is below as well, the paths relative to the directory.
    """
    image, path, entry = find_path(repository, spec)
    if not entry.is_directory:
        yield _listed(repository, path.rpartition(b"/")[2], entry)
        return
    assert entry.oid is not None
    if recursive:
        for below, found in walk_directory(image.reader, entry.oid, b""):
            yield _listed(repository, below, found)
        return
    for name, child in sorted(image.directory(path).entries.items()):
        found = (
            directory_entry(image.reader, child.oid) if isinstance(child, Subdirectory) else child
        )
        yield _listed(repository, name, found)


def _listed(repository: Repository, path: bytes, entry: Entry) -> ListedEntry:
    metadata = entry.metadata
    has_content = entry.kind in (Kind.FILE, Kind.SYMLINK) and entry.oid is not None
    return ListedEntry(
        path=path,
        kind=entry.kind.value,
        mode=metadata.mode,
        uid=metadata.uid,
        gid=metadata.gid,
        size=repository.objects.size(entry.oid) if has_content and entry.oid else 0,
        mtime=metadata.mtime,
        oid=entry.oid.hex() if entry.oid is not None else None,
        target=read_target(repository.objects, path, entry.oid)
        if entry.kind is Kind.SYMLINK and entry.oid is not None
        else None,
        rdev=entry.rdev,
        xattrs=metadata.xattrs,
    )


def file_content(repository: Repository, spec: str) -> tuple[ListedEntry, Iterable[bytes] | None]:
    """What `REV:PATH` names, and a file's content in chunks; None for anything but a file."""
    _, path, entry = find_path(repository, spec)
    listed = _listed(repository, path.rpartition(b"/")[2], entry)
    if entry.kind is not Kind.FILE or entry.oid is None:
        return listed, None
    return listed, read_content(repository.objects, entry.oid)[1]
