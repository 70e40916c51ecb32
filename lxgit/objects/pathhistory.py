r"""Which commits changed a path: its content, its metadata or its hard links.

A path shows in three places of a commit's tree: its entry, its line in the `%meta` of its directory
and, with hard links, a line of `links`. Git finds the commits that changed one of the three files,
and which objects these were before and after; the lines of the latter two are compared here, as
most changes of a `%meta` are those of siblings. One git walks, another reads, and neither waits for
the other. Reading the directories here instead takes ten times as long, and having Git compare the
files three times as long.
"""

from __future__ import annotations

import os
from contextlib import closing

from lxgit.objects.catfile import cat_file
from lxgit.objects.commits import decode_commit
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.names import (
    LINKS,
    META_NAME,
    ROOTFS,
    decode_path,
    encode_path,
    escape_line_name,
    escape_path,
)
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from lxgit.objects.catfile import CatFile
    from lxgit.objects.commits import Commit
    from lxgit.objects.git import Git
    from lxgit.objects.ids import ObjectID

_ABSENT = b"0" * 40

_FORMAT = (
    "--format=%x00%H %P",
    "-z",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--no-color",
    "--no-show-signature",
)


class _Change(NamedTuple):
    """A file of a commit's tree that is not as in a parent: its objects, in hexadecimal digits."""

    place: bytes
    old: bytes
    new: bytes


class _Record(NamedTuple):
    """A commit, compared with one parent or none."""

    oid: bytes
    parents: int
    changes: list[_Change]


def walk_changing(
    git: Git, arguments: Sequence[str], paths: Sequence[bytes], *, first_parent: bool = False
) -> Iterator[tuple[ObjectID, Commit]]:
    """The commits that changed one of the paths, or what is below it, as they are found.

    `arguments` as for `walk`; `paths` are the machine's, without leading slash. Of a merge, those
    that have a path otherwise than every parent; behind one, Git follows the parents that have the
    same `%meta`, or else all.
    """
    if not arguments:
        return
    merges = "first-parent" if first_parent else "separate"
    command = ["log", *_FORMAT, f"--diff-merges={merges}"]
    if first_parent:
        command.append("--first-parent")
    with cat_file(git) as objects:
        watch = _Watch(paths, objects)
        command += [*arguments, "--", *(f":(literal){os.fsdecode(at)}" for at in watch.places())]
        changed, before = 0, b""
        for records in _read_records(git.stream(command)):
            found = []
            watch.look_at(change for record in records for change in record.changes)
            for record in records:  # a merge comes once for each parent that it differs from
                changed = changed if record.oid == before else 0
                before = record.oid
                changed += any(map(watch.is_seen, record.changes))
                if changed == (1 if first_parent else max(record.parents, 1)):
                    changed = 0
                    found.append(record.oid)
            for oid, data in zip(found, objects.read(found), strict=True):
                yield from_hex(oid), decode_commit(data)


def _read_records(stream: Generator[bytes]) -> Iterator[list[_Record]]:
    """What `git log` writes with _FORMAT, as many at a time as have come.

    Each is `<id> <parents>` and, for each change, modes and ids, and the path; all of these end
    with a NUL, and another one goes before each record.
    """
    with closing(stream):
        rest = b""
        for chunk in stream:
            *whole, rest = (rest + chunk).split(b"\0\0")
            yield [_record(text) for text in whole if text]
        yield [_record(rest)] if rest else []


def _record(text: bytes) -> _Record:
    head, *fields = text.strip(b"\0").split(b"\0")
    oid, *parents = head.split()
    changes = []
    for told, place in zip(fields[::2], fields[1::2], strict=True):
        _, _, old, new, _ = told.split(b" ")
        changes.append(_Change(place, old, new))
    return _Record(oid, len(parents), changes)


class _Watch:
    """What to look for in the changes of one `log -- PATH...`."""

    def __init__(self, paths: Sequence[bytes], objects: CatFile) -> None:
        self._objects = objects
        self._stored = [_join(ROOTFS, encode_path(path)) for path in paths]
        self._links = {escape_path(path) for path in paths}
        self._names: dict[bytes, set[bytes]] = {}
        for stored in self._stored:
            directory, slash, name = stored.rpartition(b"/")
            if slash:
                names = self._names.setdefault(_join(directory, META_NAME), set())
                names.add(escape_line_name(name))
        self._lines: dict[tuple[bytes, bytes], set[tuple[bytes, bytes]]] = {}

    def places(self) -> list[bytes]:
        """The paths in a commit's tree where a change must show."""
        links = [LINKS] if self._names else []  # the root directory alone has none
        return [*self._stored, *self._names, *links]

    def look_at(self, changes: Iterable[_Change]) -> None:
        """Read the lines that decide whether these changes are seen."""
        wanted = {
            (place, oid): None
            for place, old, new in changes
            if place in self._names or place == LINKS
            for oid in (old, new)
            if oid != _ABSENT and (place, oid) not in self._lines
        }
        texts = self._objects.read([oid for _, oid in wanted])
        for (place, oid), text in zip(wanted, texts, strict=True):
            self._lines[place, oid] = self._named(place, text)

    def is_seen(self, change: _Change) -> bool:
        """Whether it is one of a watched path; of a file with lines, once that was looked at."""
        if any(_is_below(change.place, stored) for stored in self._stored):
            return True
        old, new = (self._lines.get((change.place, oid)) for oid in (change.old, change.new))
        return (old or set()) != (new or set())

    def _named(self, place: bytes, text: bytes) -> set[tuple[bytes, bytes]]:
        """The watched paths that the lines of `%meta` or `links` are about, each with its line."""
        if place == LINKS:
            lines = text.split(b"\n")
            return {(path, line) for line in lines for path in self._links & {*line.split(b"\t")}}
        names = self._names[place]
        return {(name, _as_written(line)) for name in names for line in _lines_of(name, text)}


def _lines_of(name: bytes, text: bytes) -> Iterator[bytes]:
    """The lines of `%meta` with that name at their end."""
    mark = b" %s\n" % name
    at = text.find(mark)
    while at >= 0:
        start = text.rfind(b"\n", 0, at) + 1
        line = text[start : at + len(mark) - 1]
        if line.split(b" ", 2)[-1] == name:
            yield line
        at = text.find(mark, at + 1)


def _as_written(line: bytes) -> bytes:
    """A line of `%meta` as it is written now: earlier versions recorded more attributes."""
    if b"x:" not in line.split(b" ", 2)[1]:
        return line
    from lxgit.objects.metadata import InvalidMetadata, Kind, decode_line, encode_line

    try:
        name, says = decode_line(line)
        kind, rdev = says.special or (Kind.FILE, None)  # or a link, of which there are few such
        metadata = says.metadata(kind, executable=bool((says.mode or 0) & 0o100))
    except InvalidMetadata:
        return line
    return encode_line(name, kind, metadata, rdev)[:-1]


def renamed_from(git: Git, parent: ObjectID, commit: ObjectID, path: bytes) -> bytes | None:
    """Which file of the parent became this one, as Git finds it.

    By content first, then the one that is most like it, if half of it is the same
    (gitdiffcore(7)); only among those that went.
    """
    command = ["diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status"]
    told = git.run([*command, hex_id(parent), hex_id(commit), "--", os.fsdecode(ROOTFS)])
    fields = iter(told.split(b"\0")[:-1])
    for _, old, new in zip(fields, fields, fields, strict=True):
        if new == _join(ROOTFS, encode_path(path)):
            return decode_path(old.removeprefix(ROOTFS + b"/"))
    return None


def kept_parents(
    git: Git, arguments: Sequence[str], kept: AbstractSet[ObjectID], *, first_parent: bool = False
) -> dict[ObjectID, tuple[ObjectID, ...]]:
    """The nearest ancestors of each of some commits among them: a history of those alone.

    `arguments` as for `walk`, those that the commits came of.
    """
    command = ["rev-list", "--parents", "--topo-order", "--reverse", *arguments, "--"]
    nearest: dict[ObjectID, tuple[ObjectID, ...]] = {}
    history: dict[ObjectID, tuple[ObjectID, ...]] = {}
    order: dict[ObjectID, int] = {}
    for line in git.lines(command):
        oid, *parents = map(from_hex, line.split())
        above = [
            found
            for one in parents[: 1 if first_parent else None]
            for found in nearest.get(one, ())
        ]
        independent = _independent(tuple(dict.fromkeys(above)), history, order)
        nearest[oid] = (oid,) if oid in kept else independent
        if oid in kept:
            history[oid] = independent
            order[oid] = len(order)
    return history


def _independent(
    commits: tuple[ObjectID, ...],
    history: dict[ObjectID, tuple[ObjectID, ...]],
    order: dict[ObjectID, int],
) -> tuple[ObjectID, ...]:
    """Those of some commits that are no ancestors of others; `order` has ancestors first."""
    if len(commits) < 2:
        return commits
    oldest = min(order[oid] for oid in commits)
    pending = [parent for oid in commits for parent in history[oid]]
    ancestors: set[ObjectID] = set()
    while pending:
        oid = pending.pop()
        if oid not in ancestors and order[oid] >= oldest:
            ancestors.add(oid)
            pending += history[oid]
    return tuple(oid for oid in commits if oid not in ancestors)


def _join(*parts: bytes) -> bytes:
    return b"/".join(part for part in parts if part)


def _is_below(place: bytes, stored: bytes) -> bool:
    return place == stored or place.startswith(stored + b"/")
