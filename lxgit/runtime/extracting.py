"""A tree goes into a directory that has other things, and that somebody may work in meanwhile.

As Docker extracts: a directory keeps what is in it and takes on the new metadata, anything else is
replaced, and a directory and what is none never take each other's place. Every step is relative to
an open directory and follows no link, so that who swaps one in gets an error told, and nothing
outside of the directory is touched.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError
from lxgit.objects.acl import ACCESS, DEFAULT
from lxgit.objects.metadata import Kind
from lxgit.objects.xattrs import CAPABILITY
from lxgit.runtime.directory_layer import write_sparse
from lxgit.runtime.idmap import acl_to_disk, capability_to_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self, TypeVar

    from lxgit.objects.metadata import Metadata
    from lxgit.runtime.idmap import IdMap

    Made = TypeVar("Made")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ATTEMPTS = 5
_TYPES = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.CHARACTER: stat.S_IFCHR,
    Kind.BLOCK: stat.S_IFBLK,
}


class CannotReplace(LxgitError):
    """A directory would take the place of something else, or the other way round."""


class ExtractingWriter:
    """A sink that makes inodes below the open directory `root`, which stays open.

    `ids` is the map from the ids of metadata to those of `root`. A context manager: directories get
    their metadata when it is left without an error; then `tell` is called if some have another time
    than they should, since the file system has no such. OSError as that has it.
    """

    def __init__(self, root: int, ids: IdMap, tell: Callable[[str], None]) -> None:
        self._root = root
        self._ids = ids
        self._tell = tell
        self._retimed = 0
        self._directories: list[tuple[bytes, Metadata]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for path, metadata in sorted(self._directories, reverse=True):
                with self._parent(path) as (parent, name):
                    self._dress_at(parent, name, Kind.DIRECTORY, metadata)
            if self._retimed:
                self._tell(
                    f"{self._retimed} files have another time in the copy:"
                    " the file system there cannot hold it"
                )

    @contextlib.contextmanager
    def _parent(self, path: bytes) -> Iterator[tuple[int, bytes]]:
        above, _, name = path.rpartition(b"/")
        fd = open_beneath(self._root, above, _DIRECTORY)
        try:
            yield fd, name
        finally:
            os.close(fd)

    def directory(self, path: bytes, metadata: Metadata, *, implied: bool = False) -> None:
        """Make a directory unless it is there; CannotReplace when something else is.

        One that is only `implied` and there already keeps its metadata.
        """
        with self._parent(path) as (parent, name):
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                there = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if not stat.S_ISDIR(there.st_mode):
                    shown = os.fsdecode(path)
                    raise CannotReplace(f"'{shown}' is there, and is no directory") from None
                if implied:
                    return
        self._directories.append((path, metadata))

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        """Make a file anew; one that something is mounted on is written over."""
        with self._parent(path) as (parent, name):
            fd = self._new_file(parent, name, path)
            try:
                for chunk in chunks:
                    write_sparse(fd, chunk)
                os.ftruncate(fd, size)
                self._dress(fd, Kind.FILE, metadata)
            finally:
                os.close(fd)

    def _new_file(self, parent: int, name: bytes, path: bytes) -> int:
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

        def made() -> int:
            return os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)

        try:
            return self._make(path, parent, name, made)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return os.open(name, flags | os.O_TRUNC, dir_fd=parent)

    def _make(self, path: bytes, parent: int, name: bytes, make: Callable[[], Made]) -> Made:
        """Make something in the place of what is there, which must be no directory."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(FileExistsError):
                return make()
            try:
                os.unlink(name, dir_fd=parent)
            except IsADirectoryError:
                shown = os.fsdecode(path)
                raise CannotReplace(f"'{shown}' is there, and is a directory") from None
            except FileNotFoundError:
                continue
        return make()

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        """Make a symbolic link."""
        with self._parent(path) as (parent, name):
            self._make(path, parent, name, lambda: os.symlink(target, name, dir_fd=parent))
            self._dress_at(parent, name, Kind.SYMLINK, metadata)

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        """Make a FIFO or a device."""
        mode, device = _TYPES[kind] | 0o600, os.makedev(*rdev or (0, 0))
        with self._parent(path) as (parent, name):
            self._make(path, parent, name, lambda: os.mknod(name, mode, device, dir_fd=parent))
            self._dress_at(parent, name, kind, metadata)

    def link(self, path: bytes, existing: bytes) -> None:
        """Make another name for what has been put at `existing`."""
        with self._parent(path) as (parent, name), self._parent(existing) as (other, source):
            self._make(
                path,
                parent,
                name,
                lambda: os.link(
                    source, name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False
                ),
            )

    def _dress_at(self, parent: int, name: bytes, kind: Kind, metadata: Metadata) -> None:
        """The same for what has just been made, unless something else is in its place by now."""
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) == _TYPES[kind]:
                self._dress(fd, kind, metadata)
        finally:
            os.close(fd)

    def _dress(self, fd: int, kind: Kind, metadata: Metadata) -> None:
        """Owner, mode, what depends on them, then the times, of this very inode."""
        inode = b"/proc/self/fd/%d" % fd
        os.chown(inode, self._ids.outside(metadata.uid), self._ids.outside(metadata.gid))
        if kind is not Kind.SYMLINK:
            os.chmod(inode, metadata.mode)
        for key, value in metadata.xattrs:
            os.setxattr(inode, key, self._to_disk(key, value))
        os.utime(inode, ns=(metadata.mtime, metadata.mtime))
        self._retimed += os.fstat(fd).st_mtime_ns != metadata.mtime

    def _to_disk(self, key: bytes, value: bytes) -> bytes:
        if key == CAPABILITY:
            return capability_to_disk(value, self._ids)
        if key in (ACCESS, DEFAULT):
            return acl_to_disk(value, self._ids)
        return value
