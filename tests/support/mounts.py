"""Looking at a stack of layers through a path, and taking down what a store was on."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lxgit.runtime import bases, kernel, overlay, rundir
from lxgit.runtime.idmap import IdMap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.layers import Stack
    from lxgit.runtime.overlay import Lower


@contextmanager
def mounted(lowers: Sequence[Lower], idmap: IdMap | None = None) -> Iterator[int]:
    """The layers, topmost first, as one read-only tree: a descriptor of its root (O_PATH).

    Ids are shown through `idmap` (container id → shown id), by default as in the image itself. The
    mount is attached nowhere: a child makes it in a namespace of its own and hands the descriptor
    over, so that it ends with the descriptor, whatever happens. `/proc/self/fd/N` is its path.
    """
    with bases.held(lowers) as directories:

        def make(_: object) -> int:
            places = overlay.attach_lowers(directories, rundir.STAGE, idmap or IdMap.identity())
            if len(places) == 1:  # overlayfs wants two where nothing is to be written
                (rundir.STAGE / "empty").mkdir()
                places.append(os.fsencode(rundir.STAGE / "empty"))
            return overlay.stack(places)

        mount = overlay.in_private_namespace(make, print)
        try:
            yield mount
        finally:
            os.close(mount)


@contextmanager
def shown(stack: Stack, scratch: Path) -> Iterator[Path]:
    """A path where the stack is mounted, read-only, with the ids of the image.

    rsync and tar resolve the links of /proc, so its descriptor will not do.
    """
    place = scratch / "mounted"
    place.mkdir(exist_ok=True)
    with mounted(stack.lowers) as fd:
        kernel.move_mount(fd, place)
        try:
            yield place
        finally:
            kernel.umount(place, kernel.MNT_DETACH)  # its descriptor is still open


def unmount(place: Path) -> None:
    """Take down a file system that had a store on it, as soon as nothing uses it any more.

    A supervisor may be on its way out, and a loop device lets go of its file after the mount.
    """
    end = time.monotonic() + 60
    while True:
        bases.sweep()  # the base mount of a supervisor that was killed would keep it busy
        try:
            kernel.umount(place)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
