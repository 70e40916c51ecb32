"""An ordinary user's containers where a control group has been given to the user.

A host's controllers may all be in version 1: what a group of version 2 does without any is tried
here, limits in the virtual machine (tests/vm/job).
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

RUN = ("run", "-d", "--name", "c1", "--network", "none", "base", "sleep", "600")
MOUNTED = """
    umount -R /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
"""


def _join(place: Path) -> str:
    """In a shell: go into a control group, or into that below it where processes are put."""
    return f"""
        own=/sys/fs/cgroup/{place.name}
        [ ! -d $own/lxgit.others ] || own=$own/lxgit.others
        echo $$ >$own/cgroup.procs
    """


@pytest.fixture
def place(person: OrdinaryUser) -> Iterator[Path]:
    """A control group of version 2 that is the user's, where the tests see it."""
    tops = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    top = next(top for top in tops if (top / "cgroup.controllers").exists())
    group = top / f"lxgit-test-{os.getpid()}"
    group.mkdir()
    for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control"):
        os.chown(path, person.number, person.number)
    yield group
    (group / "cgroup.kill").write_text("1")
    waiting.wait_until(lambda: "populated 0" in (group / "cgroup.events").read_text())
    for directory, _, _ in os.walk(group, topdown=False):
        os.rmdir(directory)


@pytest.fixture
def given(person: OrdinaryUser, place: Path) -> OrdinaryUser:
    """The user, in that group, where version 2 is alone, as on most hosts."""
    return replace(person, before=MOUNTED + _join(place))


def _groups(place: Path) -> list[str]:
    """Those of containers."""
    return [group.name for group in place.glob("lxgit.*") if group.name != "lxgit.others"]


def test_a_container_has_a_group_of_its_own(
    given: OrdinaryUser, person: OrdinaryUser, place: Path
) -> None:
    """It stands still when it is told to, also by who is not in the user's group."""
    said = given("run", "--rm", *RUN[4:-2], "sh", "-c", "echo one; echo two >&2", code=0)
    assert (said.out, said.err) == ("one\n", "two\n")
    given(*RUN, code=0)
    (found,) = json.loads(person("inspect", "c1", code=0).out)
    name, pid = found["Id"], found["State"]["Pid"]
    own = place / f"lxgit.{name}"
    assert f"/{place.name}/lxgit.{name}/lxc.payload.{name}\n" in (
        Path(f"/proc/{pid}/cgroup").read_text()
    )
    elsewhere = replace(person, before=MOUNTED)
    elsewhere("pause", "c1", code=0)
    assert "frozen 1" in (own / f"lxc.payload.{name}/cgroup.events").read_text()
    elsewhere("unpause", "c1", code=0)
    inside = given("exec", "c1", "cat", "/proc/self/cgroup", code=0).lines[-1]
    assert inside in ("0::/", "0::/.lxc")  # a group that LXC makes within
    assert "sleep 600" in given("top", "c1", "-eo", "pid,args", code=0).out
    given("rm", "-f", "c1", code=0)
    assert _groups(place) == []


def test_a_running_one_is_committed(given: OrdinaryUser) -> None:
    given(*RUN, code=0)
    given("exec", "c1", "touch", "/new", code=0)
    given("commit", "-m", "while it ran", "c1", code=0)
    assert given("show", "--name-status", "base", code=0).lines[-1].split() == ["A", "/new"]
    assert given("stats", "--no-stream", "c1", code=0).lines[1].split()[1] == "c1"
    given("rm", "-f", "c1", code=0)


def test_groups_go_after_a_kill(given: OrdinaryUser, person: OrdinaryUser, place: Path) -> None:
    given(*RUN, code=0)
    (state,) = (person.passage / "home/store/containers").glob("*/state.json")
    os.kill(json.loads(state.read_text())["supervisor"], signal.SIGKILL)
    waiting.wait_until(lambda: "Exit 137" in given("ps", "-a").out)
    assert len(_groups(place)) == 1
    given("start", "c1", code=0)
    assert len(_groups(place)) == 1
    given("rm", "-f", "c1", code=0)
    assert _groups(place) == []


def test_one_that_cannot_be_started_leaves_no_group(given: OrdinaryUser, place: Path) -> None:
    refused = given("run", "--rm", "-u", "nobody-here", *RUN[4:-2], "true", code=125)
    assert "nobody-here" in refused.err
    waiting.wait_until(lambda: _groups(place) == [])


def test_stats_of_some(given: OrdinaryUser, person: OrdinaryUser) -> None:
    """Of those that have a group, or wait for their next life; a named one has to be told of."""
    again = ("--restart", "always", "base", "sh", "-c", "exit 4")
    given("run", "-d", "--name", "again", *RUN[4:-3], *again, code=0)
    person("run", "-d", "--name", "without", *RUN[4:], code=0)
    waiting.wait_until(lambda: "Restarting (4)" in person("ps").out)
    form = ("--no-stream", "--format", "{{.Name}}")
    assert given("stats", *form, code=0).lines == ["again"]
    given(*RUN, code=0)
    assert given("stats", *form, code=0).lines == ["c1", "again"]
    refused = given("stats", "--no-stream", "c1", "without", code=1)
    assert "what container 'without' uses is not counted" in refused.err
    given("rm", "-f", "c1", "again", "without", code=0)


def _runs_without(given: OrdinaryUser, person: OrdinaryUser) -> None:
    """A container runs, and has no group."""
    given(*RUN, code=0)
    assert "no control group was given to you" in person("pause", "c1", code=1).err
    given("rm", "-f", "c1", code=0)


def test_where_no_group_can_be_made_they_run_without(
    given: OrdinaryUser, person: OrdinaryUser, place: Path
) -> None:
    (place / "cgroup.max.descendants").write_text("0")
    _runs_without(given, person)
    assert _groups(place) == []


def test_a_group_of_threads_is_none(person: OrdinaryUser, place: Path) -> None:
    """No process can be in groups below it."""
    group = _inner(person, place, "inner")
    (group / "cgroup.type").write_text("threaded")
    os.setxattr(group, "user.delegate", b"1")
    _runs_without(_within(person, group, place.parent), person)
    assert _groups(group) == []


def _inner(person: OrdinaryUser, place: Path, *names: str) -> Path:
    """A group below, the user's too. It has no controllers, as none were handed on to it."""
    for name in names:
        place /= name
        place.mkdir()
        for path in (place, place / "cgroup.procs", place / "cgroup.subtree_control"):
            os.chown(path, person.number, person.number)
    return place


def _within(person: OrdinaryUser, group: Path, top: Path) -> OrdinaryUser:
    return replace(
        person, before=f"{MOUNTED}echo $$ >/sys/fs/cgroup/{group.relative_to(top)}/cgroup.procs"
    )


def test_a_controller_that_was_not_given(person: OrdinaryUser, place: Path) -> None:
    """Its limits are refused before there is a container; by `update`, of one that runs."""
    group = _inner(person, place, "inner")
    os.setxattr(group, "user.delegate", b"1")
    within = _within(person, group, place.parent)
    refused = within("run", "-m", "64m", "base", "true", code=125)
    assert "--memory: the controller 'memory' was not given to you" in refused.err
    assert "Delegate=" in refused.err
    assert person("ps", "-aq", code=0).out == ""
    within(*RUN, code=0)
    refused = within("update", "--pids-limit", "9", "c1", code=125)
    assert "--pids-limit: the controller 'pids' was not given to you" in refused.err
    person("rm", "-f", "c1", code=0)


def test_what_systemd_has_not_given_away_is_left_alone(person: OrdinaryUser, place: Path) -> None:
    """A group of the user's own systemd's, where the user may write, unless it is marked."""
    unit = _inner(person, place, f"user@{person.number}.service", "app.slice", "run-1.scope")
    within = _within(person, unit, place.parent)
    refused = within("run", "--pids-limit", "9", "base", "true", code=125)
    assert "--pids-limit: no control group was given to you" in refused.err
    os.setxattr(unit, "user.delegate", b"1")
    within(*RUN, code=0)
    assert len(_groups(unit)) == 1
    person("rm", "-f", "c1", code=0)
