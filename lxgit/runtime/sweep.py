"""Clearing up after supervisors that were killed: what no process holds, and no reboot took."""

from __future__ import annotations

from lxgit.runtime import cgroups, lxc, rundir


def sweep() -> list[str]:
    """Take down what abandoned containers left on this host; their ids.

    A container whose supervisor was killed has died with it; its control groups, its directory in
    /run/lxgit and LXC's lock file remain. Cheap when there is nothing: one directory is read.
    """
    swept = []
    for container in rundir.abandoned():
        cgroups.remove(container)
        lxc.remove_lock(container, rundir.CONTAINERS)
        _leave_bridges(container)
        swept.append(container)
    return swept


def _leave_bridges(container: str) -> None:
    from lxgit.runtime.network import joining  # rare, and costly to import

    joining.sweep(container)
