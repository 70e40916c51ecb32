"""The user's side of a container, as descriptors."""

from __future__ import annotations

from lxgit.tuples import NamedTuple


class Streams(NamedTuple):
    """Descriptors of the user's side; without `stdin` nothing is read. `tty`: of the container.

    `detach_keys`, typed in a row at a terminal, end the client and leave the container running.
    Where the client `keeps_signals`, they do to it what they do to any process.
    """

    stdin: int | None
    stdout: int
    stderr: int
    tty: bool
    detach_keys: bytes = b""
    keeps_signals: bool = False
