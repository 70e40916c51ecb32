"""What containers use, at moments at which nobody could tell."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from lxgit.operations.containers import remove_container
from lxgit.operations.launching import start_detached
from lxgit.operations.stats import statistics
from lxgit.runtime import cgroups
from lxgit.runtime.config import RUNNING
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_one_whose_end_is_not_recorded_yet(
    lab: Lab, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its control groups go before; of an ordinary user's, nobody can tell then that it had any."""
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
    monkeypatch.setattr(cgroups, "hierarchies_of", lambda _: [])
    (told,) = next(statistics(lab.repository, ["web"], 0))
    assert (told.name, told.pids) == ("web", 0)
    assert web.state.status == RUNNING
    may_record.touch()
    remove_container(lab.repository, "web", force=True)
