"""A supervisor that the kernel refuses something while it serves: strace(1) has it do so."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import cgroups
from lxgit.runtime.attach import connect
from lxgit.runtime.config import EXITED
from lxgit.runtime.protocol import StartFailed
from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.containers import Container
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


def test_a_fault_of_its_own_ends_the_container_first(
    machine: Machine, container: Container, scratch: Path
) -> None:
    """Then all is done and told that is after any other end."""
    left = scratch / "left"

    def after_exit(*, is_locked: bool) -> None:
        assert is_locked
        left.write_text(repr(cgroups.groups_of(container.id)))

    with (
        machine.start(container, after_exit=after_exit) as session,
        refused(container, "read"),
        connect(container.path) as other,
    ):
        other.send_signal(signal.SIGUSR1)  # it answers with output that cannot be read
        with pytest.raises(StartFailed, match="kept running: cannot allocate memory"):
            session.wait()
    assert left.read_text() == "[]"
    assert (container.state.status, container.state.exit_code) == (EXITED, 125)
