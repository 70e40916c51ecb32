"""Containers that have ended, and whose record says that they run for a moment yet."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from lxgit.operations.containers import remove_container
from lxgit.operations.launching import start_detached
from lxgit.operations.limiting import WantedLimits
from lxgit.operations.stats import statistics
from lxgit.operations.updating import update
from lxgit.runtime import cgroups
from lxgit.runtime.config import RUNNING
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def ended(lab: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """One, `web`, whose control groups are gone; as an ordinary user's, of which none can tell."""
    inner, may_record = cgroups.remove, scratch / "may-record"

    def held(container: str) -> None:
        inner(container)
        wait_until(may_record.exists)

    lab.run("web", "[ -e /once ] || { touch /once; exit; }; exec sleep 600")
    with monkeypatch.context() as patched:
        patched.setattr(cgroups, "remove", held)
        start_detached(lab.repository, "web", progress=lab.listener)
    web = lab.container("web")
    assert web.state.pid is not None
    os.kill(web.state.pid, signal.SIGKILL)
    wait_until(lambda: not any(group.is_dir() for group in cgroups.groups_of(web.id)))
    with monkeypatch.context() as patched:
        patched.setattr(cgroups, "hierarchies_of", lambda _: [])
        yield lab
        assert web.state.status == RUNNING
    may_record.touch()
    remove_container(lab.repository, "web", force=True)


def test_it_uses_nothing(ended: Lab) -> None:
    (told,) = next(statistics(ended.repository, ["web"], 0))
    assert (told.name, told.pids) == ("web", 0)


def test_its_limits_are_those_of_its_next_start(ended: Lab) -> None:
    update(ended.repository, "web", WantedLimits(pids=33), None, ended.listener)
    assert ended.container("web").config.limits.pids == 33
