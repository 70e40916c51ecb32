r"""Which commits changed a path: its content, its metadata or its hard links.

A path shows in three places of a commit's tree: its entry, its line in the `%meta` of its directory
and, with hard links, a line of `links`. Git finds the commits that changed one of the three files,
and says which lines of the latter two changed: most changes of a `%meta` are those of siblings.
Reading the directories here instead takes ten times as long.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lxgit.objects.history import FORMAT, read_records
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.image import ROOTFS
from lxgit.objects.links import escape_path
from lxgit.objects.metadata import escape_line_name
from lxgit.objects.names import META_NAME, decode_path, encode_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from lxgit.objects.commits import Commit
    from lxgit.objects.git import Git
    from lxgit.objects.ids import ObjectID

_LINKS = b"links"

# A content is told as changed, and not how. `%meta` and `links` are text, whatever bytes are in
# their names, and the larger ones are worth a look too.
_ATTRIBUTES = b"* -diff\n%meta diff\n/links diff\n"
_CONFIG = ("core.attributesFile=/dev/stdin", "core.bigFileThreshold=512m", "core.quotePath=false")
_DIFF = (
    "--patch",
    "--unified=0",
    "--no-prefix",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-show-signature",
    "--no-mailmap",
    "--no-indent-heuristic",
)
_ESCAPES = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))


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
    watch = _Watch(paths)
    merges = "first-parent" if first_parent else "separate"
    command = ["log", *FORMAT, *_DIFF, f"--diff-merges={merges}"]
    if first_parent:
        command.append("--first-parent")
    command += [*arguments, "--", *(f":(literal){os.fsdecode(path)}" for path in watch.places())]
    # A merge comes once for each parent that it differs from.
    changed, before = 0, b""
    for record in read_records(git.configured(*_CONFIG).stream(command, stdin=_ATTRIBUTES)):
        changed = changed if record.oid == before else 0
        before = record.oid
        changed += watch.sees_change(record.rest)
        parents = 1 if first_parent else len(record.parents.split())
        if changed == max(parents, 1):
            changed = 0
            yield from_hex(record.oid), record.commit()


class _Watch:
    """What to look for in the diffs of one `log -- PATH...`."""

    def __init__(self, paths: Sequence[bytes]) -> None:
        self._stored = [_join(ROOTFS, encode_path(path)) for path in paths]
        self._links = {escape_path(path) for path in paths}
        self._lines: dict[bytes, set[bytes]] = {}
        for stored in self._stored:
            directory, slash, name = stored.rpartition(b"/")
            if slash:
                lines = self._lines.setdefault(_join(directory, META_NAME), set())
                lines.add(escape_line_name(name))

    def places(self) -> list[bytes]:
        """The paths in a commit's tree where a change must show."""
        links = [_LINKS] if self._lines else []  # the root directory alone has none
        return [*self._stored, *self._lines, *links]

    def sees_change(self, diff: bytes) -> bool:
        """Whether a diff, as `git log` prints it here, tells of a change of one of the paths."""
        removed: set[tuple[bytes, bytes]] = set()
        added: set[tuple[bytes, bytes]] = set()
        place, is_text = b"", False
        for line in diff.split(b"\n"):
            if line.startswith(b"diff --git "):
                place, is_text = _place(line), False
                if any(_is_below(place, stored) for stored in self._stored):
                    return True
            elif line.startswith(b"@@"):
                is_text = True
            elif is_text and line[:1] in (b"-", b"+"):
                told = removed if line[:1] == b"-" else added
                told.update((name, line[1:]) for name in self._named(place, line[1:]))
            elif line.startswith(b"Binary files ") and not is_text:
                return True  # a %meta of more than 512 MiB
        return removed != added

    def _named(self, place: bytes, line: bytes) -> set[bytes]:
        """The watched paths that a line of `%meta` or `links` is about."""
        if place == _LINKS:
            return self._links.intersection(line.split(b"\t"))
        name = line.split(b" ", 2)[-1]
        return {name} if name in self._lines.get(place, ()) else set()


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


def _place(line: bytes) -> bytes:
    """The path in `diff --git PATH PATH`, which are the same without prefixes and renames."""
    both = line[len(b"diff --git ") :]
    told = both[: len(both) // 2]
    return _unquoted(told[1:-1]) if told.startswith(b'"') else told


def _unquoted(text: bytes) -> bytes:
    """A path that Git has quoted as C does (git-config(1), core.quotePath)."""
    first, *rest = text.split(b"\\")
    unquoted = [first]
    parts = iter(rest)
    for part in parts:
        if not part:  # an escaped backslash
            unquoted += [b"\\", next(parts, b"")]
        elif part[:3].isdigit():
            unquoted += [bytes((int(part[:3], 8),)), part[3:]]
        else:
            unquoted += [bytes((_ESCAPES.get(part[0], part[0]),)), part[1:]]
    return b"".join(unquoted)
