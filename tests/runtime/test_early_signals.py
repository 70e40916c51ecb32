"""A signal to a command that joins a container, and that LXC has not executed yet."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import attachment
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


def test_one_that_comes_while_a_client_gets_ready_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor one that comes when it has done."""
    inner, heard = signal.set_wakeup_fd, list[int]()

    def beside(fd: int, **more: bool) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return inner(fd, **more)

    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        monkeypatch.setattr(signal, "set_wakeup_fd", beside)
        with attachment._caught(signal.SIGUSR1) as descriptor, suppress(BlockingIOError):
            heard += os.read(descriptor, 100)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == [signal.SIGUSR1] * 2
