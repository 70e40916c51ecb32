"""Commands that look at history: show, ls, rev-parse."""

from __future__ import annotations

import os

from lxgit.cli.logview import Look, commit_fields, write_entry, write_tag
from lxgit.cli.options import (
    AsFormat,
    AsText,
    NameOnly,
    NameStatus,
    Paths,
    Stat,
    as_bytes,
    line_wanted,
)
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import write_json
from lxgit.errors import LxgitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxgit.operations.logvalues import LogEntry
    from lxgit.operations.showing import AnnotatedTag
    from lxgit.operations.store import Repository

_USUAL = 12
"""Digits of an id as listings show it."""


@command(
    examples=(
        ("lxgit show", "HEAD's commit, and what it changed"),
        ("lxgit show tuned --stat", "the paths alone"),
        ("lxgit show tuned -- /etc", "what it changed below /etc"),
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
    patch: Annotated[
        bool, option("-p", "--patch", help="what changed, as text, which --stat leaves out")
    ] = False,
    stat: Stat = False,
    name_status: NameStatus = False,
    name_only: NameOnly = False,
    format_: AsText = "text",
    paths: Paths = (),
) -> None:
    """Show a commit and what it changed, or what stands at a path: a file's content as it is.

    With paths, what the commit changed there, and nothing where it changed nothing.
    """
    from lxgit.operations.showing import annotated_tag, check_shown, show_commit
    from lxgit.operations.views import has_path

    line = line_wanted(name_status=name_status, name_only=name_only, stat=stat, patch=patch)
    for spec in specs:
        if paths and has_path(spec):
            raise UsageError(f"'{spec}' is a path by itself", hint="lxgit show REV -- PATH...")
    repository = session.repository()
    if len(specs) > 1:
        check_shown(repository, specs)
    wanted = as_bytes(paths)
    if format_ == "json":
        write_json(session.out, _shown_fields(repository, specs, wanted))
        return
    apart = False
    for spec in specs:
        if has_path(spec):
            apart = _show_path(session, repository, spec, apart=apart)
            continue
        entry, comparison = show_commit(repository, spec, wanted)
        if wanted and not comparison.changes:
            continue
        session.page()
        if apart:
            session.out.line()
        apart = True
        look = Look(stat=stat, patch=patch or not stat, colour=session.colour, line=line)
        _write_commit(session, entry, annotated_tag(repository, spec), look)


def _write_commit(session: Session, entry: LogEntry, tag: AnnotatedTag | None, look: Look) -> None:
    if tag is not None:
        write_tag(session.out, tag, colour=session.colour)
    if not (session.paged or os.isatty(session.out.fd)):
        entry = entry._replace(decorations=())
    write_entry(session.out, entry, look)


def _show_path(session: Session, repository: Repository, spec: str, *, apart: bool) -> bool:
    """A file's bytes, a link's target, a directory's names.

    `apart` says that an empty line stands before a heading, and so does the answer of what comes
    next: as in Git, where a file's content has none around it.
    """
    from lxgit.cli.lsview import shown_name
    from lxgit.operations.listing import file_content, list_directory

    with file_content(repository, spec) as (listed, chunks):
        session.page()
        if listed.kind == "directory":
            if apart:
                session.out.line()
            session.out.line(f"tree {spec}\n")
            for entry in list_directory(repository, spec):
                session.out.line(shown_name(entry))
            return True
        if listed.target is not None:
            session.out.line(listed.target)
        elif chunks is None:
            session.out.line(f"{listed.kind} {spec}")
        else:
            _write_chunks(session, chunks)
    return apart


def _write_chunks(session: Session, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        session.out.write(chunk)


def _shown_fields(
    repository: Repository, specs: Sequence[str], paths: Sequence[bytes]
) -> Iterator[dict[str, object]]:
    from lxgit.cli.lsview import listed_fields
    from lxgit.operations.listing import file_content
    from lxgit.operations.showing import show_commit
    from lxgit.operations.views import has_path

    for spec in specs:
        if has_path(spec):
            with file_content(repository, spec) as (listed, _):
                yield listed_fields(listed)
        else:
            entry, comparison = show_commit(repository, spec, paths)
            if comparison.changes or not paths:
                yield commit_fields(entry)


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
    everything: Annotated[
        bool, option("-a", "--all", help="names that begin with a dot, listed as without")
    ] = False,
    format_: AsFormat = "table",
) -> None:
    """List a directory of an image or a container, without starting anything."""
    del everything  # nothing is hidden
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
        ("lxgit rev-parse base:/etc/hosts", "of what stands at a path"),
        ("lxgit rev-parse --abbrev-ref HEAD", "the branch"),
        ("lxgit rev-parse -q --verify nosuch || echo none", "whether there is one"),
    ),
)
def rev_parse(
    session: Session,
    revisions: Annotated[
        tuple[str, ...],
        argument("REV[:/PATH]", help="a revision, a range, or a path of one", completes="place"),
    ],
    short: Annotated[
        int | None,
        option(
            "--short", help="12 digits, or so many, 4 at least", metavar="[=N]", alone=str(_USUAL)
        ),
    ] = None,
    verify: Annotated[bool, option("--verify", help="one id, or a fault")] = False,
    quiet: Annotated[
        bool, option("-q", "--quiet", help="with --verify: exit with 1 without a word")
    ] = False,
    abbrev_ref: Annotated[
        bool, option("--abbrev-ref", help="names of branches and tags, where they are some")
    ] = False,
) -> int:
    """Print the ids of what names stand for, one on a line: commits, but for paths and trees."""
    from lxgit.operations.history import ref_name, rev_parse, says_none, shortened

    repository = session.repository()
    try:
        ids = rev_parse(repository, revisions)
    except LxgitError as error:
        if verify and quiet and says_none(error):
            return 1
        raise
    if verify and len(ids) != 1:
        if quiet:
            return 1
        raise UsageError("--verify takes what stands for one id")
    if abbrev_ref:
        for name in filter(None, (ref_name(repository, revision) for revision in revisions)):
            session.out.line(name)
        return 0
    for told in ids:
        mark, oid = ("^", told[1:]) if told.startswith("^") else ("", told)
        if short is not None:
            oid = oid[:short] if short >= _USUAL else shortened(repository, oid, short)
        session.out.line(mark + oid)
    return 0
