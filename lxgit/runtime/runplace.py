"""Where the directory of what runs is (rundir.py), and a supervisor in it.

Whoever only wants to talk to a supervisor loads no more than this.
"""

from __future__ import annotations

import os


def run_directory() -> str:
    """`/run/lxgit`, or an ordinary user's own; before and after `rootless.enter` the same."""
    if os.stat("/run").st_uid == os.geteuid():
        return "/run/lxgit"
    from lxgit.runtime import rootless

    user = rootless.user()
    of_session = f"/run/user/{user}"
    return f"{of_session}/lxgit" if os.path.isdir(of_session) else f"/tmp/lxgit-{user}"  # noqa: S108


def socket_path(container: str) -> str:
    """Where a running container's supervisor listens: 87 bytes, of 108 that unix(7) takes."""
    return f"{run_directory()}/c/{container}/attach"
