"""Files that are whole or absent, locks with an owner, and opening beneath a root."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from lxgit.errors import LxgitError
from lxgit.lean import cache, contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ctypes import CDLL
    from pathlib import Path

_SYS_OPENAT2 = 437  # the same on every architecture (asm-generic/unistd.h)
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

MAX_LINKS = 40  # of one path: path_resolution(7)
_MOST_TRIES = 1000


class LockHeld(LxgitError):
    """Another process holds the lock."""


def openat2(
    root: int, path: bytes, flags: int, *, resolve: int = RESOLVE_IN_ROOT, mode: int = 0
) -> int:
    """Open `path` below the directory `root`; the kernel keeps `..` and links inside (openat2(2)).

    Returns a file descriptor with close-on-exec. OSError as the kernel says it.
    """
    import struct

    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)  # struct open_how
    for _ in range(_MOST_TRIES):
        # The kernel cannot vouch for a `..` while anybody renames or mounts, be it elsewhere.
        with suppress(BlockingIOError):
            return _openat2(root, path, how)
    return _openat2(root, path, how)


def _openat2(root: int, path: bytes, how: bytes) -> int:
    import ctypes  # 4 ms, which most commands do not need

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

    `target_of` says where the link at a path leads, None where no link is. ELOOP after MAX_LINKS.
    """
    pending = path.split(b"/")[::-1]
    done: list[bytes] = []
    links = 0
    while pending:
        name = pending.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            del done[-1:]
            continue
        target = target_of(b"/".join([*done, name]))
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


@cache
def _libc() -> CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def close_all_but(keep: Iterable[int]) -> None:
    """Close every open file of this process but those: also one above a limit set since."""
    first = 0
    for fd in sorted(keep):
        if fd > first:  # an empty range would be every one: its last is -1
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 2**31 - 1)


_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process, a child just forked, when its parent dies."""
    import ctypes
    import signal

    _libc().prctl(ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL))


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

    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _libc().syncfs(ctypes.c_int(fd)):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), os.fspath(path))
    finally:
        os.close(fd)


def boot_time() -> float:
    """When the machine was started, in seconds since 1970 (proc_stat(5), btime)."""
    with open("/proc/stat", "rb") as file:
        return next(float(line.split()[1]) for line in file if line.startswith(b"btime "))


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


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write every byte, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


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


TOLD_AFTER = 1.0
"""Seconds of waiting for a lock before that is told."""

_PAUSE = 0.005
_listeners: list[Callable[[str], None]] = []


def on_wait(listener: Callable[[str], None]) -> None:
    """Have `listener` told, in a line, what this process waits for once that takes a second."""
    _listeners[:] = [listener]


def tell_wait(line: str) -> None:
    """Tell `on_wait`'s listener what is waited for."""
    for listener in _listeners:
        listener(line)


@contextmanager
def locked(
    path: Path, *, shared: bool = False, wait: bool = True, reading: bool = False, what: str
) -> Iterator[int]:
    """Hold flock(2) on `path`; the kernel frees it when the holder dies.

    Raises LockHeld, which names `what` is locked and by whom, when `wait` is false and another
    holds it. The owner of a lock that is waited for is told to `on_wait`'s listener. Who may only
    be `reading` gets it on a file system that is read-only, too; nothing can be written to it then.
    """
    fd = _open_lock(path, reading=reading)
    try:
        _flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait=wait, what=what)
        yield fd
    finally:
        os.close(fd)


def _open_lock(path: Path, *, reading: bool) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS or not reading:
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.memfd_create("lock")  # nobody has ever taken it, and nobody can


def _flock(fd: int, kind: int, *, wait: bool, what: str) -> None:
    deadline = time.monotonic() + TOLD_AFTER
    while not _try_flock(fd, kind):
        if not wait:
            owners = " and ".join(lock_owners(fd))
            raise LockHeld(
                f"{what} is in use" + (f" by {owners}" if owners else ""),
                hint="wait for it to end, then try again",
            )
        if time.monotonic() > deadline:
            owners = " and ".join(lock_owners(fd)) or "another process"
            tell_wait(f"waiting for {owners}: {what} is in use")
            fcntl.flock(fd, kind)
            return
        time.sleep(_PAUSE)


def _try_flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path | str) -> bool:
    """Whether somebody holds flock(2) on `path` alone; not where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_flock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def lock_owners(fd: int) -> list[str]:
    """Who holds flock(2) on the file: `process 12 (lxgit import …)` each.

    The kernel knows (proc_locks(5)), also who shares it; what a killed process wrote down would be
    believed. It names the process that took the lock, which may have passed it on and ended. Where
    no lock there is on the device, the inode's number is all that is compared: some file systems
    (btrfs) give a device of their own.
    """
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with open("/proc/locks", encoding="ascii") as file:
        lines = [line.split() for line in file]
    found = [
        (int(words[4]), words[5].rpartition(":")[0])
        for words in lines
        if words[1] == "FLOCK" and int(words[5].rpartition(":")[2]) == status.st_ino
    ]
    here = {pid for pid, where in found if where == device}
    holders = (here or {pid for pid, _ in found}) - {os.getpid()}
    return [f"process {pid}{_command(pid)}" for pid in sorted(holders) if pid > 0]


_LONGEST_COMMAND = 60


def _command(pid: int) -> str:
    """What a process runs, in parentheses; nothing when it has gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode(errors="backslashreplace").rstrip("\0").split("\0")
    except OSError:
        return ""
    program = next((at for at, word in enumerate(words) if os.path.basename(word) == "lxgit"), 0)
    told = " ".join((os.path.basename(words[program]), *words[program + 1 :]))
    if not told:
        return ""
    shown = "".join(letter if letter.isprintable() else "?" for letter in told)
    return f" ({shown if len(shown) <= _LONGEST_COMMAND else shown[: _LONGEST_COMMAND - 1] + '…'})"
