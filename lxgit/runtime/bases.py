"""Base layers that are EROFS images, each mounted once on the host for all who use it.

    /run/lxgit/b/            0700: nobody else reaches the setuid programs of an image
      <layer>-<device>-<inode>/     locked (flock(2), shared) by each user
        m/                          the mount, read-only, nosuid, nodev

So containers of one image share its page cache. Its last user takes a mount down, or `sweep` does
when that one was killed. Its name says which very file is mounted: when layers are deleted under it
and made again, that is another one. What is mounted here is cloned into the mount namespaces of its
users, and the clones live on whatever becomes of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from lxgit.records import replace
from lxgit.runtime import rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.overlay import Lower

TAR = "layer.tar"
INDEX = "layer.erofs"
"""The two files of the EROFS form."""

IMAGE = "layer.image"
"""The one of the compressed form."""

_MOUNT = "m"


@contextlib.contextmanager
def held(lowers: Sequence[Lower]) -> Iterator[list[Lower]]:
    """The layers as directories: images mounted, and kept while this lasts.

    Enter and leave it where mounts are the host's. CannotMountImage; FileNotFoundError when the
    layer has gone.
    """
    with contextlib.ExitStack() as uses:
        yield [_held(lower, uses) if lower.files else lower for lower in lowers]


def _held(lower: Lower, uses: contextlib.ExitStack) -> Lower:
    rundir.prepare()
    status = os.stat(lower.path / lower.files[-1])
    place = rundir.BASES / f"{lower.path.name}-{status.st_dev:x}-{status.st_ino:x}"
    while True:
        with contextlib.suppress(FileExistsError):
            place.mkdir(mode=0o700)
        fd = rundir.locked_directory(place, fcntl.LOCK_SH)
        if fd is not None:
            break
    uses.callback(_take_down_idle, place)
    uses.callback(os.close, fd)
    if not _is_mounted(place):
        _mount(lower, place)
    return replace(lower, path=place / _MOUNT, files=())


def _is_mounted(place: Path) -> bool:
    try:
        return os.stat(place / _MOUNT).st_dev != os.stat(place).st_dev
    except FileNotFoundError:
        return False


def _mount(layer: Lower, place: Path) -> None:
    """Mount it unless another one of its users has meanwhile."""
    from lxgit.runtime import erofs_mount, kernel

    turn = os.open(rundir.BASES, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if _is_mounted(place):
            return
        (place / _MOUNT).mkdir(mode=0o700, exist_ok=True)
        mount = erofs_mount.mount_image(layer.path, layer.files)
        try:
            kernel.move_mount(mount, place / _MOUNT)
        finally:
            os.close(mount)
    finally:
        os.close(turn)


def sweep() -> None:
    """Take down the mounts that nobody uses. Cheap when there are none: one directory is read."""
    try:
        names = os.listdir(rundir.BASES)
    except FileNotFoundError:
        return
    for name in names:
        _take_down_idle(rundir.BASES / name)


def _take_down_idle(place: Path) -> None:
    """Take down a mount if nobody uses it.

    Other mount namespaces have copies of it, if they were made meanwhile: those go with the
    directory (detach_mounts, fs/namespace.c), so they keep no disk busy.
    """
    from lxgit.runtime import kernel

    fd = rundir.locked_directory(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if fd is None:
        return
    try:
        if _is_mounted(place):
            kernel.umount(place / _MOUNT, kernel.MNT_DETACH)
        with contextlib.suppress(FileNotFoundError):
            (place / _MOUNT).rmdir()
        place.rmdir()
    finally:
        os.close(fd)
