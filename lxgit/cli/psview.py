"""Containers as `ps` shows them, and as JSON."""

from __future__ import annotations

from lxgit.cli.human import ago, iso_date, size, utc_date
from lxgit.cli.tables import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.containerrows import ContainerRow

HEAD = {
    "ID": "ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Size": "SIZE",
    "CreatedAt": "CREATED AT",
    "State": "STATE",
    "Labels": "LABELS",
    "Label": "LABEL",
    "Mounts": "MOUNTS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Networks": "NETWORKS",
}
"""What a template can ask for, and the head of its column."""

COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_COMMAND_WIDTH = 20  # as Docker cut it in 2013


def template_fields(row: ContainerRow, *, no_trunc: bool) -> dict[str, object]:
    """A container for a template: the names of Docker's, as in HEAD."""
    command = " ".join(row.command)
    labels = dict(label.partition("=")[::2] for label in row.labels)
    return {
        "ID": short_id(row.id, whole=no_trunc),
        "Image": row.image,
        "Command": command if no_trunc else command[:_COMMAND_WIDTH],
        "RunningFor": ago(row.created),
        "Status": state(row),
        "Ports": ", ".join(row.ports),
        "Names": row.name,
        "Size": _sizes(row),
        "CreatedAt": utc_date(int(row.created)),
        "State": row.state.value,
        "Labels": ",".join(row.labels),
        "Label": lambda name: labels.get(name, ""),
        "Mounts": ",".join(row.mounts),
        "LocalVolumes": str(len(row.volumes)),
        "Networks": ",".join(row.networks),
    }


def _sizes(row: ContainerRow) -> str:
    """`5 B (virtual 95 MB)`: what the container wrote, and all that it has."""
    if row.size is None or row.virtual_size is None:
        return ""
    return f"{size(row.size)} (virtual {size(row.virtual_size)})"


def state(row: ContainerRow) -> str:
    """`Up 21 seconds`, `Exit 0`, `Created`; `Lost` where its files do not say."""
    if row.runs:
        up = f"Up {ago(row.started or row.created).removesuffix(' ago')}"
        if row.state.value == "paused":
            return f"{up} (Paused)"
        health = "health: starting" if row.health == "starting" else row.health
        return f"{up} ({health})" if health else up
    if row.state.value == "created":
        return "Created"
    if row.state.value == "restarting":
        return f"Restarting ({row.exit_code}) {ago(row.finished or row.created)}"
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
        "labels": dict(label.partition("=")[::2] for label in row.labels),
        "networks": list(row.networks),
        **({} if row.size is None else {"size": row.size, "virtual_size": row.virtual_size}),
    }


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso_date(int(moment), 0)
