"""Locks of refs that somebody has left who was killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from lxgit.objects.filelock import FileLock
from tests.objects.conftest import BASE, put

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.refs import RefStore


def test_one_that_was_killed_below_is_in_no_way(
    refs: RefStore, git_dir: Path, commits: list[ObjectID]
) -> None:
    killed = os.fork()
    if not killed:
        with FileLock(f"{git_dir}/{BASE}/below", str(git_dir)):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(killed, 0)
    assert (git_dir / f"{BASE}/below.lock").exists()
    put(refs, BASE, commits[0])
    assert refs.read(BASE) == commits[0]
