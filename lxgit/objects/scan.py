"""A directory on disk, read inode by inode: names as bytes, every attribute, no link followed."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from lxgit.beneath import open_beneath
from lxgit.objects.acl import normalised
from lxgit.objects.content import Below, stamp_of
from lxgit.objects.filetree import FileTree, Node
from lxgit.objects.metadata import Kind, Metadata, has_place
from lxgit.objects.xattrs import CAPABILITY
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.progress import Progress

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
}


@dataclass(frozen=True, slots=True)
class Inode:
    """One path as the file system has it: kind None is a socket, which no image keeps."""

    path: bytes
    kind: Kind | None
    status: os.stat_result
    xattrs: tuple[tuple[bytes, bytes], ...]
    target: bytes

    @property
    def rdev(self) -> tuple[int, int] | None:
        """(major, minor) of a device."""
        if self.kind not in (Kind.CHARACTER, Kind.BLOCK):
            return None
        return os.major(self.status.st_rdev), os.minor(self.status.st_rdev)


# What the kernel says of a name that has just gone, or stands for something else than a moment ago.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.ELOOP, errno.ENODATA)


@contextmanager
def _passing_over_the_gone(*, busy: bool) -> Iterator[None]:
    """Go on when a file of a directory that is `busy` turned out to be gone."""
    try:
        yield
    except OSError as error:
        if not busy or error.errno not in GONE:
            raise


def _nothing(_: bytes) -> bool:
    return False


def scan(
    root: int, *, busy: bool = False, skip: Callable[[bytes], bool] = _nothing
) -> Iterator[Inode]:
    """Every inode below the open directory `root`, itself (`b""`) first, parents before children.

    Stays on any file systems that are mounted below; sorted by name in each directory; passes over
    a path that is to be `skip`ped, and all below it. OSError as the kernel has it; a file that goes
    away meanwhile is one too, or is left out where the directory is `busy`: somebody works in it.
    """
    yield _inode(b"/proc/self/fd/%d/." % root, b"")
    stack = [_Listing(root, b"")]
    while stack:
        below = None
        with _passing_over_the_gone(busy=busy), stack[-1].opened() as fd:
            for name in stack[-1].names:
                path = stack[-1].prefix + name
                if skip(path):
                    continue
                with _passing_over_the_gone(busy=busy):
                    # A path by descriptor: no limit on depth, and no parent can be swapped.
                    inode = _inode(b"/proc/self/fd/%d/%b" % (fd, name), path)
                    yield inode
                    if inode.kind is Kind.DIRECTORY:
                        below = _Listing(root, path)
                        break
        if below is not None:
            stack.append(below)
        else:
            stack.pop()


class _Listing:
    """A directory whose names are being gone through; it is open only while it is the current one.

    A tree may be deeper than a process may have open files.
    """

    def __init__(self, root: int, path: bytes) -> None:
        self._root = root
        self._path = path
        self.prefix = path + b"/" if path else b""
        with self.opened() as fd:
            self.names = iter(sorted(map(os.fsencode, os.listdir(fd))))

    @contextmanager
    def opened(self) -> Iterator[int]:
        fd = open_beneath(self._root, self._path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)


def read_inode(directory: int, name: bytes) -> Inode:
    """What stands in an open directory, itself: its path is empty. OSError."""
    return _inode(b"/proc/self/fd/%d/%b" % (directory, name), b"")


def _inode(path: bytes, name: bytes) -> Inode:
    """What stands at `path`; an OSError is about `name`."""
    try:
        status = os.lstat(path)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        target = os.readlink(path) if kind is Kind.SYMLINK else b""
        xattrs = _xattrs(path, kind) if kind is not None else ()
    except OSError as error:
        error.filename = name or error.filename
        raise
    return Inode(name, kind, status, xattrs, target)


def _xattrs(path: bytes, kind: Kind) -> tuple[tuple[bytes, bytes], ...]:
    """Every extended attribute of what stands at `path` itself, sorted by name.

    But for the file system's own, such as `btrfs.compression` or `system.nfs4_acl`, and for a
    capability that was set to nothing: the kernel takes that, and gives nobody anything of it.
    """
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return ()
    found = []
    for name in sorted(map(os.fsencode, names)):
        if has_place(kind, name):
            try:
                found.append((name, os.getxattr(path, name, follow_symlinks=False)))
            except OSError as error:
                if error.errno != errno.EINVAL or name != CAPABILITY:
                    raise
    return tuple(found)


def plain_metadata(inode: Inode) -> Metadata:
    """The metadata as it is on disk."""
    status = inode.status
    mode = 0o777 if inode.kind is Kind.SYMLINK else stat.S_IMODE(status.st_mode)
    xattrs = inode.xattrs
    if xattrs:
        mode, xattrs = normalised(mode, xattrs)  # an ACL may have changed behind the mode
    return Metadata(mode, status.st_uid, status.st_gid, status.st_mtime_ns, xattrs)


def node_of(root: int, inode: Inode, metadata: Metadata) -> Node:
    """The node of an inode; the content of a file is read from below `root` when it is wanted."""
    assert inode.kind is not None
    content = Below(root, inode.path, stamp_of(inode.status)) if inode.kind is Kind.FILE else None
    return Node(inode.kind, metadata, target=inode.target, content=content, rdev=inode.rdev)


def read_tree(
    root: int,
    progress: Progress,
    metadata: Callable[[Inode], Metadata] = plain_metadata,
    *,
    skip: Callable[[bytes], bool] = _nothing,
) -> tuple[FileTree, int]:
    """The directory `root` as a tree, and how many sockets were left out; `skip` as for `scan`.

    `root` must stay open as long as the tree's contents are read. Paths that share an inode share a
    node; st_nlink is not trusted, since it counts names outside.
    """
    tree = FileTree()
    sockets = 0
    nodes: dict[tuple[int, int], Node] = {}
    for inode in scan(root, skip=skip):
        progress.advance()
        if inode.kind is None:
            sockets += 1
            continue
        identity = inode.status.st_dev, inode.status.st_ino
        node = nodes.get(identity)
        if node is None or inode.kind is Kind.DIRECTORY:
            node = nodes[identity] = node_of(root, inode, metadata(inode))
        tree.put(inode.path, node)
    return tree, sockets
