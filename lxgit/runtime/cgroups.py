"""Control groups: which hierarchies there are, and clearing up what a killed supervisor left.

LXC puts a container in `lxc.payload.NAME` and its monitor in `lxc.monitor.NAME`, at the top of
every hierarchy (src/lxc/cgroups/cgfsng.c), and removes both at the end. Nobody does when LXC is
killed. Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PREFIXES = ("lxc.payload", "lxc.monitor")


def hierarchies() -> list[Path]:
    """Where each hierarchy is mounted: one of version 2, or those of version 1, or both kinds."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            fields = line.split(" ")
            if fields[fields.index("-", 6) + 1] in ("cgroup", "cgroup2"):
                found.append(Path(fields[4]))
    return found


def of_container(container: str) -> list[Path]:
    """The control groups of one container and of its monitor, in every hierarchy."""
    return [
        path
        for top in hierarchies()
        for prefix in _PREFIXES
        if (path := top / f"{prefix}.{container}").is_dir()
    ]


def remove(container: str, seconds: float = 5) -> None:
    """Kill what is left in a container's control groups and remove them.

    What cannot be killed within `seconds`, in an uninterruptible wait say, keeps its group: the
    next sweep finds it.
    """
    end = time.monotonic() + seconds
    while groups := of_container(container):
        for group in groups:
            _kill(group)
            _remove_empty(group)
        if time.monotonic() > end:
            return
        if of_container(container):
            time.sleep(0.01)


def _kill(group: Path) -> None:
    for directory, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            for pid in Path(directory, "cgroup.procs").read_text("ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _remove_empty(group: Path) -> None:
    """Remove a group and those in it, deepest first; one with processes stays for now."""
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
