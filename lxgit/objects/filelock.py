"""The lock of one of Git's files: NAME.lock, while NAME is changed (lockfile.h of Git's source).

Whoever makes NAME.lock first may change NAME. Git writes the new content into the lock, and renames
it. Here the lock holds its owner instead, from its first moment on: it is linked into place when it
is written and locked with flock(2), and the new content comes from a file beside.

    lxgit <process id> LF
    <what it has announced>

So one whose owner was killed is known: it is lxgit's, and nobody holds its flock. The next one
takes it over, as any that is of an earlier boot, also stock Git's; what it had announced tells what
may be half done. One that announced nothing proves nothing. Of a lock of stock Git's that is
younger nobody can say whether its owner lives: it is waited for a second, lxgit's for as long as it
is held. Locks are taken in one order, so that nobody waits in a circle: that of a branch, HEAD's,
packed-refs', that of the ref of deleted ones; and that of a log after its ref's. Who deletes that
last ref, and so has its lock first, is alone (Repository.collecting).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from lxgit.errors import LxgitError
from lxgit.fsutil import fsync_directory, make_directories, pwrite_all, write_all
from lxgit.lean import suppress
from lxgit.locks import lock_owners, tell_wait
from lxgit.objects.newfile import TEMPORARY, NewFile
from lxgit.objects.reflogs import remove_empty_directories
from lxgit.processes import boot_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

_PATIENCE = 1.0
"""Seconds to wait for stock Git; that gives up after 0.1 for a ref, 1 for packed-refs.

For an owner that is lxgit's it is when the wait is told of, as that of any other lock.
"""

_LASTING = 60.0
"""Seconds for which no Git holds such a lock: it does no more meanwhile than write a file."""

_PAUSE = 0.01
_MARK = b"lxgit "


class RefLocked(LxgitError):
    """Stock Git changes the ref, or left its lock behind."""


class RefConflict(LxgitError):
    """A ref cannot be beside another: one would be a file and the other a directory there."""


class FileLock:
    """`path`.lock, made by this process alone. It is gone when the `with` is left.

    `git_dir` is where the new content is written: on the same file system, and no place for refs.
    `heir` is called with what the last owner had announced, if that one has died, before the lock
    says anything else: so it is called again if this process dies meanwhile.
    """

    def __init__(
        self, path: str, git_dir: str, heir: Callable[[bytes], None] | None = None
    ) -> None:
        self._path = path
        self._lock = f"{path}.lock"
        self._git_dir = git_dir
        self._owned = -1
        self._content: NewFile | None = None
        self._new: str | None = None
        self._told = False
        self._heir = heir

    def __enter__(self) -> Self:
        deadline = time.monotonic() + _PATIENCE
        while self._owned < 0:
            patient = time.monotonic() <= deadline
            try:
                self._owned = self._try()
            except FileExistsError:
                started = None if patient else boot_time()
                self._owned = _take_over(self._lock, started, self._heir)
                if self._owned < 0 and not patient:
                    self._wait()
                time.sleep(0 if self._owned >= 0 else _PAUSE)
        return self

    def __exit__(self, *_: object) -> None:
        if self._new is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._new)
        if self._content is not None:
            self._content.close()
        if _is_at(self._lock, self._owned):  # else someone took us for dead, and may have one now
            with suppress(FileNotFoundError):
                os.unlink(self._lock)
        os.close(self._owned)  # last: who waits for it finds that the name has gone

    @property
    def name(self) -> str:
        """What it is the lock of, as `git_dir` has it: a ref's full name."""
        return self._path.removeprefix(f"{self._git_dir}/")

    @property
    def is_pending(self) -> bool:
        """Whether something is written that is not the file's content yet."""
        return self._new is not None and os.path.lexists(self._new)

    @property
    def content(self) -> str:
        """The name in `git_dir` of what was written: gone as soon as it is the file's content."""
        assert self._new is not None
        return os.path.basename(self._new)

    def announce(self, what: bytes) -> None:
        """Have the lock say what is done next, and it and what was written durably in place.

        So whoever finds what was done knows of it, and whether `commit` came after it.
        """
        pwrite_all(self._owned, _mine() + what, 0)
        os.fsync(self._owned)
        for directory in {os.path.dirname(self._lock), self._git_dir}:
            fsync_directory(directory)

    def write(self, content: bytes, *, mode: int = 0o644) -> None:
        """Have the new content on disk; what a full disk prevents, it prevents here."""
        self._content = NewFile(self._git_dir)
        fd = self._content.fd
        write_all(fd, content)
        os.fchmod(fd, mode)
        os.fsync(fd)
        fcntl.flock(fd, fcntl.LOCK_EX)  # a name without that is a leftover, see `leftovers`
        new = f"{self._git_dir}/{TEMPORARY}{os.urandom(8).hex()}"
        self._content.publish(new)
        self._new = new

    def commit(self) -> None:
        """Make what was written `path`, durably. RefConflict when a directory is there."""
        assert self._new is not None
        try:
            os.rename(self._new, self._path)
        except IsADirectoryError:
            for lock in _locks_below(self._path):
                if announced(lock) == b"":  # of one that was killed when its ref was deleted
                    drop_stale_lock(lock)
            remove_empty_directories(self._path)  # of refs that were deleted
            try:
                os.rename(self._new, self._path)
            except IsADirectoryError:
                raise _blocked(self._path) from None
        self._new = None
        fsync_directory(os.path.dirname(self._path))

    def _try(self) -> int:
        """The lock, made; -1 when another try is due. FileExistsError when it is held."""
        if os.path.lexists(self._lock):
            raise FileExistsError
        with NewFile(self._git_dir) as file:
            write_all(file.fd, _mine())
            fcntl.flock(file.fd, fcntl.LOCK_EX)
            try:
                file.publish(self._lock)
            except FileNotFoundError:
                self._make_parents()  # whoever deletes a ref may remove them again
                return -1
            except NotADirectoryError:
                raise _blocked(self._path) from None
            return os.dup(file.fd)

    def _wait(self) -> None:
        """Wait until the owner lets go of the lock, or dies. RefLocked where nobody can say when.

        That is stock Git's, which holds no flock; and one of this process's own.
        """
        try:
            fd = _opened(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return  # gone meanwhile
        if fd < 0:
            raise _held(self._lock, b"")
        try:
            owner = os.read(fd, 64)
            if not owner.startswith(_MARK) or owner.startswith(_mine()):
                raise _held(self._lock, owner)
            if not self._told:
                owners = " and ".join(lock_owners(fd)) or "another process"
                tell_wait(f"waiting for {owners}: '{self.name}' is in use")
                self._told = True
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            os.close(fd)

    def _make_parents(self) -> None:
        try:
            make_directories(os.path.dirname(self._path))
        except (FileExistsError, NotADirectoryError):
            raise _blocked(self._path) from None
        except FileNotFoundError:
            pass  # removed again meanwhile


def drop_stale_lock(lock: str, *, heir: Callable[[bytes], None] | None = None) -> bool:
    """Remove the lock file that someone left who has died; false when its owner may live.

    `heir` as of FileLock.
    """
    fd = _take_over(lock, boot_time(), heir)
    if fd < 0:
        return False
    os.unlink(lock)
    os.close(fd)
    return True


def announced(lock: str) -> bytes | None:
    """What someone had announced who has died, empty also where there is no lock.

    None when there is one whose owner may live.
    """
    try:
        left = _left(lock, fcntl.LOCK_SH, boot_time())
    except FileNotFoundError:
        return b""
    except OSError:  # whatever that is, Git takes it for a lock
        return None
    if left is None:
        return None
    os.close(left[0])
    return left[1]


def lasting(lock: str) -> RefLocked | None:
    """What to tell of a lock that is not lxgit's and that its owner, if it lives, has forgotten."""
    with suppress(OSError):
        if time.time() - os.lstat(lock).st_ctime > _LASTING and announced(lock) is None:
            fd = _opened(lock, os.O_RDONLY)
            try:
                is_ours = fd >= 0 and _read(fd)[0]
            finally:
                if fd >= 0:
                    os.close(fd)
            return None if is_ours else _held(lock, b"")
    return None


def ref_locks(git_dir: str) -> Iterator[str]:
    """The locks of refs and of the files beside them, whoever made them."""
    with os.scandir(git_dir) as entries:
        yield from [entry.path for entry in entries if entry.name.endswith(".lock")]
    for top in ("refs", "logs"):
        yield from _locks_below(f"{git_dir}/{top}")


def _locks_below(top: str) -> Iterator[str]:
    for directory, names, files in os.walk(top):
        found = (name for name in (*names, *files) if name.endswith(".lock"))
        yield from (f"{directory}/{name}" for name in found)


def announcement(lock: str) -> bytes:
    """What a lock announces, whoever has it; empty where there is none."""
    try:
        fd = _opened(lock, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    if fd < 0:
        return b""
    try:
        return _read(fd)[1]
    finally:
        os.close(fd)


def _take_over(
    lock: str, started: float | None, heir: Callable[[bytes], None] | None = None
) -> int:
    """The lock of an owner that has died, now this process's own; -1 when there is none."""
    try:
        left = _left(lock, fcntl.LOCK_EX, started)
    except FileNotFoundError:
        return -1
    if left is None:
        return -1
    fd, said = left
    try:
        if not _is_at(lock, fd):
            return -1  # another was faster
        if said and heir is not None:
            heir(said)
        os.ftruncate(fd, os.pwrite(fd, _mine(), 0))  # at no moment without its owner
        fd, taken = -1, fd
        return taken
    finally:
        if fd >= 0:
            os.close(fd)


def _left(lock: str, how: int, started: float | None) -> tuple[int, bytes] | None:
    """A lock whose owner has died, with flock(2) on it, and what it had announced; or None.

    Of those that do not say that they are lxgit's, what is older than `started` counts.
    FileNotFoundError where there is no lock.
    """
    # Who only looks may do so where nothing can be written.
    fd = _opened(lock, os.O_RDONLY if how == fcntl.LOCK_SH else os.O_RDWR)
    if fd < 0:
        return None
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        is_ours, said = _read(fd)
        if not is_ours and (started is None or os.fstat(fd).st_ctime >= started):
            return None  # its owner may live
        fd, left = -1, (fd, said)
        return left
    except BlockingIOError:
        return None  # its owner lives
    finally:
        if fd >= 0:
            os.close(fd)


def _opened(lock: str, how: int) -> int:
    """A lock, open; -1 for what is no file, and so of nobody that one knows. FileNotFoundError."""
    try:
        fd = os.open(lock, how | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in {errno.EISDIR, errno.ELOOP, errno.ENXIO}:
            raise
        return -1
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return -1


def _read(fd: int) -> tuple[bool, bytes]:
    """Whether a lock is one of lxgit's, and what it announces; stock Git's announce nothing."""
    with open(fd, "rb", closefd=False) as file:
        is_ours = file.readline().startswith(_MARK)
        return is_ours, file.read() if is_ours else b""


def _is_at(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _mine() -> bytes:
    """What a lock of this process says."""
    return b"%b%d\n" % (_MARK, os.getpid())


def _held(lock: str, owner: bytes) -> RefLocked:
    if owner.startswith(_MARK):
        return RefLocked(f"this process holds '{lock}' itself", hint="that is a fault of lxgit's")
    return RefLocked(
        f"another process holds '{lock}'",
        hint="it is not lxgit's: if no git works on the store, one has died: remove that file",
    )


def _blocked(path: str) -> RefConflict:
    return RefConflict(f"the ref '{path}' cannot be beside one whose name begins or ends there")
