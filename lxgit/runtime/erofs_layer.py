"""The EROFS form of a base layer: two files instead of an inode for each file of the image.

    layer.tar     the tree as one canonical tar (objects.tarwriter), long runs of zeros as holes
    layer.erofs   an index of it, made by `mkfs.erofs --tar=i`: the inodes, which point into the tar

The same tree gives the same two files, but for the id of the file system. What EROFS, or
mkfs.erofs, cannot hold as it is has to go into the directory form: see `UnfitTree`. Source:
mkfs.erofs(1), erofs-utils 1.8.6, and what it was seen to do; tests/runtime/test_erofs_layer.py has
each of the limits.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from lxgit.errors import LxgitError, quoted
from lxgit.fsutil import pwrite_all
from lxgit.lean import NANOSECONDS
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.replay import Blob
from lxgit.objects.tarwriter import TarWriter
from lxgit.runtime.bases import INDEX, TAR
from lxgit.runtime.blobfill import HOLE, pwrite_sparse
from lxgit.runtime.directory_layer import escape_xattr, ids_outside_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Self

    from lxgit.runtime.blobfill import BlobFiller, Job

_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A time of its making would only change the bytes.
_MKFS = ("mkfs.erofs", "--quiet", "-T0", "--mkfs-time")
_UUID_AT = 1024 + 48  # bytes: in the superblock (linux/fs/erofs/erofs_fs.h)

MAX_XATTRS = 30_000  # bytes of an entry's names and values; mkfs.erofs fails over 32,000
MAX_LINKS = 10_000  # names of one file: mkfs.erofs takes their square
MAX_ENTRIES = 10_000  # of one directory: likewise

_PENDING = 1 << 20  # bytes that are collected before they are written
_PIECES = 1024  # IOV_MAX, writev(2)


class UnfitTree(LxgitError):
    """A tree that the EROFS form cannot hold: it goes into the directory form."""


class LayerTar:
    """A sink that gives `layer.tar` to `write`, with the ids of the image; `finish` ends it.

    UnfitTree, at an entry, when the tree needs the directory form. `outside_range`, `hidden` and
    `entries` are those of `DirectoryWriter`.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._tar = TarWriter(write)
        self._children: dict[bytes, int] = {}
        self._names: dict[bytes, int] = {}
        self.outside_range: set[int] = set()
        self.hidden: list[bytes] = []
        self.entries = 0

    def finish(self) -> None:
        """Write the end of the archive."""
        self._tar.finish()

    def directory(self, path: bytes, metadata: Metadata) -> None:
        """A directory."""
        self._tar.directory(path, self._taken(path, metadata))

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        """A regular file; runs of 64 KiB of zeros become holes."""
        self._tar.file(path, self._taken(path, metadata), size, chunks)

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        """A symbolic link."""
        self._tar.symlink(path, self._taken(path, metadata), target)

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        """A FIFO or a device; a 0:0 character device is left out, and noted as hidden."""
        if kind is Kind.CHARACTER and rdev == (0, 0):
            self.hidden.append(path)
        else:
            self._tar.special(path, kind, self._taken(path, metadata), rdev)

    def link(self, path: bytes, existing: bytes) -> None:
        """Another name; of what was left out, nothing."""
        if existing in self.hidden:
            self.hidden.append(path)
            return
        names = self._names[existing] = self._names.get(existing, 1) + 1
        if names > MAX_LINKS:
            raise UnfitTree(f"{quoted(existing)} has more than {MAX_LINKS} names")
        self._count(path)
        self._tar.link(path, existing)

    def _count(self, path: bytes) -> None:
        self.entries += 1
        parent = path.rpartition(b"/")[0]
        entries = self._children[parent] = self._children.get(parent, 0) + 1
        if entries > MAX_ENTRIES:
            raise UnfitTree(f"{quoted(parent)} has more than {MAX_ENTRIES} entries")

    def _taken(self, path: bytes, metadata: Metadata) -> Metadata:
        """Take note of an entry; its metadata as the layer has it."""
        self._count(path)
        if metadata.mtime < 0 and metadata.mtime % NANOSECONDS:
            raise UnfitTree(f"{quoted(path)} has a fractional time before 1970")
        if metadata.uid > 0xFFFF or metadata.gid > 0xFFFF or metadata.xattrs:
            self.outside_range |= ids_outside_range(metadata)
        return _escaped(path, metadata) if metadata.xattrs else metadata


class ErofsWriter(LayerTar):
    """A sink that writes the two files into `directory`, where `filler` has opened the first.

    A context manager: the layer is complete when it has been left without an error. The index is
    made while the filler finishes, as it needs the headers alone. UnfitTree also at the end.
    """

    def __init__(self, directory: Path, filler: BlobFiller | None = None) -> None:
        super().__init__(self._write)
        self._directory = directory
        self._filler = filler
        self._fd = os.open(directory / TAR, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._offset = 0  # where the pieces go
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces
        self._reserved: list[Job] = []  # what the filler writes where there are zeros in the pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
                self._flush()
                os.ftruncate(self._fd, self._offset)
        finally:
            os.close(self._fd)
        if kind is None:
            with _making_index(self._directory / TAR, self._directory / INDEX):
                if self._filler is not None:
                    self._filler.finish()

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        """A regular file; a blob of the store is left to the filler, if there is one.

        Zeros stand for a small one at first: many headers are written at once, and neither process
        waits for the other with every file, as one inode is written to by one at a time.
        """
        if self._filler is None or not size or not isinstance(chunks, Blob):
            super().file(path, metadata, size, chunks)
            return
        metadata = self._taken(path, metadata)
        if size < HOLE:
            behind = self._tar.reserve(path, metadata, size)
            self._reserved.append((chunks.oid, self._offset + self._size - behind, size))
            return
        self._tar.header(path, metadata, size)
        self._flush()
        self._filler.put(chunks.oid, self._offset, size)
        self._offset += size
        self._tar.end_of(size)

    def _write(self, data: bytes) -> None:
        if len(data) >= HOLE:
            self._flush()
            pwrite_sparse(self._fd, data, self._offset)
            self._offset += len(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _PENDING or len(self._pieces) == _PIECES:
            self._flush()

    def _flush(self) -> None:
        if self._pieces:
            written = os.pwritev(self._fd, self._pieces, self._offset)
            if written < self._size:  # a full disk says so at the next attempt
                rest = memoryview(b"".join(self._pieces))[written:]
                pwrite_all(self._fd, rest, self._offset + written)
            self._offset += self._size
            self._pieces.clear()
            self._size = 0
        if self._filler is not None:
            for job in self._reserved:  # not before the zeros are there
                self._filler.put(*job)
            self._reserved.clear()


def _escaped(path: bytes, metadata: Metadata) -> Metadata:
    """The metadata with attribute names as a layer has them; UnfitTree for what EROFS garbles."""
    size = 0
    for name, value in metadata.xattrs:
        size += len(name) + len(value)
        if b"=" in name or b"%" in name:  # escaped in the tar, and mkfs.erofs takes it as it is
            raise UnfitTree(f"{quoted(path)} has the extended attribute {quoted(name)}")
    if size > MAX_XATTRS:
        raise UnfitTree(f"{quoted(path)} has {size} bytes of extended attributes")
    if all(escape_xattr(name) == name for name, _ in metadata.xattrs):
        return metadata
    xattrs = sorted((escape_xattr(name), value) for name, value in metadata.xattrs)
    return Metadata(metadata.mode, metadata.uid, metadata.gid, metadata.mtime, tuple(xattrs))


def make_index(tar: Path, index: Path, *, uuid: bytes | None = None) -> None:
    """Make the index of a tar, as a file system with that id; UnfitTree when mkfs.erofs cannot."""
    with _making_index(tar, index, uuid=uuid):
        pass


def _making_index(
    tar: Path, index: Path, *, uuid: bytes | None = None
) -> AbstractContextManager[None]:
    return making_erofs(tar, os.fspath(index), "--tar=i", uuid=uuid)


def index_uuid(index: Path) -> bytes:
    """The id of an index that was made."""
    with index.open("rb") as file:
        return os.pread(file.fileno(), 16, _UUID_AT)


@contextmanager
def making_erofs(
    tar: Path,
    image: str,
    *options: str,
    inherited: tuple[int, ...] = (),
    uuid: bytes | None = None,
) -> Iterator[None]:
    """Have mkfs.erofs, which keeps the descriptors `inherited`, write an image meanwhile.

    It is done when the `with` is left; UnfitTree then. Its id is another one each time, unless
    `uuid` says which. In an upper directory overlayfs notes what each file was copied from, as
    inode so-and-so of the file system with that id. Were it the same in the next image, it would
    find another file there, and give ESTALE for one of the two.
    """
    import subprocess

    digits = (uuid or os.urandom(16)).hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    try:
        process = subprocess.Popen(
            [*_MKFS, f"-U{'-'.join(parts)}", *options, image, os.fspath(tar)],
            env={"PATH": _PROGRAMS, "LC_ALL": "C"},
            pass_fds=inherited,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise UnfitTree("mkfs.erofs is not installed", hint="apt install erofs-utils") from None
    with process:
        try:
            yield
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        words = (errors or output).decode("utf-8", "replace").strip().splitlines()
        raise UnfitTree(f"mkfs.erofs failed: {words[-1] if words else process.returncode}")
