"""/run/lxgit: what lives as long as the machine is up.

    /run/lxgit/            0711: a container's root, an unknown id to the host, passes through
      stage/               an empty directory: each private mount namespace covers it with a tmpfs
      c/<container id>/    one running container: its socket, its LXC configuration and log,
                           and `ports` while it may have some of the host's
      b/                   0700: base layers that are mounted for all (bases.py)
      n/                   0700: bridges, and who is on them (network/records.py)

An ordinary user has such a directory too, 0700: /run/user/UID/lxgit, or /tmp/lxgit-UID for all of a
boot in which that was needed once, before the user had logged in. Neither depends on the
environment, so whoever comes by su(1) or from cron(8) finds what runs.

A container's directory is locked (flock(2) on the directory itself) by its supervisor for as long
as that lives. One that nobody has locked is a leftover, and `abandoned` finds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from functools import cache
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.runtime import kernel, rootless
from lxgit.runtime.runplace import kernel_boot, run_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class StrangeDirectory(LxgitError):
    """What runs cannot be kept where it is looked for: somebody else has something there."""

    exit_code = 125


RUN = Path(run_directory())
STAGE = RUN / "stage"
CONTAINERS = RUN / "c"
BASES = RUN / "b"
NETWORKS = RUN / "n"


@cache
def boot_id() -> str:
    """This boot's id.

    For an ordinary user with the ids of the user's namespace: what was written or tried under
    others is of no more use than what was under another kernel.
    """
    boot = kernel_boot()
    return f"{boot} {rootless.id_map().hex()}" if rootless.is_active() else boot


def prepare() -> None:
    """Make the fixed directories, once a boot."""
    with contextlib.suppress(FileExistsError):
        RUN.mkdir(mode=0o700)
    status = os.lstat(RUN)  # anybody may have made it, where it is below /tmp
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StrangeDirectory(
            f"'{RUN}' is not yours, and what runs is to be there", hint="have its owner remove it"
        )
    if STAGE.is_dir() and CONTAINERS.is_dir() and BASES.is_dir():
        return
    for directory in (RUN, CONTAINERS, STAGE):
        directory.mkdir(mode=0o711, exist_ok=True)
        # Whatever the umask was. An ordinary user's containers have a root who is that user.
        directory.chmod(0o700 if rootless.is_active() else 0o711)
    BASES.mkdir(mode=0o700, exist_ok=True)


def enter_stage() -> None:
    """Give this process its own mounts, and an empty STAGE to mount on. Never on the host's side.

    The same short path serves every container, since each sees only its own. Not for a process
    that must see later mounts of the host's as its own (kernel.enter_private_mounts).
    """
    kernel.enter_private_mounts()
    kernel.mount("lxgit", STAGE, b"tmpfs", kernel.MS_NOSUID, b"size=4m,mode=0711")


@contextlib.contextmanager
def stage() -> Iterator[None]:
    """`enter_stage`, and back to the host's mounts, where nothing of this one's is left."""
    host = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_stage()
        try:
            yield
        finally:
            kernel.umount(STAGE, kernel.MNT_DETACH)  # with all below, whoever else is here still
            kernel.setns(host, kernel.CLONE_NEWNS)
    finally:
        os.close(host)


def leave_stage() -> None:
    """Hold nothing on STAGE any longer, in a child that may outlive whoever mounted it."""
    kernel.enter_private_mounts()
    kernel.umount(STAGE, kernel.MNT_DETACH)


@contextlib.contextmanager
def claimed(container: str) -> Iterator[Path]:
    """Own a container's directory: made here, locked, removed at the end."""
    path = CONTAINERS / container
    fd = _claim(path)
    # What cleans up in /tmp by age leaves alone what is locked (tmpfiles.d(5)).
    top = os.open(RUN, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(top, fcntl.LOCK_SH)
        yield path
    finally:
        _remove(path)
        os.close(top)
        os.close(fd)


def _claim(path: Path) -> int:
    while True:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o711)
        fd = locked_directory(path, fcntl.LOCK_EX)
        if fd is not None:
            return fd


def locked_directory(path: Path, operation: int) -> int | None:
    """Lock the directory that has this name now, as flock(2); the descriptor that holds the lock.

    None when the directory went, or when with LOCK_NB another is in the way.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, operation)
        if os.path.samestat(os.fstat(fd), path.stat()):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def abandoned() -> Iterator[str]:
    """Ids of containers whose supervisor died without cleaning up; each is removed after its turn.

    The caller takes down what else such a container left behind.
    """
    for path in CONTAINERS.iterdir() if CONTAINERS.is_dir() else ():
        fd = locked_directory(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if fd is not None:
            try:
                yield path.name
                _remove(path)
            finally:
                os.close(fd)


def _remove(path: Path) -> None:
    """One level: nothing below these directories is deeper."""
    for entry in path.iterdir():
        entry.unlink()
    path.rmdir()
