"""Files that are whole or absent, locks with an owner, and opening beneath a root."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import struct
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ctypes import CDLL
    from pathlib import Path

_SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class LockHeld(LxgitError):
    """Another process holds the lock."""


def openat2(
    root: int, path: bytes, flags: int, *, resolve: int = RESOLVE_IN_ROOT, mode: int = 0
) -> int:
    """Open `path` below the directory `root`; the kernel keeps `..` and links inside (openat2(2)).

    Returns a file descriptor with close-on-exec. OSError as the kernel says it.
    """
    import ctypes  # 4 ms, which most commands do not need

    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)  # struct open_how
    fd: int = _libc().syscall(
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
_MOST_AT_ONCE = 4000  # bytes: openat2 takes 4,096 with the final NUL


def open_beneath(root: int, path: bytes, flags: int) -> int:
    """Open what is at `path` below the directory `root`, through no link, however long the path.

    `b""` is `root` itself. ELOOP where a link is on the way or at the end.
    """
    at = root
    while True:
        cut = path.rindex(b"/", 0, _MOST_AT_ONCE) if len(path) > _MOST_AT_ONCE else len(path)
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


@functools.cache
def _libc() -> CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def remove_tree(path: Path | str) -> None:
    """Delete a directory with all below it, however deep; nothing there is nothing to do.

    shutil.rmtree keeps a descriptor open for each level, and gives up at the process's limit.
    """
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
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
    os.rmdir(path)


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


def fsync_directory(path: Path | str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace a file's content in one step: a reader sees the old or the new, a crash leaves one.

    `durable` waits for the disk: data, then rename, then the directory.
    """
    temporary = f"{path}.{os.urandom(4).hex()}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_directory(path.parent)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True, what: str) -> Iterator[int]:
    """Hold flock(2) on `path`; the kernel frees it when the holder dies.

    The file names its exclusive owner's process id for whoever waits. Raises LockHeld, which names
    `what` is locked and by whom, when `wait` is false and another holds it.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _flock(fd, shared=shared, wait=wait, what=what)
        if not shared:
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        yield fd
    finally:
        os.close(fd)


def _flock(fd: int, *, shared: bool, wait: bool, what: str) -> None:
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, kind if wait else kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno != errno.EWOULDBLOCK:
            raise
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        raise LockHeld(
            f"{what} is in use" + (f" by process {owner}" if owner else ""),
            hint="wait for it to end, then try again",
        ) from None
