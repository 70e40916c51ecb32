"""A supervisor that the kernel refuses something while it serves: strace(1) has it do so."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import cgroups
from lxgit.runtime.attach import connect
from lxgit.runtime.config import EXITED
from lxgit.runtime.health import HealthCheck
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.wanted import WantedCommand
from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.processes import grandchildren
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.attach import Session
    from lxgit.runtime.containers import Container
    from lxgit.runtime.setup import AfterExit
    from tests.runtime.conftest import Machine

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]

SCRIPT = "trap 'echo heard' USR1; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def container(machine: Machine) -> Container:
    return machine.create("sh", "-c", SCRIPT)


@contextlib.contextmanager
def refused(container: Container, call: str) -> Iterator[None]:
    """Have the next such call of the supervisor fail for want of memory."""
    if reason := lacks_program("strace"):
        unable(reason)
    wait_until(lambda: b"ready" in (container.path / "log").read_bytes())
    options = ("-o", "/dev/null", f"--trace={call}", f"--inject={call}:error=ENOMEM:when=1")
    command = ("strace", *options, "-p", str(container.state.supervisor))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        try:
            yield
        finally:
            tracer.terminate()


@pytest.fixture
def after_exit(container: Container, scratch: Path) -> AfterExit:
    """Write down which control groups there are then."""

    def note(*, is_locked: bool, is_abandoned: bool) -> None:
        assert (is_locked, is_abandoned) == (True, False)
        (scratch / "left").write_text(repr(cgroups.groups_of(container.id)))

    return note


def ended_in_order(container: Container, session: Session, scratch: Path) -> None:
    """The container had ended before all was done and told that is after any other end."""
    with pytest.raises(StartFailed, match="kept running: cannot allocate memory"):
        session.wait()
    assert (scratch / "left").read_text() == "[]"
    assert (container.state.status, container.state.exit_code) == (EXITED, 125)


def test_output_that_it_cannot_read(
    machine: Machine, container: Container, after_exit: AfterExit, scratch: Path
) -> None:
    with (
        machine.start(container, after_exit=after_exit) as session,
        refused(container, "read"),
        connect(container.path) as other,
    ):
        other.send_signal(signal.SIGUSR1)  # which it answers
        ended_in_order(container, session, scratch)


def test_a_command_whose_last_words_it_cannot_read(
    machine: Machine, container: Container, after_exit: AfterExit, scratch: Path
) -> None:
    """It has been waited for by then, and is there no more."""
    script = "trap 'sleep 600 & exit 3' USR1; echo > /up; while :; do sleep 0.05; done"
    with (
        machine.start(container, after_exit=after_exit) as session,
        connect(container.path) as joined,
    ):
        joined.execute(WantedCommand(("sh", "-c", script)))
        wait_until((container.upper / "up").exists)
        state = container.state
        assert state.supervisor is not None
        (command,) = grandchildren(state.supervisor) - {state.pid}
        with refused(container, "read"):
            os.kill(command, signal.SIGUSR1)
            ended_in_order(container, session, scratch)


def test_a_fault_of_its_own(machine: Machine, scratch: Path) -> None:
    """It has a value that is none: the container ends in order all the same."""
    check = HealthCheck(("true",), interval=0.05, timeout="soon")  # type: ignore[arg-type]
    container = machine.create("sleep", "600", health=check)

    def note(*, is_locked: bool, is_abandoned: bool) -> None:
        assert (is_locked, is_abandoned) == (True, False)
        (scratch / "left").write_text(repr(cgroups.groups_of(container.id)))

    with (
        machine.start(container, after_exit=note, record_is_locked=True) as session,
        pytest.raises(StartFailed, match="could not be kept running: TypeError: "),
    ):
        session.wait()
    assert (scratch / "left").read_text() == "[]"
    assert (container.state.status, container.state.exit_code) == (EXITED, 125)
