"""Freezing: every process of a container stands still until it is thawed.

Version 2 of control groups has `cgroup.freeze` in every group (cgroup-v2.rst, "Core Interface
Files"), and a process that is killed there dies all the same. Version 1 has a hierarchy for it
(freezer-subsystem.rst), where a killed process dies when it is thawed. A hybrid host has both, and
one is enough.
"""

from __future__ import annotations

import contextlib
import time

from lxgit.errors import LxgitError
from lxgit.runtime import cgroups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

_PATIENCE = 30  # seconds; a process in an uninterruptible wait freezes after it
_PAUSE = 0.002


class CannotFreeze(LxgitError):
    """The container did not come to a standstill."""


def set_frozen(container: str, *, frozen: bool) -> None:
    """Have a container freeze or thaw; returns at once. OSError as the kernel has it."""
    group = _group(container)
    if group is None:
        return
    if (file := group / "cgroup.freeze").exists():
        file.write_text("1" if frozen else "0", "ascii")
    else:
        (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED", "ascii")


def is_frozen(container: str) -> bool:
    """Whether every process of the container stands still."""
    group = _group(container)
    if group is None:
        return False
    with contextlib.suppress(FileNotFoundError):
        return "frozen 1" in (group / "cgroup.events").read_text("ascii").splitlines()
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        return (group / "freezer.state").read_text("ascii") == "FROZEN\n"
    return False


def require(container: str) -> None:
    """CannotFreeze where a container that runs cannot be frozen."""
    if not cgroups.hierarchies_of(container):
        from lxgit.runtime.delegation import SERVICE

        raise CannotFreeze(
            "no control group was given to you for the container, so it cannot be made to stand"
            " still",
            hint=f"'lxgit commit --pause=false' does without; or start it by {SERVICE}",
        )


def wait_until_frozen(container: str) -> None:
    """Until a container that was told to freeze stands still. CannotFreeze when it does not."""
    end = time.monotonic() + _PATIENCE
    while not is_frozen(container):
        if time.monotonic() > end or _group(container) is None:
            raise CannotFreeze(
                f"container {container[:12]} cannot be frozen",
                hint="its control group has no freezer, or a process of it waits for a device",
            )
        time.sleep(_PAUSE)


def _group(container: str) -> Path | None:
    """The container's control group in a hierarchy that can freeze it; version 2 if there is."""
    groups = [one.group(container) for one in cgroups.hierarchies_of(container)]
    for name in ("cgroup.freeze", "freezer.state"):
        for group in groups:
            if (group / name).exists():
                return group
    return None


class Stillness:
    """Who wants a running container to stand still: `pause`, and whoever looks at its files."""

    def __init__(self, container: str) -> None:
        self._container = container
        self._holders: set[Hashable] = set()
        self._paused = False

    def pause(self, *, paused: bool) -> None:
        """Stand still until the opposite is said."""
        self._paused = paused
        self._apply()

    def hold(self, holder: Hashable) -> None:
        """Stand still for somebody, until they let go."""
        self._holders.add(holder)
        self._apply()

    def release(self, holder: Hashable) -> None:
        """Somebody lets go, or has gone."""
        if holder in self._holders:
            self._holders.remove(holder)
            self._apply()

    def _apply(self) -> None:
        with contextlib.suppress(OSError):  # who waits for it will see; or it has just ended
            set_frozen(self._container, frozen=self._paused or bool(self._holders))
