"""Sentences that several commands answer with."""

from __future__ import annotations

from lxgit.cli.tables import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.cli.output import Output
    from lxgit.operations.values import ContainerRow, RemovedRef


def write_removed(out: Output, removed: Iterable[RemovedRef]) -> None:
    """What was deleted, and where it was: enough to make it again."""
    for ref in removed:
        out.line(f"Deleted {ref.kind.value} {ref.name} (was {short_id(ref.oid)}).")
        for container in ref.detached:
            out.line(f"{container_name(container)} is on no branch now.")


def container_name(row: ContainerRow) -> str:
    """A container in a sentence: `Container web (4637bc634170)`."""
    return f"Container {row.name} ({short_id(row.id)})"
