"""`info`: the store, the host, and whether all is there that containers want."""

from __future__ import annotations

import os
from pathlib import Path

from lxgit import __version__
from lxgit.operations.containerrows import ContainerStatus
from lxgit.operations.containers import list_containers
from lxgit.operations.hostchecks import all_checks, file_system
from lxgit.operations.images import list_images, names_by_id
from lxgit.runtime.hierarchies import hierarchies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lxgit.repository import Repository


def host_info(store: Path, repository: Repository | None) -> dict[str, Any]:
    """Everything, with Docker's keys where it has them. `repository` is None where none is yet."""
    rows = [] if repository is None else list_containers(repository, everything=True).rows
    states = [row.state for row in rows]
    images = {} if repository is None else names_by_id(list_images(repository))
    running, paused = states.count(ContainerStatus.RUNNING), states.count(ContainerStatus.PAUSED)
    versions = {hierarchy.version for hierarchy in hierarchies()}
    return {
        "Containers": len(rows),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(rows) - running - paused,
        "Images": len(images),
        "ServerVersion": __version__,
        "LxgitRootDir": str(store),
        "Driver": "overlay",
        "BackingFilesystem": file_system(store)[1],
        "CgroupVersion": "2" if versions == {2} else "1",
        "KernelVersion": os.uname().release,
        "OperatingSystem": _system(),
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "Name": os.uname().nodename,
        "Checks": [
            {"Name": one.name, "Fine": one.fine, "Told": one.told, "Hint": one.hint}
            for one in all_checks(store)
        ],
    }


def _system() -> str:
    """What os-release(5) calls it."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "Linux"
    for line in text.splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip("\"'")
    return "Linux"
