r"""Drawing a history: the lines that `git log --graph` puts before what is told of each commit.

Git draws while it writes: what follows a commit's first line stands beside the lines that lead to
the next commit, for as long as there are such, then beside bars. So Git is asked for a few lines a
commit, and what it draws before them is taken apart.

    | *   <id>      the mark
    | |\            steps: how the columns change
    | | |           padding: from here on nothing changes
"""

from __future__ import annotations

from contextlib import closing

from lxgit.enums import Enum
from lxgit.objects.git import MOST_COUNTED
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lxgit.objects.git import Git

_HEAD = "%x01%H"  # no NUL: Git draws up to it alone
_BODY = "%n%x02" * 8  # more lines than almost any commit has steps
_BARS = set(b"| ")


class GraphLook(Enum):
    """What is told of each commit, which the drawing depends on: Git's format for that."""

    ONE_LINE = f"tformat:{_HEAD}"
    LINES = f"tformat:{_HEAD}{_BODY}"
    APART = f"format:{_HEAD}{_BODY}%n"
    """Lines, and an empty one before the next commit."""


class Drawn(NamedTuple):
    """The drawing of one commit, each line with the blank at its end."""

    oid: ObjectID
    lead: tuple[str, ...]
    """Lines before its own: the one that parts it from the last, room for a merge of many."""
    mark: str
    steps: tuple[str, ...]
    padding: str


def draw(
    git: Git,
    arguments: Sequence[str],
    *,
    limit: int | None = None,
    skip: int = 0,
    first_parent: bool = False,
    history: Mapping[ObjectID, Sequence[ObjectID]] | None = None,
    look: GraphLook = GraphLook.APART,
) -> Iterator[Drawn]:
    """The commits in the order of the drawing. `arguments` as for `walk`.

    A `history` of commits and their parents is drawn in place of the store's: what else there is
    is left out, and the `arguments` go for nothing.
    """
    command = ["log", "--graph", "--no-color", "--no-show-signature"]
    command.append(f"--format={look.value}")
    command += [f"--skip={min(skip, MOST_COUNTED)}"] if skip else []
    command += [f"--max-count={min(limit, MOST_COUNTED)}"] if limit is not None else []
    command += ["--first-parent"] if first_parent else []
    environment, grafts = {}, b""
    if history is not None:
        # Git takes the parents of its commits from there (gitglossary(7), grafts).
        environment["GIT_GRAFT_FILE"] = "/dev/stdin"
        grafts = b"".join(
            " ".join(map(hex_id, (oid, *parents))).encode() + b"\n"
            for oid, parents in history.items()
        )
        below = {parent for parents in history.values() for parent in parents}
        arguments = [hex_id(oid) for oid in history if oid not in below]
    if not arguments:
        return
    stream = git.stream([*command, *arguments, "--"], stdin=grafts, environment=environment)
    with closing(stream):
        yield from _parse(_lines(stream))


def _lines(stream: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _parse(lines: Iterator[bytes]) -> Iterator[Drawn]:
    mark, oid = b"", b""
    lead: list[bytes] = []
    beside: list[bytes] = []
    bare: list[bytes] = []
    for line in lines:
        before, mine, told = line.partition(b"\1")
        if mine:
            if oid:
                drawn, lead = _drawn(oid, lead, mark, beside, bare)
                yield drawn
            mark, oid, beside, bare = before, told, [], []
        elif line.endswith(b"\2"):
            beside.append(line[:-1])
        else:
            bare.append(line)
    if oid:
        yield _drawn(oid, lead, mark, beside, bare)[0]


def _drawn(
    oid: bytes, lead: list[bytes], mark: bytes, beside: list[bytes], bare: list[bytes]
) -> tuple[Drawn, list[bytes]]:
    """A commit's drawing, and what stands before the next one's."""
    steps = []
    for line in beside:
        if _BARS.issuperset(line):
            padding = line
            break
        steps.append(line)
    else:  # all those lines were steps, and so are the next ones
        steps, bare = [*steps, *bare], []
        padding = b""
    texts = (tuple(map(bytes.decode, part)) for part in (lead, steps))
    before, after = texts
    return Drawn(from_hex(oid), before, mark.decode(), after, padding.decode()), bare
