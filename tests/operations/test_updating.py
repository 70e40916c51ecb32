"""Limits that are changed while a container is started again, or has just ended."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.operations.containers import remove_container
from lxgit.operations.launching import start_detached
from lxgit.operations.limiting import WantedLimits
from lxgit.operations.updating import update
from lxgit.runtime import cgroups, enforcement, setup
from lxgit.runtime.config import RUNNING
from lxgit.runtime.containers import Container, edited, load
from lxgit.runtime.enforcement import Enforcement
from lxgit.runtime.limits import Limits, settings
from lxgit.runtime.restarts import RestartPolicy
from tests.support.processes import has_ended
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig, ContainerState
    from lxgit.runtime.hierarchies import Hierarchy
    from lxgit.runtime.limits import Setting
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

SCRIPT = """
[ -e /first ] || { touch /first; exit; }
[ -e /second ] || { touch /second; exit 3; }
touch /begun; exec sleep 600
"""


@pytest.fixture
def web(lab: Lab) -> Iterator[Lab]:
    """A container that is started again when its next life has ended, and sleeps then."""
    lab.run("web", SCRIPT)
    policy = RestartPolicy("on-failure")
    update(lab.repository, "web", WantedLimits(), policy, lab.listener)
    yield lab
    remove_container(lab.repository, "web", force=True)


def started_again(lab: Lab, monkeypatch: pytest.MonkeyPatch, wait: Callable[[int], None]) -> None:
    """Start it; `wait`, with a process that changes its limits, before its second life is set up.

    By then its supervisor has read what limits it has.
    """
    inner = setup.make_ready

    def late(task: setup.Task, *values: Any) -> setup.Ready:
        ready = inner(task, *values)
        if task.restarts:
            child = os.fork()
            if not child:
                try:
                    update(lab.repository, "web", WantedLimits(pids=33), None, lab.listener)
                    os._exit(0)
                finally:
                    os._exit(1)
            wait(child)
        return ready

    monkeypatch.setattr(setup, "make_ready", late)
    start_detached(lab.repository, "web", progress=lab.listener)
    wait_until((lab.container("web").upper / "begun").exists)


def writes_late(lab: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have its record written only when it has begun; the file that is there while that is due."""
    is_due, begun = scratch / "due", lab.container("web").upper / "begun"
    inner = Container.configured

    def slow(self: Container, config: ContainerConfig) -> Container:
        if not is_due.exists():
            is_due.touch()
            wait_until(lambda: begun.exists() and self.state.status == RUNNING)
        return inner(self, config)

    monkeypatch.setattr(Container, "configured", slow)
    return is_due


def ended(child: int) -> None:
    assert os.waitpid(child, 0) == (child, 0)


def in_force(lab: Lab) -> str:
    container = lab.container("web").id
    group = cgroups.controllers_of(container)["pids"].group(container)
    return (group / "pids.max").read_text("ascii").strip()


def test_before_its_supervisor_looks(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    started_again(web, monkeypatch, ended)
    assert in_force(web) == "33"


def test_after_its_supervisor_has_looked(
    web: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who saw that it does not run."""
    has_looked = writes_late(web, scratch, monkeypatch)
    started_again(web, monkeypatch, lambda _: wait_until(has_looked.exists))
    wait_until(lambda: in_force(web) == "33")


def test_what_is_refused_after_its_supervisor_has_looked(
    web: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the host, which says other than what it was given: it has the limits that it had."""
    has_looked = writes_late(web, scratch, monkeypatch)
    before = web.container("web").config.limits

    def refused(limits: Limits, hosts: dict[str, Hierarchy]) -> list[Setting]:
        found = settings(limits, hosts)
        return [one._replace(value="033") if one.value == "33" else one for one in found]

    def looked(child: int) -> None:
        (scratch / "child").write_text(str(child))
        wait_until(has_looked.exists)

    monkeypatch.setattr(enforcement, "settings", refused)
    started_again(web, monkeypatch, looked)
    wait_until(partial(has_ended, int((scratch / "child").read_text())))
    assert web.container("web").config.limits == before
    wait_until(lambda: in_force(web) == str(before.pids))
    assert web.container("web").state.status == RUNNING


def test_while_it_is_still_about_its_record(
    web: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has looked twice whether the container runs; its supervisor looks before it lets go."""
    has_looked, begun = scratch / "looked", web.container("web").upper / "begun"
    inner = Container.recorded_state

    def slow(self: Container) -> ContainerState:
        state = inner(self)
        if load(self.path.parent, self.id).config.limits.pids == 33 and not has_looked.exists():
            has_looked.touch()
            wait_until(begun.exists)
        return state

    monkeypatch.setattr(Container, "recorded_state", slow)
    started_again(web, monkeypatch, lambda _: wait_until(has_looked.exists))
    wait_until(lambda: in_force(web) == "33")


def test_before_another_command_has_its_record(
    web: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `commit`, which waits for the container to begin, and does not look at limits."""
    has_it, begun = scratch / "has-it", web.container("web").upper / "begun"

    def others(child: int) -> None:
        ended(child)
        if not os.fork():
            try:
                with edited(web.container("web")):
                    has_it.touch()
                    wait_until(begun.exists)
            finally:
                os._exit(0)
        wait_until(has_it.exists)

    started_again(web, monkeypatch, others)
    wait_until(lambda: in_force(web) == "33")


def test_after_who_started_it_was_killed(
    web: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have had the record until the command begins, had it lived."""
    upper = web.container("web").upper
    (upper / "second").touch()
    is_made, is_updated = scratch / "made", scratch / "updated"
    inner = setup.make_ready

    def late(task: setup.Task, *values: Any) -> setup.Ready:
        ready = inner(task, *values)
        is_made.touch()
        wait_until(is_updated.exists)
        return ready

    monkeypatch.setattr(setup, "make_ready", late)
    starter = os.fork()
    if not starter:
        try:
            start_detached(web.repository, "web", progress=web.listener)
        finally:
            os._exit(1)
    wait_until(is_made.exists)
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    update(web.repository, "web", WantedLimits(pids=33), None, web.listener)
    is_updated.touch()
    wait_until((upper / "begun").exists)
    wait_until(lambda: in_force(web) == "33")


def test_when_it_has_ended() -> None:
    """Its control group is gone, and its record says that it runs for a moment yet."""
    Enforcement("0" * 64, Limits(pids=20, cpus=1.0)).change(Limits(pids=33))
