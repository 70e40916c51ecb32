"""The command `history`."""

from __future__ import annotations

from lxgit.cli.formats import write_listing
from lxgit.cli.human import ago, iso_date, size
from lxgit.cli.options import NoTrunc, Quiet, check_quiet, format_option
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.cli.tables import short_id, write_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.imagehistory import Step

_HEAD = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
    "CreatedAt": "CREATED AT",
}
_COLUMNS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
_WIDTH = 45  # of what a command or a comment may take, as in Docker


@command(
    examples=(
        ("lxgit history base", ""),
        ("lxgit history -q --no-trunc base", "whole ids alone"),
        ("lxgit history --format '{{.ID}} {{.CreatedBy}}' base", ""),
        ("lxgit history --format json base", "for programs"),
    )
)
def history(
    session: Session,
    image: Annotated[str, argument("IMAGE", help="a name or an id", completes="image")],
    quiet: Quiet = False,
    no_trunc: NoTrunc = False,
    human: Annotated[
        bool, option("-H", "--human", help="sizes and times as people read them; =false not")
    ] = True,
    format_: Annotated[str, format_option("ID")] = "table",
) -> None:
    """Show how an image came to be, commit by commit along first parents.

    CREATED BY is what ran in the container that was committed; SIZE what the commit brought in.
    """
    from lxgit.operations.imagehistory import image_history

    check_quiet(format_, quiet=quiet)
    steps = image_history(session.repository(), image)
    if quiet:
        write_ids(session.out, (step.oid for step in steps), whole=no_trunc)
        return
    write_listing(
        session.out,
        format_,
        (_told(step, no_trunc=no_trunc, human=human) for step in steps),
        head=_HEAD,
        columns=_COLUMNS,
        fields=map(_fields, steps),
    )


def _told(step: Step, *, no_trunc: bool, human: bool) -> dict[str, str]:
    created = iso_date(step.created, 0)
    return {
        "ID": short_id(step.oid, whole=no_trunc),
        "CreatedSince": ago(step.created) if human else created,
        "CreatedBy": step.command if no_trunc else _cut(step.command),
        "Size": size(step.size) if human else str(step.size),
        "Comment": step.comment if no_trunc else _cut(step.comment),
        "CreatedAt": created,
    }


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _fields(step: Step) -> dict[str, object]:
    return {
        "id": step.oid,
        "created": iso_date(step.created, 0),
        "created_by": step.command,
        "size": step.size,
        "comment": step.comment,
    }
