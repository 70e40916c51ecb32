"""Paths below a directory that is not trusted: opened, followed and deleted, never out of it."""

from __future__ import annotations

import errno
import os
import stat
import time

from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


_SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
MAX_LINKS = 40  # of one path: path_resolution(7)
_MOST_LOOKED_UP = 1 << 24  # bytes: four times as many as the most names of PATH_MAX need
_MOST_TRIES = 1000
_MOST_REMOVALS = 500
_PAUSE = 0.01  # seconds between these


def openat2(root: int, path: bytes, flags: int, *, resolve: int = RESOLVE_IN_ROOT) -> int:
    """Open `path` below the directory `root`; the kernel keeps `..` and links inside (openat2(2)).

    Nothing is made. Returns a file descriptor with close-on-exec. OSError as the kernel says it.
    """
    import struct

    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)  # struct open_how
    for _ in range(_MOST_TRIES):
        # The kernel cannot vouch for a `..` while anybody renames or mounts, be it elsewhere.
        with suppress(BlockingIOError):
            return _openat2(root, path, how)
    return _openat2(root, path, how)


def _openat2(root: int, path: bytes, how: bytes) -> int:
    import ctypes  # 4 ms, which most commands do not need

    from lxgit.processes import libc

    fd: int = libc().syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root),
        ctypes.c_char_p(path),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)
_MOST_AT_ONCE = 4000  # bytes: openat2 takes 4,096 with the final NUL


def open_beneath(root: int, path: bytes, flags: int) -> int:
    """Open what is at `path` below the directory `root`, through no link, however long the path.

    `b""` is `root` itself. ELOOP where a link is on the way or at the end.
    """
    at = root
    while True:
        cut = path.rfind(b"/", 0, _MOST_AT_ONCE) if len(path) > _MOST_AT_ONCE else len(path)
        if cut < 0:
            cut = len(path)  # no name is as long: the kernel says so
        piece, path = path[:cut] or b".", path[cut + 1 :]
        resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
        try:
            fd = openat2(at, piece, _DIRECTORY if path else flags, resolve=resolve)
        finally:
            if at != root:
                os.close(at)
        if not path:
            return fd
        at = fd


def follow_links(path: bytes, target_of: Callable[[bytes], bytes | None]) -> bytes:
    """The path with every link in it followed as after chroot(2): `..` at the top stays there.

    `target_of` says where the link at a path leads, None where no link is. ELOOP after MAX_LINKS;
    ENAMETOOLONG where very long paths are to be looked up, since each on the way costs its length.
    """
    pending = path.split(b"/")[::-1]
    done: list[bytes] = []
    links = 0
    looked_up = 0
    while pending:
        name = pending.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            del done[-1:]
            continue
        at = b"/".join([*done, name])
        looked_up += len(at)
        if looked_up > _MOST_LOOKED_UP:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
        target = target_of(at)
        if target is None:
            done.append(name)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith(b"/"):
            done = []
        pending += target.split(b"/")[::-1]
    return b"/".join(done)


def remove_tree(path: Path | str) -> None:
    """Delete a directory with all below it, however deep; nothing there is nothing to do.

    A process that was killed may be at its last call yet: what that still makes there goes too.
    """
    for left in reversed(range(_MOST_REMOVALS)):
        try:
            if empty_tree(path):
                os.rmdir(path)
            return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or not left:
                raise
        time.sleep(_PAUSE)


def empty_tree(path: Path | str) -> bool:
    """Delete all below a directory, however deep; whether there is one.

    shutil.rmtree keeps a descriptor open for each level, and gives up at the process's limit.
    """
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        emptied: list[bytes] = []
        pending = [b""]
        while pending:
            directory = pending.pop()
            emptied.append(directory)
            pending += _unlink_files(root, directory)
        for directory in reversed(emptied[1:]):
            above, _, name = directory.rpartition(b"/")
            parent = open_beneath(root, above, _DIRECTORY)
            try:
                os.rmdir(name, dir_fd=parent)
            finally:
                os.close(parent)
    finally:
        os.close(root)
    return True


def drop(path: Path) -> None:
    """Delete what stands there, be it a link, a file or a directory with all below it."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def statuses(top: Path | str) -> Iterator[os.stat_result]:
    """The lstat(2) of all below a directory, through no link, however deep; nothing where none is.

    Others may change it meanwhile: what goes, or becomes something else, counts as gone.
    """
    try:
        root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        pending = [b""]
        while pending:
            directory = pending.pop()
            for name, status in _listed(root, directory):
                if stat.S_ISDIR(status.st_mode):
                    pending.append(directory + b"/" + name if directory else name)
                yield status
    finally:
        os.close(root)


def _listed(root: int, directory: bytes) -> list[tuple[bytes, os.stat_result]]:
    """What is in a directory below `root`, as far as it is there."""
    try:
        fd = open_beneath(root, directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return []
    found = []
    try:
        for name in map(os.fsencode, os.listdir(fd)):
            with suppress(FileNotFoundError):
                found.append((name, os.stat(name, dir_fd=fd, follow_symlinks=False)))
    finally:
        os.close(fd)
    return found


def _unlink_files(root: int, directory: bytes) -> list[bytes]:
    """Delete what is no directory in a directory below `root`; the paths of those that are."""
    fd = open_beneath(root, directory, os.O_RDONLY | os.O_DIRECTORY)
    below = []
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    name = os.fsencode(entry.name)
                    below.append(directory + b"/" + name if directory else name)
                else:
                    os.unlink(entry.name, dir_fd=fd)
    finally:
        os.close(fd)
    return below
