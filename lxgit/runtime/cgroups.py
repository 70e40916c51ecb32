"""The control groups of containers, and clearing up what a killed supervisor left.

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

from lxgit.runtime import rootless
from lxgit.runtime.hierarchies import PAYLOAD, Hierarchy, hierarchies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIXES = (PAYLOAD, "lxc.monitor")
_MOST_ALIKE = 1000  # as LXC has it (cgfsng_monitor_create, cgfsng.c)


def hierarchies_of(container: str) -> list[Hierarchy]:
    """Those that a container that runs has its groups in, with the place where they are.

    An ordinary user's has one at most, if a group has been given to the user (delegation.py).
    """
    if not rootless.is_active():
        return hierarchies()
    from lxgit.runtime import delegation

    return delegation.given_to(container)


def controllers_of(container: str) -> dict[str, Hierarchy]:
    """The hierarchy that each controller of a container is in; a controller is in one only."""
    return {name: one for one in hierarchies_of(container) for name in one.controllers}


def groups_of(container: str) -> list[Path]:
    """What is a container's alone: its own group and its monitor's, in every hierarchy.

    An ordinary user's has both in one that was made for it.
    """
    found = hierarchies_of(container)
    if rootless.is_active():
        return [one.top for one in found if one.top.is_dir()]
    tops = [f"{one.top}/{prefix}.{container}" for one in found for prefix in _PREFIXES]
    return [group for top in tops for group in _like(top)]


def _like(group: str) -> Iterator[Path]:
    """The groups that there are of that name, with the numbers that LXC appends where one is."""
    if os.path.isdir(group):
        yield Path(group)
    for number in range(1, _MOST_ALIKE):
        if not os.path.isdir(f"{group}-{number}"):
            return
        yield Path(f"{group}-{number}")


def remove(container: str, tries: int = 500) -> None:
    """Kill what is left in a container's control groups and remove them.

    What cannot be killed, in an uninterruptible wait say, keeps its group after five seconds: so
    many `tries`, for on a machine that has stood still the time is no measure.
    """
    left: set[Path] = set()
    for _ in range(tries):
        # With those that were found before: of numbers with a gap between them `_like` sees one.
        left = {group for group in left.union(groups_of(container)) if group.is_dir()}
        for group in left:
            _kill(group)
            _thaw(group)
            _remove_empty(group)
        if not any(group.is_dir() for group in left):
            return
        time.sleep(0.01)


def _kill(group: Path) -> None:
    for directory, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            for pid in Path(directory, "cgroup.procs").read_text("ascii").split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _thaw(group: Path) -> None:
    """Have a frozen group of version 1 die of its signal (freezer-subsystem.rst)."""
    with contextlib.suppress(OSError):
        (group / "freezer.state").write_text("THAWED", "ascii")


def _remove_empty(group: Path) -> None:
    """Remove a group and those in it, deepest first; one with processes stays for now."""
    for directory, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
