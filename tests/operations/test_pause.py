"""Containers that stand still, and what can be done with them meanwhile."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.operations import finding
from lxgit.operations.containerroot import opened_root
from lxgit.operations.containers import list_containers, remove_container
from lxgit.operations.executing import Streams, WantedCommand, execute
from lxgit.operations.launching import start_detached
from lxgit.operations.pausing import NotPaused, held, pause, unpause
from lxgit.operations.running import Stop, kill, stop
from lxgit.records import replace
from lxgit.runtime import cgroups
from lxgit.runtime.attach import IsPaused, NotRunning
from lxgit.runtime.config import RESTARTING
from lxgit.runtime.containers import edited
from lxgit.runtime.freezer import is_frozen
from lxgit.runtime.restarts import RestartPolicy
from lxgit.runtime.sweep import sweep
from tests.support.processes import parent
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

COUNT = "trap 'exit 5' TERM; n=0; while :; do n=$((n+1)); echo $n > /m; mv /m /n; sleep 0.01; done"


@pytest.fixture
def counting(lab: Lab) -> Iterator[Lab]:
    """A container `c` that counts in a file, and ends at SIGTERM with 5."""
    lab.run("c", f"[ -e /go ] || {{ touch /go; exit; }}; {COUNT}")
    start_detached(lab.repository, "c", progress=lab.listener)
    wait_until((lab.container("c").upper / "n").exists)
    yield lab
    remove_container(lab.repository, "c", force=True)


def number(lab: Lab) -> int:
    """What it has counted to."""
    path = lab.container("c").upper / "n"
    wait_until(path.exists)
    return int(path.read_text())


def state(lab: Lab) -> str:
    return lab.row("c").state.value


def test_it_stands_still_and_goes_on(counting: Lab) -> None:
    lab = counting
    pause(lab.repository, "c")
    assert (state(lab), is_frozen(lab.container("c").id)) == ("paused", True)
    (row,) = list_containers(lab.repository).rows
    assert row.runs
    seen = number(lab)
    time.sleep(0.1)
    assert number(lab) == seen
    unpause(lab.repository, "c")
    assert (state(lab), is_frozen(lab.container("c").id)) == ("running", False)
    wait_until(lambda: number(lab) > seen)


def test_what_is_refused(counting: Lab) -> None:
    lab = counting
    with pytest.raises(NotPaused):
        unpause(lab.repository, "c")
    pause(lab.repository, "c")
    with pytest.raises(IsPaused):
        pause(lab.repository, "c")
    with pytest.raises(IsPaused, match="is paused") as caught:
        execute(lab.repository, "c", WantedCommand(("true",)), Streams(None, 1, 2, tty=False))
    assert caught.value.hint == "'lxgit unpause c' first"
    kill(lab.repository, "c", signal.SIGKILL)
    with pytest.raises(NotRunning):
        pause(lab.repository, "c")


@pytest.mark.parametrize(("number_", "code"), [(signal.SIGKILL, 137), (signal.SIGTERM, 5)])
def test_signals_that_end_it_wake_it(counting: Lab, number_: int, code: int) -> None:
    lab = counting
    pause(lab.repository, "c")
    kill(lab.repository, "c", number_)
    wait_until(lambda: state(lab) == "exited")
    assert lab.row("c").exit_code == code


def test_other_signals_wait(counting: Lab) -> None:
    lab = counting
    pause(lab.repository, "c")
    kill(lab.repository, "c", signal.SIGUSR1)
    assert state(lab) == "paused"


def test_stop_wakes_it(counting: Lab) -> None:
    lab = counting
    pause(lab.repository, "c")
    stop(lab.repository, "c", Stop(30))
    assert (state(lab), lab.row("c").exit_code) == ("exited", 5)


def test_rm_of_a_paused_one(counting: Lab) -> None:
    lab = counting
    pause(lab.repository, "c")
    remove_container(lab.repository, "c", force=True)
    assert list_containers(lab.repository, everything=True).rows == []
    lab.run("c", "true")  # for the fixture


def test_a_supervisor_that_is_killed_leaves_nothing_frozen(counting: Lab) -> None:
    lab = counting
    pause(lab.repository, "c")
    container = lab.container("c")
    supervisor = container.state.supervisor
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: state(lab) == "exited")
    assert not container.recorded_state().paused
    wait_until(lambda: container.id in sweep() or not cgroups.groups_of(container.id))
    assert cgroups.groups_of(container.id) == []


def test_a_holder_that_is_killed_lets_go(counting: Lab) -> None:
    lab = counting
    container = lab.container("c")
    child = os.fork()
    if child == 0:
        with held(container):
            time.sleep(60)
        os._exit(0)
    wait_until(lambda: is_frozen(container.id))
    assert state(lab) == "running"  # nobody has paused it
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until(lambda: not is_frozen(container.id))


def test_a_pause_outlives_a_hold(counting: Lab) -> None:
    lab = counting
    with held(lab.container("c")):
        pause(lab.repository, "c")
    assert is_frozen(lab.container("c").id)
    with held(lab.container("c")):
        unpause(lab.repository, "c")
        assert is_frozen(lab.container("c").id)
    wait_until(lambda: not is_frozen(lab.container("c").id))


def test_one_that_is_long_between_two_starts_is_said_to_be_restarting(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens for it from the end of its supervisor until its keeper does."""
    monkeypatch.setattr(finding, "_PATIENCE", 0.5)
    lab.run("c", f"[ -e /go ] || {{ touch /go; exit; }}; {COUNT}")
    container = lab.container("c")
    with edited(container) as now:
        now.configured(replace(now.config, restart=RestartPolicy("always")))
    start_detached(lab.repository, "c", progress=lab.listener)
    before = container.state
    assert before.supervisor is not None
    assert before.pid is not None
    keeper = parent(before.supervisor)
    os.kill(keeper, signal.SIGSTOP)
    try:
        os.kill(before.pid, signal.SIGKILL)
        wait_until(lambda: container.state.status == RESTARTING)
        with pytest.raises(NotRunning, match="container 'c' is restarting"), held(container):
            pass
        opened = opened_root(lab.repository, "c", lab.listener)
        with pytest.raises(NotRunning, match="container 'c' is restarting"), opened:
            pass
    finally:
        os.kill(keeper, signal.SIGCONT)
    monkeypatch.undo()  # the keeper may take its time
    remove_container(lab.repository, "c", force=True)
