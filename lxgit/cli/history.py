"""Commands that look at history: log, show, ls, rev-parse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from lxgit.cli.changes import name_status_line
from lxgit.cli.logview import commit_fields, write_commit, write_oneline, write_tag
from lxgit.cli.options import AsFormat, AsText, NoTrunc, Paths, Quiet
from lxgit.cli.params import argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.operations.comparison import Comparison
    from lxgit.operations.store import Repository
    from lxgit.operations.values import LogEntry

Stat = Annotated[bool, option("--stat", help="which paths changed, and by how much")]


@command(
    examples=(
        ("lxgit log", "what led to HEAD"),
        ("lxgit log --oneline -n 5 base", "the last five commits of 'base'"),
        ("lxgit log --stat base..tuned", "what 'tuned' has and 'base' has not"),
        ("lxgit log --all -- /etc/hosts", "every commit that changed a file"),
        ("lxgit log --format json", "for programs"),
    )
)
def log(
    session: Session,
    revisions: Annotated[
        tuple[str, ...],
        argument("REV", help="revisions, ^REV without it, ranges A..B", completes="image"),
    ] = (),
    oneline: Annotated[bool, option("--oneline", help="each commit on a line")] = False,
    stat: Stat = False,
    limit: Annotated[
        int | None, option("-n", "--max-count", help="so many commits at most", metavar="N")
    ] = None,
    everywhere: Annotated[bool, option("--all", help="from all branches and tags")] = False,
    skip: Annotated[int, option("--skip", help="leave out so many", metavar="N")] = 0,
    reverse: Annotated[bool, option("--reverse", help="the oldest first")] = False,
    first_parent: Annotated[
        bool, option("--first-parent", help="of a merge, its branch alone")
    ] = False,
    decorate: Annotated[
        bool, option("--decorate", help="with names, as on a terminal always")
    ] = False,
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    format_: AsText = "text",
    paths: Paths = (),
) -> None:
    """Show the commits that led to HEAD, or to others, the newest first.

    With paths, those that changed one of them, or what is below: its content, its metadata or its
    hard links.
    """
    from lxgit.operations.history import LogRequest, log

    request = LogRequest(
        revisions=revisions,
        all=everywhere,
        paths=tuple(map(os.fsencode, paths)),
        limit=limit if limit is None or limit >= 0 else None,
        skip=max(skip, 0),
        reverse=reverse,
        first_parent=first_parent,
        stat=stat,
    )
    entries = log(session.repository(), request)
    if format_ == "json":
        write_json(session.out, map(commit_fields, entries))
    elif quiet:
        for entry in entries:
            session.out.line(short_id(entry.oid, whole=no_trunc))
    else:
        _write_log(session, entries, oneline=oneline, decorate=decorate, no_trunc=no_trunc)


def _write_log(
    session: Session,
    entries: Iterator[LogEntry],
    *,
    oneline: bool,
    decorate: bool,
    no_trunc: bool,
) -> None:
    first = next(entries, None)  # a fault is told before there is a pager
    if first is None:
        return
    names = decorate or os.isatty(session.out.fd)
    session.page()
    colour = session.colour
    _write_entry(session, first, oneline=oneline, names=names, colour=colour, whole=no_trunc)
    for entry in entries:
        if not oneline:
            session.out.line()
        _write_entry(session, entry, oneline=oneline, names=names, colour=colour, whole=no_trunc)


def _write_entry(
    session: Session, entry: LogEntry, *, oneline: bool, names: bool, colour: bool, whole: bool
) -> None:
    if oneline:
        write_oneline(session.out, entry, decorate=names, colour=colour, whole=whole)
    else:
        write_commit(session.out, entry, decorate=names, colour=colour)


@command(
    examples=(
        ("lxgit show", "HEAD's commit, and what it changed"),
        ("lxgit show tuned --stat", "the paths alone"),
        ("lxgit show base:/etc/hosts", "a file as it was"),
        ("lxgit show web:/etc/motd", "as it is now in the container 'web'"),
        ("lxgit show base:v1", "a tag"),
    )
)
def show(
    session: Session,
    specs: Annotated[
        tuple[str, ...],
        argument("REV[:/PATH]", help="a commit or tag, or a path of one", completes="place"),
    ] = ("HEAD",),
    stat: Stat = False,
    name_status: Annotated[
        bool, option("--name-status", help="which paths changed, with A, M, D or T")
    ] = False,
    format_: AsText = "text",
) -> None:
    """Show a commit and what it changed, or what stands at a path: a file's content as it is."""
    from lxgit.operations.views import has_path

    repository = session.repository()
    if format_ == "json":
        write_json(session.out, (_shown_fields(repository, spec) for spec in specs))
        return
    for position, spec in enumerate(specs):
        if has_path(spec):
            _show_path(session, repository, spec)
        else:
            _show_commit(session, repository, spec, stat=stat, name_status=name_status)
        if position < len(specs) - 1:
            session.out.line()


def _show_commit(
    session: Session, repository: Repository, spec: str, *, stat: bool, name_status: bool
) -> None:
    from lxgit.operations.history import annotated_tag, show_commit

    tag = annotated_tag(repository, spec)
    entry, comparison = show_commit(repository, spec)
    names = session.paged or os.isatty(session.out.fd)
    session.page()
    if tag is not None:
        write_tag(session.out, tag, colour=session.colour)
    entry = entry._replace(changes=entry.changes if stat else None)
    write_commit(session.out, entry, decorate=names, colour=session.colour)
    if comparison.changes and not stat:
        session.out.line()
        _write_changes(session, comparison, name_status=name_status)


def _write_changes(session: Session, comparison: Comparison, *, name_status: bool) -> None:
    if name_status:
        for change in comparison.changes:
            session.out.line(name_status_line(change))
    else:
        from lxgit.cli.diffview import write_diff

        write_diff(session.out, comparison.changes, comparison, colour=session.colour)


def _show_path(session: Session, repository: Repository, spec: str) -> None:
    """A file's bytes, a link's target, a directory's names."""
    from lxgit.cli.lsview import shown_name
    from lxgit.operations.listing import file_content, list_directory

    with file_content(repository, spec) as (listed, chunks):
        session.page()
        if listed.kind == "directory":
            session.out.line(f"tree {spec}\n")
            for entry in list_directory(repository, spec):
                session.out.line(shown_name(entry))
        elif listed.target is not None:
            session.out.line(listed.target)
        elif chunks is None:
            session.out.line(f"{listed.kind} {spec}")
        else:
            _write_chunks(session, chunks)


def _write_chunks(session: Session, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        session.out.write(chunk)


def _shown_fields(repository: Repository, spec: str) -> dict[str, object]:
    from lxgit.cli.lsview import listed_fields
    from lxgit.operations.history import show_commit
    from lxgit.operations.listing import file_content
    from lxgit.operations.views import has_path

    if not has_path(spec):
        return commit_fields(show_commit(repository, spec)[0])
    with file_content(repository, spec) as (listed, _):
        return listed_fields(listed)


@command(
    examples=(
        ("lxgit ls base:/etc", "names"),
        ("lxgit ls -l tuned:/etc", "with modes, owners, sizes and times"),
        ("lxgit ls -R web:/srv", "all below, in the container 'web' as it is now"),
    )
)
def ls(
    session: Session,
    spec: Annotated[
        str, argument("REV[:/PATH]", help="a directory; HEAD:/ by default", completes="place")
    ] = "HEAD",
    long: Annotated[bool, option("-l", "--long", help="everything about each")] = False,
    recursive: Annotated[bool, option("-R", "--recursive", help="what is below, too")] = False,
    format_: AsFormat = "table",
) -> None:
    """List a directory of an image or a container, without starting anything."""
    from lxgit.cli.lsview import listed_fields, shown_name, write_long
    from lxgit.operations.listing import list_directory

    entries = list_directory(session.repository(), spec, recursive=recursive)
    if format_ == "json":
        write_json(session.out, map(listed_fields, entries))
    elif long:
        write_long(session.out, list(entries))
    else:
        for entry in entries:
            session.out.line(shown_name(entry))


@command(
    examples=(
        ("lxgit rev-parse HEAD", "the whole id"),
        ("lxgit rev-parse --short base~0 base:v1", "12 digits"),
        ("lxgit rev-parse base..tuned", "a range, as git rev-list takes it"),
    ),
)
def rev_parse(
    session: Session,
    revisions: Annotated[
        tuple[str, ...], argument("REV", help="a revision or a range", completes="image")
    ],
    short: Annotated[bool, option("--short", help="12 digits")] = False,
) -> None:
    """Print the ids that revisions stand for, one on a line."""
    from lxgit.operations.history import rev_parse

    for told in rev_parse(session.repository(), revisions):
        mark, oid = ("^", told[1:]) if told.startswith("^") else ("", told)
        session.out.line(mark + short_id(oid, whole=not short))
