"""What moved refs, so that it can be undone: STORE/operations, a line for each change.

Its fields are in format.md, "operations". A line is on disk before the ref moves: after a crash the
last one may tell of a change that never came to be, and whoever reads it compares it with what is.
One that was torn in its message counts as that: so a line of a version without checksums looks.
An operation that undid another ends with a line whose name is `-`; without that it is unfinished.
The file has the last few thousand changes, and of an operation all or none. The objects that it
names are kept from gc by the reflogs, but for stashes that were dropped.
"""

from __future__ import annotations

import os
from binascii import crc32

from lxgit.fsutil import fsync_directory, write_all, write_atomic
from lxgit.locks import locked
from lxgit.objects.reflogs import on_one_line
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NONE = "-"
_LARGEST = 1 << 20  # bytes; the next operation then has lines go
_KEPT = 2000  # lines, and what else is of their operations
_CONTAINERS = "containers/"
_DIGITS = 8  # of a checksum
_KEY = rb"[0-9a-f]{16}(?::(?:undo|redo):[0-9a-f]{16})?"
_NAMED = rb"(?:-|[0-9a-f]{40}(?::[0-9a-f]{40})?(?:,[^\t ]*)?|refs/[^\t ]+)"
_TORN = (  # all fields but the last are whole
    rb"[0-9a-z:]*"
    rb"|%b\t(?:[0-9]*"
    rb"|[0-9]+\t(?:[^\t ]*"
    rb"|[^\t ]+\t(?:[^\t ]*"
    rb"|%b\t(?:[^\t ]*"
    rb"|%b\t[^\t]*(?:\t[0-9a-f]{0,7})?))))" % (_KEY, _NAMED, _NAMED)
)


class Moved(NamedTuple):
    """A change of one name: values as in the file, None for none."""

    name: str
    old: str | None
    new: str | None
    message: str

    @property
    def container(self) -> str | None:
        """The id of the container that this is about, if it is about one."""
        return self.name.removeprefix(_CONTAINERS) if self.name.startswith(_CONTAINERS) else None


class Stand(NamedTuple):
    """Where a container stands: `<commit>,<branch>`, or `<commit>:<shown>,<branch>`.

    `shown` is a commit of all that it shows then: `commit` itself where it has no changes. Without
    it the change is of the two names alone, and its files stay.
    """

    commit: str
    branch: str | None
    shown: str | None = None

    @property
    def text(self) -> str:
        """As the file has it."""
        shown = f":{self.shown}" if self.shown is not None else ""
        return f"{self.commit}{shown},{self.branch or ''}"

    @classmethod
    def parse(cls, text: str) -> Stand:
        """What `text` says."""
        ids, _, branch = text.partition(",")
        commit, _, shown = ids.partition(":")
        return cls(commit, branch or None, shown or None)


class Operation(NamedTuple):
    """Changes that belong together, in their order.

    `begun` is `undo` or `redo` where the last that was done is such a one of it, and has no end.
    One that is `damaged` may have changed more than is known, or been undone.
    """

    id: str
    time: int
    moved: tuple[Moved, ...]
    begun: str = ""
    damaged: bool = False

    @property
    def message(self) -> str:
        """What it was, in the reflog's words: of what it did beside moving HEAD, if anything."""
        named = [moved for moved in self.moved if moved.name != "HEAD" and not moved.container]
        return (named or list(self.moved))[0].message

    def net(self) -> list[Moved]:
        """One change for each name, from what it was to what it became, in their order."""
        found: dict[str, Moved] = {}
        for moved in self.moved:
            before = found.get(moved.name, moved)
            found[moved.name] = moved._replace(old=before.old, message=before.message)
        return [moved for moved in found.values() if moved.old != moved.new]


class OperationLog:
    """The file at `path`. Changes recorded with one log belong together until `next_operation`."""

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock
        self._operation = ""
        self._has_begun = False

    def next_operation(self, kind: str = "", of: str = "") -> None:
        """What comes from here on is an operation of its own, which undid or redid another."""
        self._operation = os.urandom(8).hex() + (f":{kind}:{of}" if kind else "")
        self._has_begun = False

    def record(self, name: str, old: str | None, new: str | None, message: str, time: int) -> None:
        """Have a change on disk that is about to be made."""
        if not self._operation:
            self.next_operation()
        fields = (self._operation, str(time), name, old or _NONE, new or _NONE, "")
        line = "\t".join(fields).encode("utf-8", "surrogateescape") + on_one_line(message)
        self._append(b"%b\t%b\n" % (line, _checksum(line)))

    def record_container(
        self, container: str, old: Stand, new: Stand, message: str, time: int
    ) -> None:
        """The same of where a container stands."""
        self.record(f"{_CONTAINERS}{container}", old.text, new.text, message, time)

    def finish(self, time: int) -> None:
        """Record that all which an undo or redo had to do is done."""
        self.record(_NONE, None, None, "done", time)

    def read(self) -> tuple[list[Operation], list[Operation]]:
        """The operations that can be undone, and those that can be done again; the last one last.

        A new operation leaves nothing to do again. One of which an undo or redo has begun last, and
        not ended, is the last one of both: either way the rest can be done.
        """
        done: list[Operation] = []
        undone: list[Operation] = []
        begun: list[Operation] = []
        for key, operation in self._operations():
            _, kind, of = (*key.split(":"), "", "")[:3]
            begun = []
            if not kind:
                done.append(operation)
                undone = []
                continue
            source, target = (done, undone) if kind == "undo" else (undone, done)
            meant = [each for each in source if each.id == of]
            if operation.moved[-1].name == _NONE:
                target += meant
                source[:] = [each for each in source if each.id != of]
            else:
                begun = [each._replace(begun=kind) for each in meant]
        for one in begun:
            done = [*(each for each in done if each.id != one.id), one]
            undone = [*(each for each in undone if each.id != one.id), one]
        return done, undone

    def detached(self, operation: Operation, kind: str) -> list[Moved]:
        """The containers that the last undo or redo, the `kind`, of an operation took off a branch.

        Without those that the operation itself has moved.
        """
        own = {moved.name for moved in operation.moved}
        found: dict[str, Moved] = {}
        for key, each in self._operations():
            if key.endswith(f":{kind}:{operation.id}"):
                moves = (moved for moved in each.net() if moved.container)
                found |= {moved.name: moved for moved in moves if _is_on_none(moved.new)}
            elif key.endswith(f":{operation.id}") and each.moved[-1].name == _NONE:
                found = {}  # they have been put back
        return [moved for name, moved in found.items() if name not in own]

    def went(self, operation: Operation) -> set[tuple[str, str, int]]:
        """The names that it had go, or an undo or redo of it: with the message, and when."""
        return {
            (moved.name, moved.message, time)
            for key, time, moved in self._lines()
            if moved.new is None and operation.id in key.split(":")
        }

    def last_value(self, name: str) -> str | None:
        """What the name came to be when it last was anything."""
        values = [moved.new for _, _, moved in self._lines() if moved.name == name and moved.new]
        return values[-1] if values else None

    def _operations(self) -> Iterator[tuple[str, Operation]]:
        found: dict[str, list[tuple[int, Moved]]] = {}
        for key, time, moved in self._lines():
            found.setdefault(key, []).append((time, moved))
        damaged = self._damaged(set(found))
        for key, changes in found.items():
            own, moves = key.partition(":")[0], tuple(moved for _, moved in changes)
            yield key, Operation(own, changes[0][0], moves, damaged=own in damaged)

    def _damaged(self, known: set[str]) -> set[str]:
        """The operations that a damaged line may be about: by its key, or those beside it."""
        keys, unknown = set[str](), False
        before = ""
        for line in self._content():
            key = line.partition(b"\t")[0].decode("utf-8", "surrogateescape")
            if _is_damaged(line):
                unknown = unknown or key not in known
                keys.update([key] if key in known else [before])
            elif key in known:
                keys.update([key] if unknown else [])
                before, unknown = key, False
        return {one for key in keys for one in key.split(":")}

    def faults(self) -> list[int]:
        """The lines that are damaged, counted from 1: not those that a crash has torn."""
        return [number for number, line in enumerate(self._content(), 1) if _is_damaged(line)]

    def _content(self) -> list[bytes]:
        try:
            return self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []

    def _lines(self) -> Iterator[tuple[str, int, Moved]]:
        for line in self._content():
            told, _, digits = line.rpartition(b"\t")
            if digits != _checksum(told):
                if _is_damaged(line) or b"\0" in line:
                    continue
                told = line  # of a version that wrote none, which may be beside this one still
            key, *fields = told.decode("utf-8", "surrogateescape").split("\t")
            if len(fields) == 5 and fields[0].isdecimal():  # no torn line
                time, name, old, new, message = fields
                moved = Moved(name, _value(old), _value(new), message)
                yield key, int(time), moved

    def _append(self, line: bytes) -> None:
        with locked(self._lock, lasting=True, what="the log of operations"):
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fd = os.open(self._path, flags, 0o600)
            try:
                size = os.fstat(fd).st_size
                torn = size and os.pread(fd, 1, size - 1) != b"\n"
                write_all(fd, b"\n" + line if torn else line)
                os.fsync(fd)
            finally:
                os.close(fd)
            if not size:
                fsync_directory(self._path.parent)
            if size > _LARGEST and not self._has_begun:
                self._cut()
        self._has_begun = True

    def _cut(self) -> None:
        """Have the last lines, and all of each operation that has one or is undone or redone there.

        Half of an operation would be undone as if it were all.
        """
        lines = self._content()  # and nothing, behind the end of the last one
        ids = [line.partition(b"\t")[0].split(b":") for line in lines]
        named = {one for each in ids[-_KEPT - 1 :] for one in each}
        kept = [line for line, (own, *_) in zip(lines, ids, strict=True) if own in named]
        if len(kept) < len(lines):
            write_atomic(self._path, b"\n".join(kept))


def _is_on_none(stand: str | None) -> bool:
    return stand is not None and Stand.parse(stand).branch is None


def _checksum(line: bytes) -> bytes:
    return b"%08x" % crc32(line)


def _is_damaged(line: bytes) -> bool:
    """Whether a line, without its end, is another than was written, and not one that was torn.

    A torn one is the beginning of a line, or has zeros instead of a block, or up to the end of the
    file: more than one.
    """
    import re  # which a command that moves a ref does without

    told, tab, digits = line[: -_DIGITS - 1], line[-_DIGITS - 1 : -_DIGITS], line[-_DIGITS:]
    if digits == _checksum(told):
        return tab != b"\t"
    if b"\0" in line:
        return re.search(rb"[^\0]\0[^\0]", line) is not None
    return not re.fullmatch(_TORN, line)


def _value(text: str) -> str | None:
    return None if text == _NONE else text
