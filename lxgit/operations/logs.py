"""What a container printed."""

from __future__ import annotations

import contextlib
import time
from collections import deque

from lxgit.operations.lookup import find_container
from lxgit.runtime.logfile import ERR, LogReader, Record
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_LOOK_AGAIN = 0.05  # seconds between two looks for more


class Piece(NamedTuple):
    """A line of output or a part of one, as it came. `time` in nanoseconds since 1970."""

    time: int
    is_error: bool
    data: bytes
    begins_line: bool


class Wanted(NamedTuple):
    """Which part of a log: the last `tail` lines, from `since` to `until` (ns since 1970)."""

    tail: int | None = None
    since: int | None = None
    until: int | None = None
    follow: bool = False


def logs(repository: Repository, name: str, wanted: Wanted) -> Iterator[Piece]:
    """A container's output, and with `follow` what comes until it ends. NoSuchContainer."""
    container = find_container(repository, name)
    try:
        reader = LogReader(container.path / "log")
    except FileNotFoundError:  # it has not been started
        return
    splitter = _Splitter()
    with contextlib.closing(reader):
        pieces = splitter.pieces(_between(reader.records(), wanted))
        yield from pieces if wanted.tail is None else _last_lines(pieces, wanted.tail)
        if wanted.follow:
            yield from splitter.pieces(_between(_followed(container, reader), wanted))


def _followed(container: Container, reader: LogReader) -> Iterator[Record]:
    """What is written from now on, until the container has ended."""
    running = True
    while running:
        running = container.is_running  # asked before the last read: nothing comes after the end
        yield from reader.records()
        if running:
            time.sleep(_LOOK_AGAIN)


def _between(records: Iterable[Record], wanted: Wanted) -> Iterator[Record]:
    for record in records:
        if wanted.until is not None and record.time > wanted.until:
            return
        if wanted.since is None or record.time >= wanted.since:
            yield record


class _Splitter:
    """Cuts records into lines; a line that comes in several records is in as many pieces."""

    def __init__(self) -> None:
        self._within: dict[str, bool] = {}  # by stream: whether its last line has no end yet

    def pieces(self, records: Iterable[Record]) -> Iterator[Piece]:
        for record in records:
            for line in record.data.splitlines(keepends=True):
                begins = not self._within.get(record.stream, False)
                self._within[record.stream] = not line.endswith(b"\n")
                yield Piece(record.time, record.stream == ERR, line, begins)


def _last_lines(pieces: Iterable[Piece], count: int) -> Iterator[Piece]:
    lines: deque[list[Piece]] = deque(maxlen=count)
    unfinished: dict[bool, list[Piece]] = {}
    for piece in pieces:
        line = unfinished.setdefault(piece.is_error, [])
        if not line:
            lines.append(line)
        line.append(piece)
        if piece.data.endswith(b"\n"):
            del unfinished[piece.is_error]
    for line in lines:
        yield from line
