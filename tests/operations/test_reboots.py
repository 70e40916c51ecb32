"""Reboots from inside: LXC begins with what it was started with, and the supervisor goes on."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.operations.containers import remove_container
from lxgit.operations.creating import RunRequest
from lxgit.operations.healthwishes import WantedHealth
from lxgit.operations.launching import created, start_detached
from lxgit.operations.limiting import WantedLimits
from lxgit.operations.updating import update
from lxgit.records import replace
from lxgit.runtime import cgroups, enforcement, process, supervisor
from lxgit.runtime.containers import edited
from lxgit.runtime.health import HEALTHY
from lxgit.runtime.limits import settings
from tests.support.stores import WHO
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from lxgit.runtime.hierarchies import Hierarchy
    from lxgit.runtime.limits import Limits, Setting
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

SCRIPT = "trap 'reboot -f' USR1; echo >> /lives; while :; do sleep 0.05; done"

CHECK = """
echo >> /checks
mkdir /tmp/one || { echo >> /two; rmdir /tmp/one; exit 1; }
sleep 0.2
rmdir /tmp/one
"""
"""Notes if another is under way; /tmp is in memory, and empty after a reboot."""


@pytest.fixture
def web(lab: Lab) -> Iterator[Lab]:
    """A system that reboots at SIGUSR1, and is checked often; it has not been started yet."""
    health = WantedHealth(command=CHECK, interval=0.1)
    request = RunRequest("base", ("sh", "-c", SCRIPT), "web", system=True, health=health)
    with made(lab, request):
        pass
    yield lab
    remove_container(lab.repository, "web", force=True)


def made(lab: Lab, request: RunRequest) -> AbstractContextManager[str]:
    return created(lab.repository, request, identity=WHO, progress=lab.listener)


def lines(lab: Lab, name: str) -> int:
    path = lab.container("web").upper / name
    return len(path.read_bytes()) if path.exists() else 0


def started(lab: Lab) -> None:
    start_detached(lab.repository, "web", progress=lab.listener)
    wait_until(lambda: lines(lab, "lives") == 1)


def rebooted(lab: Lab) -> None:
    before, pid = lines(lab, "lives"), lab.container("web").state.pid
    assert pid is not None
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: lines(lab, "lives") == before + 1)


def give(lab: Lab, pids: int) -> None:
    update(lab.repository, "web", WantedLimits(pids=pids), None, lab.listener)


def is_in_force(lab: Lab, pids: int) -> bool:
    container = lab.container("web").id
    group = cgroups.controllers_of(container)["pids"].group(container)
    return (group / "pids.max").read_text("ascii") == f"{pids}\n"


def test_limits_that_were_changed_hold_after_it(web: Lab) -> None:
    started(web)
    for pids in (33, 44):
        give(web, pids)
        rebooted(web)
        wait_until(partial(is_in_force, web, pids))


def test_limits_that_are_changed_before_its_supervisor_knows_of_it(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, calls = process.pidfd_of_child, []

    def late(*values: Any) -> int:
        calls.append(values)
        if len(calls) == 2:
            child = os.fork()
            if not child:
                try:
                    give(web, 33)
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0) == (child, 0)
        return inner(*values)

    monkeypatch.setattr(supervisor, "pidfd_of_child", late)
    started(web)
    rebooted(web)
    assert is_in_force(web, 33)


def test_limits_that_were_changed_are_in_force_before_it_begins(web: Lab) -> None:
    """Also while somebody has the record, and changes it then: as an `update` that saw it run."""
    started(web)
    first = web.container("web").config.limits
    assert first.pids is not None
    update(web.repository, "web", WantedLimits(pids=33, memory=64 << 20), None, web.listener)
    with edited(web.container("web")) as now:
        rebooted(web)
        assert is_in_force(web, 33)
        now.configured(replace(now.config, limits=first))
    wait_until(partial(is_in_force, web, first.pids))
    memory = cgroups.controllers_of(now.id)["memory"]
    file = {1: "memory.limit_in_bytes", 2: "memory.max"}[memory.version]
    wait_until(lambda: (memory.group(now.id) / file).read_text("ascii") != f"{64 << 20}\n")


def test_limits_that_lxc_gives_wrong_are_in_force_before_it_begins(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a key goes nowhere the second time, of limits that nobody has changed."""

    def wrong(limits: Limits, hosts: dict[str, Hierarchy]) -> list[Setting]:
        monkeypatch.setattr(enforcement, "settings", settings)
        return [one._replace(value="17") for one in settings(limits, hosts)]

    monkeypatch.setattr(enforcement, "settings", wrong)
    monkeypatch.setattr(enforcement.Enforcement, "check", lambda _: None)
    started(web)
    pids = web.container("web").config.limits.pids
    assert pids is not None
    rebooted(web)
    assert is_in_force(web, pids)


def test_its_health_is_checked_once_at_a_time(web: Lab) -> None:
    started(web)
    rebooted(web)
    rebooted(web)
    before = lines(web, "checks")
    wait_until(lambda: lines(web, "checks") >= before + 20)
    # One that was to begin before a reboot may have begun after it, once each time.
    assert lines(web, "two") <= 4
    health = web.container("web").state.health
    assert health is not None
    assert health.status == HEALTHY
