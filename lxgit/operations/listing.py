"""What stands in an image: listings of directories, contents of files."""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.objects.directory import Subdirectory, read_directory
from lxgit.objects.image import Image, directory_entry, walk_directory
from lxgit.objects.metadata import Kind
from lxgit.objects.replay import Blob, read_target
from lxgit.operations.views import view_path
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.objects.entries import Entry
    from lxgit.objects.replay import BlobReader
    from lxgit.repository import Repository


class ListedEntry(NamedTuple):
    """A line of `ls`."""

    path: bytes
    """Relative to the directory that was listed; of a single file, its name."""
    kind: str
    """`Kind.value`."""
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    """Nanoseconds since 1970."""
    oid: str | None
    target: bytes | None
    """Of a symlink."""
    rdev: tuple[int, int] | None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


def list_directory(
    repository: Repository, spec: str, *, recursive: bool = False
) -> Iterator[ListedEntry]:
    """What is in the directory that `REV[:PATH]` names, in the order of its names; a file, itself.

    `recursive` lists what is below as well, the paths relative to the directory.
    """
    with view_path(repository, spec) as (side, path, entry):
        for below, found in _entries(side.image, path, entry, recursive=recursive):
            yield _listed(side.blobs, below, found)


def _entries(
    image: Image, path: bytes, entry: Entry, *, recursive: bool
) -> Iterator[tuple[bytes, Entry]]:
    if not entry.is_directory or entry.oid is None:
        yield path.rpartition(b"/")[2], entry
    elif recursive:
        yield from walk_directory(image.reader, entry.oid, b"")
    else:
        for name, child in sorted(read_directory(image.reader, entry.oid).entries.items()):
            if isinstance(child, Subdirectory):
                child = directory_entry(image.reader, child.oid)  # noqa: PLW2901
            yield name, child


def _listed(blobs: BlobReader, path: bytes, entry: Entry) -> ListedEntry:
    metadata = entry.metadata
    blob = None if entry.is_directory else entry.oid
    return ListedEntry(
        path=path,
        kind=entry.kind.value,
        mode=metadata.mode,
        uid=metadata.uid,
        gid=metadata.gid,
        size=blobs.size(blob) if blob is not None else 0,
        mtime=metadata.mtime,
        oid=entry.oid.hex() if entry.oid is not None else None,
        target=read_target(blobs, path, blob) if blob and entry.kind is Kind.SYMLINK else None,
        rdev=entry.rdev,
        xattrs=metadata.xattrs,
    )


@contextmanager
def file_content(
    repository: Repository, spec: str
) -> Iterator[tuple[ListedEntry, Iterable[bytes] | None]]:
    """What `REV:PATH` names, and a file's content in chunks; None for anything but a file.

    The chunks can be read while the context lasts.
    """
    with view_path(repository, spec) as (side, path, entry):
        chunks: Iterable[bytes] | None = None
        if entry.kind is Kind.FILE and entry.oid is not None:
            chunks = Blob(side.blobs, entry.oid)
        yield _listed(side.blobs, path.rpartition(b"/")[2], entry), chunks
