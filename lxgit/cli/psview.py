"""Containers as `ps` shows them, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.cli.human import ago, iso_date
from lxgit.cli.tables import short_id, write_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.cli.output import Output
    from lxgit.operations.values import ContainerRow

_HEAD = ("ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
_COMMAND_WIDTH = 20  # as Docker cut it in 2013


def write_containers(out: Output, rows: Iterable[ContainerRow], *, no_trunc: bool) -> None:
    """The table of `ps`."""
    write_table(out, _HEAD, [_cells(row, no_trunc=no_trunc) for row in rows])


def _cells(row: ContainerRow, *, no_trunc: bool) -> tuple[str, ...]:
    command = " ".join(row.command)
    return (
        short_id(row.id, whole=no_trunc),
        row.image,
        command if no_trunc else command[:_COMMAND_WIDTH],
        ago(row.created),
        state(row),
        ", ".join(row.ports),
        row.name,
    )


def state(row: ContainerRow) -> str:
    """`Up 21 seconds`, `Exit 0`, `Created`; `Lost` when its supervisor died."""
    if row.state.value == "running":
        return f"Up {ago(row.started or row.created).removesuffix(' ago')}"
    if row.state.value == "created":
        return "Created"
    return "Lost" if row.exit_code is None else f"Exit {row.exit_code}"


def container_fields(row: ContainerRow) -> dict[str, object]:
    """A container for JSON; times in ISO 8601, UTC."""
    return {
        "id": row.id,
        "name": row.name,
        "image": row.image,
        "branch": row.branch,
        "commit": row.commit,
        "command": list(row.command),
        "created": _when(row.created),
        "status": row.state.value,
        "started": _when(row.started),
        "finished": _when(row.finished),
        "exit_code": row.exit_code,
        "ports": list(row.ports),
    }


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso_date(int(moment), 0)
