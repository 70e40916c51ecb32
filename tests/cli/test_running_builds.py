"""Builds while they run: several at once, beside `builder prune`, and ended by a signal."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from lxgit.processes import libc
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_several_builds_at_once(based: Lxgit, context: Path) -> None:
    """They agree on what a step has come to; the name is the last one's."""
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x; date >/date\nLABEL a=1\n")
    words = [
        str(PROGRAM),
        "build",
        "--network",
        "none",
        "--no-cache",
        "-q",
        "-t",
        "web",
        str(context),
    ]
    running = [
        subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) for _ in range(3)
    ]
    made = {one.communicate()[0] for one in running}
    assert [one.returncode for one in running] == [0, 0, 0]
    assert based("rev-parse", "web").out.encode() in made
    assert not based("fsck").err


def test_what_a_running_build_relies_on_is_not_forgotten(based: Lxgit, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM base\nLABEL a=1\n")
    based("build", "-q", context)
    (context / "Dockerfile").write_text("FROM base\nLABEL a=1\nRUN echo x >/x; sleep 1000\n")
    words = [str(PROGRAM), "build", "--network", "none", str(context)]
    with subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) as process:
        wait_until(lambda: based("ps", "-q").lines != [])
        refused = based("builder", "prune", "-a", "-f", code=1).err
        process.terminate()
    assert f"in use by process {process.pid} (" in refused
    wait_until(lambda: "Forgot 1 steps" in based("builder", "prune", "-a", "-f", code=None).out)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_build_that_is_ended_leaves_nothing(
    based: Lxgit, context: Path, number: signal.Signals
) -> None:
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x; sleep 1000\n")
    words = [os.fspath(word) for word in (PROGRAM, "build", "--network", "none", context)]
    with subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) as process:
        wait_until(lambda: based("ps", "-q").lines != [])
        process.send_signal(number)
    wait_until(lambda: based("ps", "-aq").lines == [])
    (context / "Dockerfile").write_text("FROM base\nRUN echo x >/x\n")
    made = based("build", "--network", "none", "-q", context).out.strip()
    assert based("run", "--rm", "--network", "none", made, "cat", "/x").out == "x\n"
    based("prune")
    assert not [name for name in os.listdir(based.store / "tmp") if name.startswith("owner-")]
    assert not based("fsck").err


def test_a_build_whose_lock_outlives_it_leaves_nothing(based: Lxgit, context: Path) -> None:
    """As its children may have it when its connection to the container has ended already."""
    (context / "Dockerfile").write_text("FROM base\nRUN sleep 1000\n")
    words = [os.fspath(word) for word in (PROGRAM, "build", "--network", "none", context)]
    with subprocess.Popen(words, env=based.environment(), stdout=subprocess.PIPE) as process:
        wait_until(lambda: based("ps", "-q").lines != [])
        lock = _taken(process.pid, f"{based.store}/tmp/owner-")
        process.kill()
    try:
        wait_until(lambda: based("ps", "-q").lines == [])
        assert len(based("ps", "-aq").lines) == 1
    finally:
        os.close(lock)
    wait_until(lambda: based("ps", "-aq").lines == [])


def _taken(pid: int, prefix: str) -> int:
    """A descriptor of what another process has open, its lock included, by how its path begins."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed since it was listed
            if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(prefix):
                found.append(int(fd))
    (number,) = found
    process = os.pidfd_open(pid)
    try:
        taken: int = libc().syscall(438, process, number, 0)  # pidfd_getfd(2)
    finally:
        os.close(process)
    if taken < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return taken
