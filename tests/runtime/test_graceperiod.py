"""A thread that does, ahead of time, what the kernel waits for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lxgit.runtime import graceperiod
from lxgit.runtime.hierarchies import hierarchies
from tests.support.waiting import wait_until


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def groups() -> str:
    return Path("/proc/self/cgroup").read_text("utf-8")


def test_the_process_stays_where_it_is_and_has_one_thread_less_at_the_end() -> None:
    before, running = groups(), threads()
    with graceperiod.begun():
        pass
    assert groups() == before
    # The thread has told of its end, and is about to go; as may be one of an earlier test.
    wait_until(lambda: threads() <= running)


@pytest.mark.root
def test_the_group_is_one_that_a_process_can_be_moved_to() -> None:
    if not any(hierarchy.version == 2 for hierarchy in hierarchies()):
        pytest.skip("no control groups of version 2")
    own = Path(graceperiod._own_group())
    assert str(os.getpid()) in (own / "cgroup.procs").read_text("ascii").split()


@pytest.mark.parametrize("there", [[], ["cgroup.controllers"]])
def test_nothing_happens_where_there_are_no_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str]
) -> None:
    for name in there:
        (tmp_path / name).touch()
    before = groups()
    monkeypatch.setattr(graceperiod, "_TOPS", (str(tmp_path),))
    with graceperiod.begun():
        pass
    assert groups() == before
    assert os.listdir(tmp_path) == there
