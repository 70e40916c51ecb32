"""What happened in a store: STORE/events, for `lxgit events` (format.md, "events").

A JSON object a line. There is no daemon: whoever does something appends its line, whole, by one
write(2) with O_APPEND, so writers need no lock. Nobody waits for the disk; a full one loses events,
and never fails a command.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import FileIO
    from pathlib import Path

_LARGEST = 1 << 20  # bytes
_PAUSE = 0.1  # seconds between two looks at what came

_BEGIN = b'{"time": '
"""Of a line, and in no other place of one: within a string it would have backslashes."""


class Event(NamedTuple):
    """One thing that happened, at `time`, in nanoseconds since 1970."""

    time: int
    type: str
    action: str
    id: str
    attributes: Mapping[str, str]


def record(
    store: Path, kind: str, action: str, identity: str, attributes: Mapping[str, str]
) -> None:
    """Append an event of now."""
    from json import dumps

    event = Event(time.time_ns(), kind, action, identity, attributes)
    line = dumps(event._asdict()).encode("ascii") + b"\n"
    path = store / "events"
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line)
            if os.fstat(fd).st_size > _LARGEST:
                _rotate(fd, path)
        finally:
            os.close(fd)


def _rotate(fd: int, path: Path) -> None:
    """Put the file aside, unless another process has."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.path.samestat(os.fstat(fd), os.stat(path)):
        os.rename(path, f"{path}.1")


def past(store: Path) -> list[Event]:
    """What is still known, the oldest first."""
    found: list[Event] = []
    for name in ("events.1", "events"):
        with contextlib.suppress(FileNotFoundError):
            found += _events((store / name).read_bytes())
    return found


def coming(store: Path, until: int | None = None) -> Iterator[Event | None]:
    """What happens from now on, and None whenever nothing has for a moment, the first time at once.

    Ends at `until`, in nanoseconds since 1970.
    """
    path = store / "events"
    file = _opened(path)
    if file is not None:
        file.seek(0, os.SEEK_END)
    rest = b""
    try:
        yield None
        while True:
            ended = until is not None and time.time_ns() >= until
            replaced = file is None or not _is_at(file, path)  # asked before the last look at it
            whole, newline, rest = (rest + (file.read() if file else b"")).rpartition(b"\n")
            yield from _events(whole + newline)
            if ended:
                return
            if replaced and (following := _opened(path)) is not None:
                if file is not None:
                    file.close()
                file, rest = following, b""
                continue
            yield None
            time.sleep(_PAUSE)
    finally:
        if file is not None:
            file.close()


def _opened(path: Path) -> FileIO | None:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError:
        return None


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _events(data: bytes) -> Iterator[Event]:
    """The events of whole lines.

    What a full disk or a power failure leaves of one has no end, so the next one stands behind it.
    """
    from json import loads

    for line in data.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            values = loads(line[max(line.rfind(_BEGIN), 0) :])
            yield Event(*(values[name] for name in Event._fields))
