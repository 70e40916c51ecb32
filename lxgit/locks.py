"""Locks that go with their owner (flock(2)), and what is told of waiting for one."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from lxgit.errors import LxgitError
from lxgit.lean import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class LockHeld(LxgitError):
    """Another process holds the lock."""


TOLD_AFTER = 1.0
"""Seconds of waiting for a lock before that is told."""
_PAUSE = 0.005
_LOOKS = 5
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
    path: Path,
    *,
    shared: bool = False,
    wait: bool = True,
    reading: bool = False,
    lasting: bool = False,
    what: str,
) -> Iterator[int]:
    """Hold flock(2) on `path`; the kernel frees it when the holder dies.

    Raises LockHeld, which names `what` is locked and by whom, when `wait` is false and another
    holds it. The owner of a lock that is waited for is told to `on_wait`'s listener. Who may only
    be `reading` gets it on a file system that is read-only, too; nothing can be written to it then.
    Its directory is made where it is `lasting`, one that belongs to every store: a backup may have
    left it out, there being nothing in it.
    """
    fd = _open_lock(path, reading=reading, lasting=lasting)
    try:
        _flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait=wait, what=what)
        yield fd
    finally:
        os.close(fd)


def _open_lock(path: Path, *, reading: bool, lasting: bool) -> int:
    try:
        return _made(path, lasting=lasting)
    except OSError as error:
        if error.errno != errno.EROFS or not reading:
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.memfd_create("lock")  # nobody has ever taken it, and nobody can


def _made(path: Path, *, lasting: bool) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        if not lasting:
            raise
    with suppress(FileExistsError):
        os.mkdir(os.path.dirname(path), 0o700)
    return os.open(path, flags, 0o600)


def _flock(fd: int, kind: int, *, wait: bool, what: str) -> None:
    deadline = time.monotonic() + TOLD_AFTER
    while not _try_flock(fd, kind):
        if not wait:
            raise _held_by(lock_owners(fd), what)
        if time.monotonic() > deadline:
            _tell_of(lock_owners(fd), what)
            fcntl.flock(fd, kind)
            return
        time.sleep(_PAUSE)


def _held_by(owners: list[str], what: str) -> LockHeld:
    return LockHeld(
        f"{what} is in use" + (f" by {' and '.join(owners)}" if owners else ""),
        hint="wait for it to end, then try again",
    )


def _tell_of(owners: list[str], what: str) -> None:
    tell_wait(f"waiting for {' and '.join(owners) or 'another process'}: {what} is in use")


def _try_flock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Waiting:
    """For who looks again and again whether others have done, and takes none of their locks.

    `locks` are those, each a file and what is locked by it. Of the first that is held the owner is
    told, as `locked` does.
    """

    def __init__(self, seconds: float, *locks: tuple[Path, str]) -> None:
        self._begin = time.monotonic()
        self._seconds = seconds
        self._locks = locks
        self._is_told = False

    def goes_on(self) -> bool:
        """Let a moment pass; False once it has been so many seconds, of which was told before."""
        waited = time.monotonic() - self._begin
        if waited > TOLD_AFTER and not self._is_told:
            _tell_of(*self._in_the_way())
            self._is_told = True
        if waited > self._seconds:
            return False
        time.sleep(_PAUSE)
        return True

    def fault(self) -> LockHeld:
        """What is to be raised when that has been too long."""
        return _held_by(*self._in_the_way())

    def _in_the_way(self) -> tuple[list[str], str]:
        found = [(_owners_of(path), what) for path, what in self._locks]
        return next((one for one in found if one[0]), found[-1])


def _owners_of(path: Path) -> list[str]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        return lock_owners(fd)
    finally:
        os.close(fd)


def is_held(path: Path | str) -> bool:
    """Whether somebody holds flock(2) on `path` alone; not where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # what is damaged may be a pipe
    except (FileNotFoundError, NotADirectoryError):
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
    (btrfs) give a device of their own. Who is not found is looked for again: the kernel tells of a
    page of locks at a time, and where one of those has gone by the next page, passes over another.
    """
    status = os.fstat(fd)
    holders: set[int] = set()
    for _ in range(_LOOKS):
        if holders := _holders(status) - {0, os.getpid()}:
            break
    return [f"process {pid}{_command(pid)}" for pid in sorted(holders) if pid > 0]


def _holders(status: os.stat_result) -> set[int]:
    """The processes that hold flock(2) on a file, as one reading of the list has them."""
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    with open("/proc/locks", encoding="ascii") as file:
        lines = [line.split() for line in file]
    found = [
        (int(words[4]), words[5].rpartition(":")[0])
        for words in lines
        if words[1] == "FLOCK" and int(words[5].rpartition(":")[2]) == status.st_ino
    ]
    here = {pid for pid, where in found if where == device}
    return here or {pid for pid, _ in found}


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
