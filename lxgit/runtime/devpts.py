"""Terminals for a container: an instance of devpts of its own, and pairs that are made in it.

Sources: pts(4), ioctl_tty(2), Documentation/filesystems/devpts.rst.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct

from lxgit.runtime import kernel
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_TIOCSPTLCK = 0x4004_5431
_TIOCGPTPEER = 0x5441
TTY_GROUP = 5  # Debian's, and by convention everybody's: devpts wants a number


class Pty(NamedTuple):
    """A pair of descriptors: `main` is ours, `replica` the terminal that a program sees."""

    main: int
    replica: int


def mount_devpts(place: Path, group: int) -> None:
    """Mount an instance of its own at `place`: a container's /dev/pts, with numbers from 0.

    `group` is the host's id of the container's group `tty`.
    """
    with kernel.filesystem_context(b"devpts") as context:
        kernel.set_option(context, b"source", b"devpts")
        kernel.set_option(context, b"newinstance")
        for key, value in (
            (b"ptmxmode", b"0666"),
            (b"mode", b"0620"),
            (b"gid", b"%d" % group),
            (b"max", b"1024"),
        ):
            kernel.set_option(context, key, value)
        mount = kernel.create_mount(context, kernel.MOUNT_ATTR_NOSUID)
    try:
        kernel.move_mount(mount, place)
    finally:
        os.close(mount)


def open_pty(devpts: Path, owner: int, group: int) -> Pty:
    """Make a terminal in that instance, so that `tty` finds it from inside. Owners are host ids."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    with contextlib.ExitStack() as failing:
        main = os.open(devpts / "ptmx", flags)
        failing.callback(os.close, main)
        fcntl.ioctl(main, _TIOCSPTLCK, struct.pack("i", 0))
        replica = fcntl.ioctl(main, _TIOCGPTPEER, flags)
        failing.callback(os.close, replica)
        os.fchown(replica, owner, group)
        failing.pop_all()
    return Pty(main, replica)
