"""Files that are whole or absent, and on the disk when somebody was told so."""

from __future__ import annotations

import errno
import fcntl
import os

from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def fsync_file(path: Path | str) -> None:
    """Make a file's content durable."""
    _fsync(path, os.O_RDONLY)


def fsync_directory(path: Path | str) -> None:
    """Make the names in a directory durable."""
    _fsync(path, os.O_RDONLY | os.O_DIRECTORY)


def _fsync(path: Path | str, flags: int) -> None:
    fd = os.open(path, flags)  # close-on-exec, as all that Python opens
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_filesystem(path: Path | str) -> None:
    """Have all that was written to the file system that holds `path` on its disk (syncfs(2))."""
    import ctypes

    from lxgit.processes import libc

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc().syncfs(ctypes.c_int(fd)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fspath(path))
    finally:
        os.close(fd)


def make_directories(path: str, *, mode: int = 0o777) -> None:
    """Make a directory, with `mode`, and those above it that are missing, durably."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    if missing:
        os.makedirs(missing[0], mode=mode, exist_ok=True)
    for made in missing:
        fsync_directory(os.path.dirname(made))


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
            os.rename(temporary, path)
        finally:
            os.close(fd)  # not before: an unfinished file that nobody has open is a leftover
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if durable:
        fsync_directory(path.parent)


def write_note(path: Path, data: bytes) -> None:
    """Replace what may be missing at any time, whatever stands in its place; not durable."""
    try:
        write_atomic(path, data, durable=False)
    except IsADirectoryError:  # all else a rename replaces
        from lxgit.beneath import remove_tree

        remove_tree(path)
        write_atomic(path, data, durable=False)


def write_even_if_full(path: Path, data: bytes) -> None:
    """Replace a file's content in one step, or on a full disk as `write_over` does; not durable."""
    try:
        write_atomic(path, data, durable=False)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not path.exists():
            raise
        write_over(path, data)


def write_over(path: Path, data: bytes) -> None:
    """Replace a file's content where it lies, with spaces behind it if it was longer.

    What it takes of the disk already is enough, most of the time: else OSError, and it is as it
    was. A reader at that moment, or a crash, may see something of both.
    """
    fd = os.open(path, os.O_RDWR)  # glibc reads where a file system cannot allocate
    try:
        size = os.fstat(fd).st_size
        try:
            os.posix_fallocate(fd, 0, len(data))
        except OSError:
            os.ftruncate(fd, size)  # by what there was room for it has grown
            raise
        os.pwrite(fd, data.ljust(size), 0)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def pwrite_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte at a place, however many calls it takes."""
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        written += os.pwrite(fd, memoryview(data)[written:], offset + written)


def is_written_to(fd: int) -> bool:
    """Whether any process may have the file, which is open here for reading, open for writing.

    A lease for reading is given only where none has, mapped or not (fcntl(2), F_SETLEASE). It is
    given back at once. Who opens the file in that moment waits for it; the signal that tells us of
    that is one that nobody hears. Where a file system has no leases, the answer is yes.
    """
    import signal  # 1 ms, which most commands do not need

    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EINVAL, errno.EACCES):
            raise
        return True
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
