"""Commands for second thoughts: reflog, undo."""

from __future__ import annotations

from lxgit.cli.answers import container_name
from lxgit.cli.moving import tell_kept
from lxgit.cli.options import AsFormat, NoTrunc, take
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import printable
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.operations.values import ReflogRow, RefMove, Undone


@command(
    examples=(
        ("lxgit reflog", "where HEAD was"),
        ("lxgit reflog -n 5 tuned", "a branch, also one that was deleted"),
        ("lxgit reflog --deleted", "what was deleted, and what it was"),
    )
)
def reflog(
    session: Session,
    names: Annotated[
        tuple[str, ...], argument("REF", help="a branch or tag; HEAD by default", completes="image")
    ] = (),
    limit: Annotated[
        int | None, option("-n", "--max-count", help="so many lines at most", metavar="N")
    ] = None,
    deleted: Annotated[
        bool,
        option("--deleted", help="the branches and tags that went; all that one was, with REF"),
    ] = False,
    no_trunc: NoTrunc = False,
    format_: AsFormat = "table",
) -> None:
    """Show where a branch, a tag or HEAD was, the last change first; also as 'reflog show'.

    Each line's name is a revision: 'lxgit show HEAD@{1}', 'lxgit branch back tuned@{2}'. What was
    deleted is reached by its id.
    """
    from lxgit.operations import reflogs

    names = names[1:] if names[:1] == ("show",) else names
    take(names, 0, 1, "lxgit reflog [REF]")
    repository = session.repository()
    rows = (reflogs.deleted if deleted else reflogs.reflog)(repository, *names)
    rows = rows if limit is None or limit < 0 else rows[:limit]
    if format_ == "json":
        write_json(session.out, map(_fields, rows))
        return
    session.page()
    for row in rows:
        oid = short_id(row.oid, whole=no_trunc)
        session.out.line(printable(f"{oid} {row.name}: {row.message}"))


def _fields(row: ReflogRow) -> dict[str, object]:
    from lxgit.cli.human import iso_date

    return {
        "name": row.name,
        "id": row.oid,
        "old": row.old,
        "who": {
            "name": row.who.name,
            "email": row.who.email,
            "date": iso_date(row.who.time, row.who.offset),
        },
        "message": row.message,
    }


@command(
    examples=(
        ("lxgit undo -n", "what it would be"),
        ("lxgit undo", "the last command that moved a name"),
        ("lxgit undo && lxgit undo --redo", "there and back"),
        ("lxgit undo --force", "also where a container has changed, or is on a branch that goes"),
    )
)
def undo(
    session: Session,
    redo: Annotated[bool, option("--redo", help="do again what was undone last")] = False,
    dry_run: Annotated[bool, option("-n", "--dry-run", help="only say what")] = False,
    force: Annotated[
        bool,
        option(
            "-f",
            "--force",
            help="a container that has changed since, too: that is kept; those of a branch that"
            " goes become detached; what gc took, or Git moved, is passed over",
        ),
    ] = False,
) -> None:
    """Undo the last command that moved HEAD, a branch, a tag or a container.

    That is commit, import, pull, branch, tag, rmi, checkout, reset, restore, stash and the like,
    with all that it moved; and again, the one before. A container whose commit is undone has its
    changes to commit again. What gc, prune and rm took does not come back, nor do volumes and
    settings: what moved nothing but a container that is gone is passed over, with a warning.
    """
    from lxgit.operations.undo import undo

    repository, who = session.repository(), session.identity()
    with session.progress() as progress:
        undone = undo(
            repository, redo=redo, dry_run=dry_run, force=force, identity=who, progress=progress
        )
    session.out.line(printable(_told(undone, redo=redo, dry_run=dry_run)))
    for container in undone.containers:
        tell_kept(session, container.name, container.kept)
    ends = "would be on no branch" if dry_run else "is on no branch now"
    for row in undone.detached:
        session.out.line(f"{container_name(row)} {ends}.")


def _told(undone: Undone, *, redo: bool, dry_run: bool) -> str:
    """In one line."""
    verb = ("Would undo", "Would redo") if dry_run else ("Undid", "Redid")
    what = [_move(move, undone.words) for move in undone.moves]
    what += [f"container {one.name} ({short_id(one.id)})" for one in undone.containers]
    return f"{verb[redo]} '{undone.message}': {', '.join(what) or 'nothing of it is left'}"


def _move(move: RefMove, words: Mapping[str, str]) -> str:
    known = words if move.name == "HEAD" else {}
    old, new = _value(move.old, known), _value(move.new, known)
    if move.new is None:
        return f"{move.name} is gone (was {old})"
    if move.old is None:
        return f"{move.name} is back at {new}"
    return f"{move.name} {old} -> {new}"


def _value(value: str | None, words: Mapping[str, str]) -> str:
    """A branch by its name, an id cut short behind what was checked out."""
    text = value or ""
    if text.startswith("refs/"):
        return text.removeprefix("refs/heads/")
    return f"{words[text]} ({short_id(text)})" if text in words else short_id(text)
