"""Walking the commits, and how they stand to each other: Git finds and reads them in one process.

Commits come as text with a NUL before, between and behind their fields, so that whatever Git adds
to one, such as a diff, is the piece behind it. No object is read here: what a walk of ten commits
would take to open the packs is more than all else that it does.
"""

from __future__ import annotations

from itertools import islice

from lxgit.lean import closing
from lxgit.objects.git import MOST_COUNTED
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from lxgit.objects.commits import Commit
    from lxgit.objects.git import Git

EVERYWHERE = ("--branches", "--tags", "--remotes")
"""For `walk`: from every branch and tag, though not from the refs that lxgit keeps for itself."""

FORMAT = (
    "--date=raw",
    "--encoding=UTF-8",
    "--format=%x00%H%x00%T%x00%P%x00%an <%ae> %ad%x00%cn <%ce> %cd%x00%B%x00",
)
"""Options that have Git write commits as `read_records` reads them (git-log(1), Pretty formats)."""


class Record(NamedTuple):
    """A commit as Git wrote it, and what Git wrote behind it."""

    oid: bytes
    tree: bytes
    parents: bytes
    author: bytes
    committer: bytes
    message: bytes
    rest: bytes


def walk(
    git: Git,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    limit: int | None = None,
    first_parent: bool = False,
) -> Iterator[tuple[ObjectID, Commit]]:
    """The commits that `git log` shows, in its order, as they are found: Git starts at once.

    `arguments` are those of `Revisions.range_arguments`, EVERYWHERE, or both; "--stdin" among them
    stands for the lines of `stdin`. GitFailed where the history is damaged.
    """
    if not arguments or limit == 0:
        return iter(())
    command = ["rev-list", "--no-commit-header", *FORMAT]
    if limit is not None:
        command.append(f"--max-count={min(limit, MOST_COUNTED)}")
    if first_parent:
        command.append("--first-parent")
    return _commits(git.stream([*command, *arguments, "--"], stdin=stdin))


def _commits(stream: Generator[bytes]) -> Iterator[tuple[ObjectID, Commit]]:
    """What is shown of the commits: without headers that nothing here looks into."""
    from lxgit.objects.commits import Commit, decode_signature  # while Git walks

    for record in read_records(stream):
        author = committer = decode_signature(record.author)
        if record.committer != record.author:
            committer = decode_signature(record.committer)
        yield (
            from_hex(record.oid),
            Commit(
                from_hex(record.tree),
                tuple(map(from_hex, record.parents.split())),
                author,
                committer,
                record.message.decode("utf-8", "surrogateescape"),
            ),
        )


def read_records(stream: Generator[bytes]) -> Iterator[Record]:
    """The commits in what Git writes with FORMAT."""
    with closing(stream):
        pieces = _pieces(stream)
        while fields := tuple(islice(pieces, len(Record._fields))):
            yield Record(*fields)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What stands between NULs, without what stands before the first one."""
    rest: bytes | None = None
    for chunk in chunks:
        *whole, after = chunk.split(b"\0")
        if not whole:
            rest = None if rest is None else rest + after
            continue
        if rest is not None:
            yield rest + whole[0]
        yield from whole[1:]
        rest = after
    if rest is not None:
        yield rest


def is_ancestor(git: Git, ancestor: ObjectID, descendant: ObjectID) -> bool:
    """Whether `descendant` is the same commit or has `ancestor` in its history."""
    if ancestor == descendant:
        return True
    command = ["rev-list", "--max-count=1", hex_id(ancestor), f"^{hex_id(descendant)}"]
    return not git.run(command)


def has_a_name(git: Git, oid: ObjectID, head: ObjectID | None = None) -> bool:
    """Whether a branch or a tag names the commit, or one that has it in its history.

    So does HEAD, where that is detached: at `head`.
    """
    names = EVERYWHERE if head is None else (*EVERYWHERE, hex_id(head))
    return not git.run(["rev-list", "--max-count=1", hex_id(oid), "--not", *names])


def merge_bases(git: Git, one: ObjectID, other: ObjectID) -> list[ObjectID]:
    """The best common ancestors (git-merge-base(1)); none of unrelated histories."""
    answer = git.run(["merge-base", "--all", hex_id(one), hex_id(other)], ok=(0, 1))
    return [from_hex(line) for line in answer.split()]
