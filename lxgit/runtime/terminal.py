"""Terminals: their sizes, and the user's own set to pass everything through.

Sources: ioctl_tty(2), termios(3).
"""

from __future__ import annotations

import contextlib
import fcntl
import struct
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
