"""A supervisor that may open no more files: who wants something of it waits or is told why not.

Its container goes on.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import handover
from lxgit.runtime.rundir import CONTAINERS
from tests.cli.test_ports import echoed
from tests.conftest import unable
from tests.support import rlimits
from tests.support.machine import lacks_program
from tests.support.peers import ECHO, SERVE, curl, said
from tests.support.processes import stat_of
from tests.support.program import PROGRAM
from tests.support.rlimits import descriptors_left, descriptors_of
from tests.support.stores import find
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.containers import Container
    from lxgit.runtime.health import HealthResult
    from tests.support.peers import Peer
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

_MOMENT = 0.6  # seconds in which a command comes to the supervisor, which tries again every 0.1
_IDLE = 0.05  # seconds of the processor at most, of so long


@pytest.fixture
def boxed(based: Lxgit) -> Iterator[Lxgit]:
    """A store with a container `box` that runs, and still does at the end."""
    pid = start(based, "--network", "none", "base", "sleep", "600")
    yield based
    ends(based, pid)


def start(lxgit: Lxgit, *words: str) -> int:
    """Start a container `box`; its supervisor, which has seen by now that the command is gone."""
    lxgit("run", "-d", "--name", "box", *words)
    pid = supervisor(lxgit)
    wait_until(lambda: stat_of(pid)[0] == "S")
    return pid


def ends(lxgit: Lxgit, pid: int) -> None:
    """It has lived until now."""
    assert supervisor(lxgit) == pid
    lxgit("rm", "-f", "box")


def supervisor(lxgit: Lxgit) -> int:
    pid = box(lxgit).state.supervisor
    assert pid is not None
    return pid


def box(lxgit: Lxgit) -> Container:
    return find(lxgit.store / "containers", "box")


def answered(lxgit: Lxgit, left: int, *command: str | Path) -> str:
    """What a command prints that waits, idly, while the supervisor has so many descriptors left."""
    pid = supervisor(lxgit)
    environment = lxgit.environment()
    with descriptors_left(pid, left):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        time.sleep(_MOMENT)
        before, begin = processor_time(pid), time.monotonic()
        time.sleep(_MOMENT)
        moments = (time.monotonic() - begin) / _MOMENT
        assert processor_time(pid) - before < _IDLE * moments
        assert process.poll() is None
    with process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out


def processor_time(pid: int) -> float:
    """Seconds that a process has had so far."""
    fields = stat_of(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("left", [0, 1])
def test_a_copy_waits(boxed: Lxgit, left: int) -> None:
    """With one there would be one for the connection, but none for the root."""
    assert "root:" in answered(boxed, left, PROGRAM, "cp", "box:/etc/passwd", "-")


def test_a_signal_waits(boxed: Lxgit) -> None:
    assert answered(boxed, 0, PROGRAM, "kill", "--signal", "CONT", "box") == "box\n"


@pytest.mark.parametrize("left", [0, 1])
def test_a_connection_to_a_port_waits(based: Lxgit, peer: Peer, left: int) -> None:
    pid = start(based, "-p", "80", "base", *SERVE)
    before = descriptors_of(pid)
    assert said(*curl("127.0.0.1", 49153)) == "hello\n"
    wait_until(lambda: descriptors_of(pid) == before)
    assert answered(based, left, *curl("127.0.0.1", 49153)) == "hello\n"
    ends(based, pid)


def test_a_datagram_is_lost(based: Lxgit, peer: Peer) -> None:
    pid = start(based, "-p", "53/udp", *ECHO)
    with descriptors_left(pid, 0), socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.sendto(b"ping", ("127.0.0.1", 49153))
        time.sleep(_MOMENT)
    assert echoed("127.0.0.1", 49153)
    ends(based, pid)


def test_a_neighbour_is_known_later(based: Lxgit, peer: Peer) -> None:
    pid = start(based, "base", "sleep", "600")
    with descriptors_left(pid, 0):
        based("run", "-d", "--name", "next", "base", "sleep", "600")
        time.sleep(_MOMENT)
    wait_until(lambda: "next" in based("exec", "box", "cat", "/etc/hosts").out)
    based("rm", "-f", "next")
    ends(based, pid)


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_command_that_cannot_join_is_told_why(boxed: Lxgit, left: int) -> None:
    """With one the supervisor cannot even read the module that would have it join."""
    with descriptors_left(supervisor(boxed), left):
        refused = boxed("exec", "box", "true", code=125)
    assert refused.err.endswith("too many open files\nhint: raise the limit: ulimit -n\n")
    boxed("exec", "box", "true")


def test_a_client_at_its_own_limit(boxed: Lxgit) -> None:
    """It has one for the connection, and none for the root that comes with it."""
    directory = CONTAINERS / box(boxed).id
    os.close(handover.receive(directory))
    free = os.dup(0)
    os.close(free)
    with rlimits.open_files(free + 1), pytest.raises(OSError, match="Too many open files"):
        handover.receive(directory)


def test_a_connection_that_is_refused_otherwise(boxed: Lxgit) -> None:
    """Which does not mean that nobody is there to connect to."""
    if reason := lacks_program("strace"):
        unable(reason)
    traced = ("strace", "-o", "/dev/null", "--trace=connect", "--inject=connect:error=EACCES")
    done = subprocess.run(
        [*traced, PROGRAM, "kill", "box"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=boxed.environment(),
    )
    assert done.returncode == 1
    assert "permission denied" in done.stderr


def test_a_health_check_that_cannot_be_made_has_failed(based: Lxgit) -> None:
    check = ("--health-cmd", "true", "--health-interval", "500ms")
    pid = start(based, "--network", "none", *check, "base", "sleep", "600")
    wait_until(lambda: 125 in codes_after_a_moment(based, pid))  # one may take longer than that
    wait_until(lambda: 0 in codes(based))
    ends(based, pid)


def codes_after_a_moment(lxgit: Lxgit, pid: int) -> set[int]:
    """What they have ended with after a moment without descriptors; only later that is known."""
    with descriptors_left(pid, 0):
        time.sleep(_MOMENT)
    before = latest(lxgit)
    wait_until(lambda: latest(lxgit) != before)
    return codes(lxgit)


def latest(lxgit: Lxgit) -> HealthResult | None:
    health = box(lxgit).state.health
    return health.log[-1] if health is not None and health.log else None


def codes(lxgit: Lxgit) -> set[int]:
    """What the latest checks of the container's health have ended with."""
    health = box(lxgit).state.health
    return {one.exit_code for one in health.log} if health is not None else set()
