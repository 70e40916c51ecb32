"""The command log."""

from __future__ import annotations

import os

from lxgit.cli.options import (
    AsText,
    NameOnly,
    NameStatus,
    NoTrunc,
    Paths,
    Quiet,
    Stat,
    as_bytes,
    check_quiet,
    excludes,
    line_wanted,
)
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.cli.logview import Look
    from lxgit.operations.logvalues import LogEntry
    from lxgit.operations.values import SizedChange


class Which(NamedTuple):
    """Which commits are shown, and in what order."""

    limit: Annotated[
        int | None, option("-n", "--max-count", help="so many commits at most", metavar="N")
    ] = None
    everywhere: Annotated[bool, option("--all", help="from all branches, tags and HEAD")] = False
    skip: Annotated[int, option("--skip", help="leave out so many", metavar="N")] = 0
    reverse: Annotated[bool, option("--reverse", help="the oldest first")] = False
    first_parent: Annotated[bool, option("--first-parent", help="of a merge, its branch alone")] = (
        False
    )
    follow: Annotated[
        bool, option("--follow", help="of one file, also what it was before it was renamed")
    ] = False


class How(NamedTuple):
    """What of each commit is shown."""

    oneline: Annotated[bool, option("--oneline", help="each commit on a line")] = False
    patch: Annotated[bool, option("-p", "--patch", help="what changed, as text")] = False
    stat: Stat = False
    name_status: NameStatus = False
    name_only: NameOnly = False
    graph: Annotated[bool, option("--graph", help="draw how the commits go together")] = False
    decorate: Annotated[bool, option("--decorate", help="with names, as on a terminal always")] = (
        False
    )
    quiet: Quiet = False
    no_trunc: NoTrunc = False
    format_: AsText = "text"


@command(
    examples=(
        ("lxgit log", "what led to HEAD"),
        ("lxgit log --oneline -n 5 base", "the last five commits of 'base'"),
        ("lxgit log --stat base..tuned", "what 'tuned' has and 'base' has not"),
        ("lxgit log --name-status -n 1", "which paths the last one changed"),
        ("lxgit log -p -n 1 -- /etc/motd", "how a file was last changed"),
        ("lxgit log --graph --oneline --all", "how the branches go together"),
        ("lxgit log --follow -- /etc/motd", "also while the file had another name"),
        ("lxgit log --format json", "for programs"),
    )
)
def log(
    session: Session,
    which: Which,
    how: How,
    revisions: Annotated[
        tuple[str, ...],
        argument("REV", help="revisions, ^REV without it, ranges A..B", completes="image"),
    ] = (),
    paths: Paths = (),
) -> None:
    """Show the commits that led to HEAD, or to others, the newest first.

    With paths, those that changed one of them, or what is below: its content, its metadata or its
    hard links; a merge if it has one otherwise than every parent, as in Git. What a merge changed
    (-p, --stat) is told against its first parent.
    """
    from lxgit.operations.history import LogRequest, log

    as_json = how.format_ == "json"
    _check_together(which, how, paths)
    line = line_wanted(
        name_status=how.name_status, name_only=how.name_only, stat=how.stat, patch=how.patch
    )
    request = LogRequest(
        revisions=revisions,
        all=which.everywhere,
        paths=tuple(as_bytes(paths)),
        limit=which.limit if which.limit is None or which.limit >= 0 else None,
        skip=max(which.skip, 0),
        reverse=which.reverse,
        first_parent=which.first_parent,
        follow=which.follow,
        changes=how.stat or how.patch or line is not None,
        names=how.decorate or as_json or os.isatty(session.out.fd),
        graph=how.graph,
        oneline=how.oneline,
    )
    entries = log(session.repository(), request)
    if as_json:
        _write_json(session, entries, patch=how.patch)
    else:
        _write_log(session, entries, how, line)


def _check_together(which: Which, how: How, paths: tuple[str, ...]) -> None:
    """Raise a UsageError for what does not go with the graph, with -q, or with these paths."""
    if which.follow and len(paths) != 1:
        raise UsageError("--follow takes one path", hint="lxgit log --follow -- /etc/motd")
    if how.graph:
        others = {"--reverse": which.reverse, "--follow": which.follow}
        excludes("--graph", {**others, "--format": how.format_ == "json"})
    more = {
        "--oneline": how.oneline,
        "-p": how.patch,
        "--stat": how.stat,
        "--name-status": how.name_status,
        "--name-only": how.name_only,
        "--graph": how.graph,
        "--decorate": how.decorate,
    }
    check_quiet(how.format_, quiet=how.quiet, others=more)


def _write_json(session: Session, entries: Iterator[LogEntry], *, patch: bool) -> None:
    from lxgit.cli.logview import commit_fields
    from lxgit.cli.tables import write_json

    write_json(session.out, (commit_fields(entry, patch=patch) for entry in entries))


def _write_log(
    session: Session,
    entries: Iterator[LogEntry],
    how: How,
    line: Callable[[SizedChange], str] | None,
) -> None:
    from lxgit.cli.logview import Look  # while Git walks

    look = Look(how.oneline, how.patch, how.stat, how.no_trunc, line=line)
    if how.quiet:
        from lxgit.cli.tables import write_ids

        write_ids(session.out, (entry.oid for entry in entries), whole=look.whole)
        return
    first = next(entries, None)  # a fault is told before there is a pager
    if first is None:
        return
    session.page()
    look = look._replace(colour=session.colour)
    _write(session, first, look)
    for entry in entries:
        if not look.oneline and entry.drawing is None:
            session.out.line()
        _write(session, entry, look)


def _write(session: Session, entry: LogEntry, look: Look) -> None:
    from lxgit.cli.logview import write_entry

    if entry.drawing is None:
        write_entry(session.out, entry, look)
        return
    from lxgit.cli.graphview import Pen

    with Pen(session.out, entry.drawing) as pen:
        write_entry(pen, entry, look)
