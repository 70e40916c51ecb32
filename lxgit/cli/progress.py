"""Progress on the terminal: one line on standard error, only for what takes over a second."""

from __future__ import annotations

import contextlib
import os
import time

from lxgit.cli.environment import variable
from lxgit.cli.report import printable, tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.progress import Progress

_DELAY = 1.0  # seconds of silence; most commands are over by then
_INTERVAL = 0.1  # seconds between two pictures
_BAR = 24  # characters
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def show_progress() -> Iterator[Progress]:
    """Show an operation's progress while it runs, and leave no trace of it but warnings."""
    if not os.isatty(2) or variable("TERM") == "dumb":
        yield QuietProgress()
        return
    line = ProgressLine()
    try:
        yield line
    finally:
        line.clear()


class QuietProgress:
    """Tells warnings and nothing else: where standard error is no terminal."""

    def phase(self, label: str, total: int | None = None) -> None:
        pass

    def advance(self, count: int = 1) -> None:
        pass

    def warn(self, message: str) -> None:
        tell(f"warning: {message}")


class ProgressLine:
    """A line that is drawn over and over. `fd` is a terminal's."""

    def __init__(self, fd: int = 2) -> None:
        self._fd = fd
        self._label = ""
        self._total: int | None = None
        self._done = 0
        self._visible = False
        self._next = time.monotonic() + _DELAY

    def phase(self, label: str, total: int | None = None) -> None:
        self._label, self._total, self._done = label, total, 0
        if label:
            self._draw_when_due(time.monotonic())
        else:
            self.clear()

    def advance(self, count: int = 1) -> None:
        self._done += count
        self._draw_when_due(time.monotonic())

    def warn(self, message: str) -> None:
        self.clear()
        tell(f"warning: {message}")

    def clear(self) -> None:
        """Take the line away."""
        if self._visible:
            self._put(_CLEAR)
            self._visible = False

    def _draw_when_due(self, now: float) -> None:
        if now < self._next:
            return
        self._next = now + _INTERVAL
        self._visible = True
        columns = _columns(self._fd)
        self._put(_CLEAR + picture(self._label, self._done, self._total)[: columns - 1])

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._fd, text.encode("utf-8", "replace"))


def picture(label: str, done: int, total: int | None) -> str:
    """The line's text: `Reading files  [#####.....]  41%`; a count where no total is known."""
    label = printable(label)
    if not total:
        return f"{label}  {done:,}" if done else label
    share = min(done / total, 1.0)
    filled = int(share * _BAR)
    return f"{label}  [{'#' * filled}{'.' * (_BAR - filled)}] {int(share * 100):3d}%"


def _columns(fd: int) -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size(fd).columns or 80
    return 80
