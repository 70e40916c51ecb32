"""Where the directory of what runs is (rundir.py), a supervisor in it, and in which boot.

Whoever only wants to talk to a supervisor loads no more than this.
"""

from __future__ import annotations

import functools
import os


def run_directory() -> str:
    """`/run/lxgit`, or an ordinary user's own; before and after `rootless.enter` the same."""
    if os.stat("/run").st_uid == os.geteuid():
        return "/run/lxgit"
    from lxgit.runtime import rootless

    user = rootless.user()
    of_session = f"/run/user/{user}"
    return f"{of_session}/lxgit" if os.path.isdir(of_session) else f"/tmp/lxgit-{user}"  # noqa: S108


@functools.cache
def kernel_boot() -> str:
    """This boot's random id (random(4), /proc/sys/kernel/random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def socket_path(container: str) -> str:
    """Where a running container's supervisor listens: 87 bytes, of 108 that unix(7) takes."""
    return f"{run_directory()}/c/{container}/attach"
