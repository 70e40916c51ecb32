"""Where answers go: standard output as bytes, whole, with errors that can be told.

`sys.stdout` would translate, choke on names that are not UTF-8, and report a full disk only when
the interpreter is already shutting down.
"""

from __future__ import annotations

import os

from lxgit.errors import ReaderGone

_CHUNK = 1 << 16


class OutputFailed(Exception):
    """Standard output took no more; `__cause__` is the OSError."""

    exit_code = 1


class Writer:
    """Takes text (UTF-8, surrogateescape) and bytes; what becomes of them says `put`."""

    def put(self, data: bytes) -> None:
        """Take bytes in."""
        raise NotImplementedError

    def write(self, data: bytes | str) -> None:
        """Add to the answer; raises what `put` does."""
        self.put(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)

    def line(self, data: bytes | str = b"") -> None:
        """Add a line; the newline is not part of `data`."""
        self.write(data)
        self.put(b"\n")


class Output(Writer):
    """A buffered writer to a file descriptor. OutputFailed, ReaderGone."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = bytearray()

    def put(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hand over everything that was written; raises OutputFailed, ReaderGone."""
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        try:
            while view:
                view = view[os.write(self.fd, view) :]
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise OutputFailed from error
