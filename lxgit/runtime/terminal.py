"""Terminals: one for the container, and the user's own set to pass everything through.

Sources: pts(4), ioctl_tty(2), termios(3), Documentation/filesystems/devpts.rst.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING

from lxgit.runtime import kernel
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    main = os.open(devpts / "ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(main, _TIOCSPTLCK, struct.pack("i", 0))
    replica = fcntl.ioctl(main, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    os.fchown(replica, owner, group)
    return Pty(main, replica)


def window_size(fd: int) -> tuple[int, int]:
    """(rows, columns) of a terminal."""
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def set_window_size(fd: int, size: tuple[int, int]) -> None:
    """Set (rows, columns); whoever runs in the foreground there gets SIGWINCH."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Pass each byte on as it comes, Ctrl-C too; the terminal is as before at the end.

    What was typed but not read is kept, before and after (TCSADRAIN).
    """
    before = termios.tcgetattr(fd)
    after = [*before]
    # As cfmakeraw(3) does it.
    after[0] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    after[1] &= ~termios.OPOST
    after[2] = after[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    after[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    after[6] = [*before[6]]
    after[6][termios.VMIN], after[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSADRAIN, after)
    try:
        yield
    finally:
        # A terminal that has gone (its window closed) needs no restoring.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
