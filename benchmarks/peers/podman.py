"""Podman, with a store of its own on native overlay."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Void
from benchmarks.programs import Program, environment

if TYPE_CHECKING:
    from pathlib import Path


class Podman:
    """One store below `directory`, empty at first; nothing of the user's own Podman is used.

    With runc: crun refuses a host with hybrid cgroups.
    """

    def __init__(self, directory: Path) -> None:
        """Void when there is no Podman, or one that would not mount overlayfs itself."""
        program = shutil.which("podman")
        if program is None or shutil.which("runc") is None:
            raise Void("no podman with runc on this machine")
        directory.mkdir()
        options = {
            "--root": directory / "root",
            "--runroot": directory / "runroot",
            "--tmpdir": directory / "tmp",
            "--storage-driver": "overlay",
            "--runtime": "runc",
        }
        words = (program, *(f"{option}={value}" for option, value in options.items()))
        self.program = Program(words, _environment(directory))
        if reason := foreign_driver(json.loads(self.program.run("info", "--format=json"))):
            raise Void(reason)


def _environment(directory: Path) -> dict[str, str]:
    """Without the user's storage.conf, which may set a mount program or additional stores."""
    configuration = directory / "storage.conf"
    configuration.write_text('[storage]\ndriver = "overlay"\n')
    return {
        **environment(directory),
        "CONTAINERS_STORAGE_CONF": str(configuration),
        "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
    }


def foreign_driver(info: dict[str, Any]) -> str | None:
    """Why `podman info` tells of no native overlay: `vfs` copies, FUSE takes a detour."""
    store = info["store"]
    driver, options = store["graphDriverName"], store["graphOptions"]
    if driver != "overlay":
        return f"podman stores with {driver}, not with overlay"
    if "overlay.mount_program" in options:
        return "podman mounts through FUSE, not natively"
    return None
