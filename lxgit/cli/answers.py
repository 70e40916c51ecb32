"""Sentences that several commands answer with."""

from __future__ import annotations

from lxgit.cli.report import printable
from lxgit.cli.tables import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.cli.output import Output
    from lxgit.cli.session import Session
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import RemovedRef


def write_removed(out: Output, removed: Iterable[RemovedRef]) -> None:
    """What was deleted, and where it was: enough to make it again."""
    for ref in removed:
        out.line(f"Deleted {ref.kind.value} {printable(ref.name)} (was {short_id(ref.oid)}).")
        for container in ref.detached:
            out.line(f"{container_name(container)} is on no branch now.")


def tell_dropped(session: Session, name: str, oid: str | None) -> None:
    """Where a branch or a tag was that was moved, if no name has that now; `tag 'v1'`."""
    if oid is not None:
        session.note(
            f"the {name} was {short_id(oid)}, which no name leads to now",
            hint=f"'lxgit branch NEW {short_id(oid)}' gives it one",
        )


def container_name(row: ContainerRow) -> str:
    """A container in a sentence: `Container web (4637bc634170)`."""
    return f"Container {row.name} ({short_id(row.id)})"
