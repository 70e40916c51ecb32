"""What a client asks a supervisor to execute beside the container's own command.

    FLAGS ROWS COLUMNS USER NUL DIRECTORY NUL [NAME=VALUE NUL]… NUL ARGUMENT [NUL ARGUMENT]…

FLAGS is uint8: 1 for a terminal, 2 for an open input, 4 for a detached command. ROWS and COLUMNS
are uint16, little-endian, both 0 where there is no window. No string holds a NUL, no variable is
empty.
"""

from __future__ import annotations

import os

from lxgit.tuples import NamedTuple

_TTY, _STDIN, _DETACHED = 1, 2, 4
_HEAD = 5  # bytes before the strings


class WantedCommand(NamedTuple):
    """A command, and what is to be other than the container has it; an empty text is nothing.

    `environment` items are `NAME=VALUE`, and come on top of the container's. `window` is the size
    of the terminal in rows and columns. A `detached` one writes to nobody.
    """

    command: tuple[str, ...]
    environment: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    tty: bool = False
    stdin_open: bool = False
    detached: bool = False
    window: tuple[int, int] | None = None

    def encoded(self) -> bytes:
        """As bytes, without a library that would take longer to load than all else here."""
        flags = self.tty * _TTY | self.stdin_open * _STDIN | self.detached * _DETACHED
        head = bytes([flags]) + b"".join(n.to_bytes(2, "little") for n in self.window or (0, 0))
        strings = (self.user, self.working_dir, *self.environment, "", *self.command)
        return head + b"\0".join(map(os.fsencode, strings))

    @classmethod
    def decoded(cls, data: bytes) -> WantedCommand:
        """What `encoded` made this of. ValueError for what it did not make."""
        flags, window = data[0], (_uint16(data[1:3]), _uint16(data[3:5]))
        user, working_dir, *rest = map(os.fsdecode, data[_HEAD:].split(b"\0"))
        end = rest.index("")
        return cls(
            tuple(rest[end + 1 :]),
            tuple(rest[:end]),
            working_dir,
            user,
            tty=bool(flags & _TTY),
            stdin_open=bool(flags & _STDIN),
            detached=bool(flags & _DETACHED),
            window=window if any(window) else None,
        )


def _uint16(data: bytes) -> int:
    return int.from_bytes(data, "little")
