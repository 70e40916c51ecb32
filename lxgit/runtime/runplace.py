"""Where the directory of what runs is (rundir.py), a supervisor in it, and in which boot.

Whoever only wants to talk to a supervisor loads no more than this.
"""

from __future__ import annotations

import os

from lxgit.lean import cache


def run_directory() -> str:
    """`/run/lxgit`, or an ordinary user's own; before and after `rootless.enter` the same."""
    if os.stat("/run").st_uid == os.geteuid():
        return "/run/lxgit"
    from lxgit.runtime import rootless

    user = rootless.user()
    lasting, of_session = f"/tmp/lxgit-{user}", f"/run/user/{user}"  # noqa: S108
    if os.path.isdir(of_session) and not _is_ours(lasting):
        return f"{of_session}/lxgit"
    return lasting


def _is_ours(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except FileNotFoundError:
        return False


@cache
def kernel_boot() -> str:
    """This boot's random id (random(4), /proc/sys/kernel/random/boot_id)."""
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        return file.read().strip()


def socket_path(container: str) -> str:
    """Where a running container's supervisor listens: 87 bytes, of 108 that unix(7) takes."""
    return f"{run_directory()}/c/{container}/attach"
