"""A signal to a command that joins a container, and that LXC has not executed yet."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime.attach import connect
from lxgit.runtime.freezer import set_frozen
from lxgit.runtime.wanted import WantedCommand
from tests.support.processes import grandchildren
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.runtime.conftest import Machine

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_waits_for_the_command(machine: Machine, number: int) -> None:
    """What LXC has by then is a helper, without which the command ends with any code."""
    container = machine.create("sleep", "600")
    with machine.start(container) as session, connect(container.path) as joined:
        pid = container.state.supervisor
        assert pid is not None
        set_frozen(container.id, frozen=True)  # who comes to join it stands still as well
        joined.execute(WantedCommand(("sleep", "600")))
        wait_until(lambda: grandchildren(pid) - {container.state.pid})
        joined.send_signal(number)
        set_frozen(container.id, frozen=False)
        assert joined.wait() == 128 + number
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 128 + signal.SIGKILL
