"""The directory form of a layer: a tree of real inodes, written exactly.

Everything is made relative to open directories, and no link is followed: what a stranger's image
holds lands inside the layer or nowhere.
"""

from __future__ import annotations

import errno
import os
import stat

from lxgit.beneath import open_beneath
from lxgit.errors import LxgitError
from lxgit.fsutil import write_all
from lxgit.objects.acl import ACCESS, DEFAULT, acl_entries
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.xattrs import CAPABILITY
from lxgit.runtime import rootless
from lxgit.runtime.filetimes import has_whole_seconds, is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

_HOLE = bytes(1 << 16)  # zeros in a row that become a hole, in bytes
_UNABLE = "the file system of the store must hold what the image has"
_TOO_SMALL = f"{_UNABLE}; ext4 keeps 4 KiB of attributes a file, XFS and btrfs more"
_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnwritableAttribute(LxgitError):
    """The store's file system cannot hold something that the image has."""


class UnwritableOwner(LxgitError):
    """An ordinary user has too few ids for what the image has."""


def escape_xattr(name: bytes) -> bytes:
    """An image's own `trusted.overlay.X` as a layer keeps it, so that overlayfs hands it back.

    Source: Documentation/filesystems/overlayfs.rst, "Nesting overlayfs mounts".
    """
    own = rootless.overlay_prefix()
    return own + b"overlay." + name[len(own) :] if name.startswith(own) else name


def is_hidden(kind: Kind, rdev: tuple[int, int] | None) -> bool:
    """Whether layers lack such an inode of an image.

    Overlayfs takes a 0:0 character device for a whiteout, and an ordinary user can make no device.
    """
    if rootless.is_active():
        return kind in (Kind.CHARACTER, Kind.BLOCK)
    return kind is Kind.CHARACTER and rdev == (0, 0)


def is_lost(name: bytes) -> bool:
    """Whether layers lack such an attribute of an image: root of the host alone can set it."""
    return rootless.is_active() and (
        name.startswith(b"trusted.") or (name.startswith(b"security.") and name != CAPABILITY)
    )


def words_for_lacks(left_out: int, retimed: int = 0) -> tuple[str, ...]:
    """What to tell of so many things that layers lack, or have with another time."""
    told = []
    if left_out and rootless.is_active():
        told.append(
            f"{left_out} devices and attributes of the image are not in containers: root of the"
            " host alone can make them"
        )
    elif left_out:
        told.append(
            f"{left_out} character devices 0:0 are in the image and not in containers:"
            " overlayfs takes them for whiteouts"
        )
    if retimed:
        told.append(
            f"{retimed} files have another time in containers than in the image:"
            " the store's file system cannot hold it"
        )
    return tuple(told)


class DirectoryWriter:
    """A sink that makes inodes below `root`, an empty directory, with the ids of the image.

    A context manager: the layer is complete when it has been left without an error.
    `outside_range` collects the ids from 65,536 up that it has written, `left_out` counts what it
    has not (`is_hidden`, `is_lost`), and `retimed` what the file system has with another time;
    where it has to be `exact`, that is an UnwritableAttribute.
    """

    def __init__(self, root: Path, *, exact: bool = False) -> None:
        self._root = os.open(root, _DIRECTORY_FLAGS)
        self._whole = has_whole_seconds(os.fstat(self._root))
        self._directories: list[tuple[bytes, Metadata]] = []
        self._at = (b"", os.dup(self._root))
        self.outside_range: set[int] = set()
        self._hidden: set[bytes] = set()
        self._exact = exact
        self.left_out = 0
        self.retimed = 0
        self.entries = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._dress_directories()
        finally:
            os.close(self._at[1])
            os.close(self._root)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """A descriptor of the directory that holds `path`, good until the next call; the name."""
        parent, _, name = path.rpartition(b"/")
        if parent != self._at[0]:
            fd = open_beneath(self._root, parent, _DIRECTORY_FLAGS)
            os.close(self._at[1])
            self._at = (parent, fd)
        self.entries += 1
        return self._at[1], name

    def directory(self, path: bytes, metadata: Metadata) -> None:
        """Make a directory; its metadata is set when all is in it."""
        if path:
            parent, name = self._parent(path)
            os.mkdir(name, 0o700, dir_fd=parent)
        self._directories.append((path, metadata))

    def opaque(self, path: bytes) -> None:
        """Mark a directory: nothing of the layers below shows in it."""
        parent, name = self._parent(path)
        target = b"/proc/self/fd/%d/%b" % (parent, name)
        opaque = rootless.overlay_prefix() + b"opaque"
        os.setxattr(target, opaque, b"y", follow_symlinks=False)

    def whiteout(self, path: bytes) -> None:
        """Hide what the layers below have at `path`."""
        parent, name = self._parent(path)
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent)

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        """Make a regular file; runs of 64 KiB of zeros become holes."""
        parent, name = self._parent(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=parent)
        try:
            for chunk in chunks:
                write_sparse(fd, chunk)
            if size > len(_HOLE):
                os.ftruncate(fd, size)
            self._set(fd, path, metadata)
        finally:
            os.close(fd)

    def _set(self, fd: int, path: bytes, metadata: Metadata) -> None:
        """Owner, mode, then what depends on them, then the times."""
        if metadata.uid or metadata.gid:
            self._note(metadata.uid, metadata.gid)
            os.fchown(fd, metadata.uid, metadata.gid)
        os.fchmod(fd, metadata.mode)
        for name, value in metadata.xattrs:
            self._set_xattr(fd, path, name, value)
        os.utime(fd, ns=(metadata.mtime, metadata.mtime))
        if not is_held(metadata.mtime, whole=self._whole):
            self._check_time(os.fstat(fd), path, metadata)

    def _set_at(self, parent: int, name: bytes, path: bytes, metadata: Metadata) -> None:
        """The same for what cannot be opened: links and special files."""
        self._note(metadata.uid, metadata.gid)
        os.chown(name, metadata.uid, metadata.gid, dir_fd=parent, follow_symlinks=False)
        target = b"/proc/self/fd/%d/%b" % (parent, name)
        if not stat.S_ISLNK(os.lstat(target).st_mode):
            os.chmod(target, metadata.mode)
        for key, value in metadata.xattrs:
            self._set_xattr(target, path, key, value)
        times = (metadata.mtime, metadata.mtime)
        os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)
        if not is_held(metadata.mtime, whole=self._whole):
            self._check_time(os.lstat(target), path, metadata)

    def _check_time(self, status: os.stat_result, path: bytes, metadata: Metadata) -> None:
        if status.st_mtime_ns == metadata.mtime:
            return
        if self._exact:
            raise UnwritableAttribute(
                f"the time of '/{path.decode(errors='backslashreplace')}' cannot be written",
                hint="the file system of the store has no such time",
            )
        self.retimed += 1

    def _set_xattr(self, target: int | bytes, path: bytes, name: bytes, value: bytes) -> None:
        if is_lost(name):
            self.left_out += 1
            return
        self._note(*_ids_within(name, value))
        try:
            if isinstance(target, int):
                os.setxattr(target, escape_xattr(name), value)
            else:
                os.setxattr(target, escape_xattr(name), value, follow_symlinks=False)
        except OSError as error:
            raise UnwritableAttribute(
                f"the extended attribute {name.decode(errors='backslashreplace')} of "
                f"'/{path.decode(errors='backslashreplace')}' cannot be written: {error.strerror}",
                hint=_TOO_SMALL if error.errno in (errno.ENOSPC, errno.E2BIG) else _UNABLE,
            ) from None

    def _note(self, *ids: int) -> None:
        for number in ids if rootless.is_active() else ():
            if not rootless.has(number):
                raise UnwritableOwner(
                    f"the image has files of id {number}, and your ids end before that",
                    hint="more of them in /etc/subuid and /etc/subgid would do: see subuid(5)",
                )
        self.outside_range.update(number for number in ids if number > 0xFFFF)

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        """Make a symbolic link."""
        parent, name = self._parent(path)
        os.symlink(target, name, dir_fd=parent)
        self._set_at(parent, name, path, metadata)

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        """Make a FIFO or a device, unless it is to be hidden."""
        if is_hidden(kind, rdev):
            self._hide(path)
            return
        parent, name = self._parent(path)
        if kind is Kind.FIFO:
            os.mkfifo(name, 0o600, dir_fd=parent)
        else:
            types = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
            os.mknod(name, types[kind] | 0o600, os.makedev(*rdev or (0, 0)), dir_fd=parent)
        self._set_at(parent, name, path, metadata)

    def link(self, path: bytes, existing: bytes) -> None:
        """Make another name; of what was left out, nothing."""
        if existing in self._hidden:
            self._hide(path)
            return
        above, _, source = existing.rpartition(b"/")
        parent, name = self._parent(path)
        other = open_beneath(self._root, above, _DIRECTORY_FLAGS)
        try:
            os.link(source, name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(other)

    def _hide(self, path: bytes) -> None:
        self._hidden.add(path)
        self.left_out += 1

    def _dress_directories(self) -> None:
        """Set the directories' metadata, the deepest first: putting something in moves an mtime."""
        for path, metadata in sorted(self._directories, reverse=True):
            fd = open_beneath(self._root, path, _DIRECTORY_FLAGS)
            try:
                self._note(metadata.uid, metadata.gid)
                os.fchown(fd, metadata.uid, metadata.gid)
                self._set(fd, path, metadata)
            finally:
                os.close(fd)


def write_sparse(fd: int, chunk: bytes) -> None:
    """Write on, leaving out the zeros; the file's size is set when all is written."""
    if len(chunk) < len(_HOLE):
        write_all(fd, chunk)
        return
    view = memoryview(chunk)
    for start in range(0, len(chunk), len(_HOLE)):
        part = view[start : start + len(_HOLE)]
        if part == _HOLE:
            os.lseek(fd, len(_HOLE), os.SEEK_CUR)
        else:
            write_all(fd, part)


def ids_outside_range(metadata: Metadata) -> set[int]:
    """The ids from 65,536 up that an inode uses: its owner's, and those in its attributes."""
    ids = {metadata.uid, metadata.gid}
    for name, value in metadata.xattrs:
        ids.update(_ids_within(name, value))
    return {number for number in ids if number > 0xFFFF}


def _ids_within(name: bytes, value: bytes) -> Iterator[int]:
    """The user and group ids that an attribute's value names."""
    if name == CAPABILITY and len(value) == 24:
        yield int.from_bytes(value[20:24], "little")
    elif name in (ACCESS, DEFAULT):
        for _, _, number in acl_entries(value):
            if number != 0xFFFFFFFF:
                yield number
