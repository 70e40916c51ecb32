"""Looking at a stack of layers through a path: rsync and tar resolve the links of /proc."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lxgit.runtime import kernel
from lxgit.runtime.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.layers import Stack


@contextmanager
def shown(stack: Stack, scratch: Path) -> Iterator[Path]:
    """A path where the stack is mounted, read-only, with the ids of the image."""
    place = scratch / "mounted"
    place.mkdir(exist_ok=True)
    with mounted(stack.lowers) as fd:
        kernel.move_mount(fd, place)
        try:
            yield place
        finally:
            kernel.umount(place, kernel.MNT_DETACH)  # its descriptor is still open
