"""events: what happened, what happens, and the file that tells of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit import eventlog
from tests.support.processes import stat_of
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit


def told(lxgit: Lxgit, *words: str, form: str = "{{.Type}} {{.Action}}") -> list[str]:
    return lxgit("events", "--since", "24h", "--until", "0s", "--format", form, *words).lines


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_life_of_a_container(based: Lxgit) -> None:
    run = ("run", "--network", "none", "--label", "a=1", "--name", "web")
    based(*run, "base", "sh", "-c", "touch /x; exit 3", code=3)
    based("rename", "web", "db")
    based("commit", "-m", "Next", "db", "next")
    based("tag", "next:v1", "next")
    based("rmi", "next:v1")
    based("start", "db")
    based("wait", "db")
    based("rm", "db")
    assert told(based) == [
        "image import",
        "container create",
        "container start",
        "container die",
        "container rename",
        "image commit",
        "container commit",
        "image tag",
        "image untag",
        "container start",
        "container die",
        "container destroy",
    ]
    exit_code = "{{.Actor.Attributes.exitCode}}"
    assert told(based, "--filter", "event=die", form=exit_code) == ["3", "3"]
    image = "{{.Action}} {{.Actor.Attributes.name}}"
    assert told(based, "-f", "image=next:v1", form=image) == ["tag next:v1", "untag next:v1"]
    assert told(based, "-f", "container=web") == [
        "container create",
        "container start",
        "container die",
    ]
    assert told(based, "-f", "type=image", "-f", "event=commit") == ["image commit"]
    assert len(told(based, "-f", "label=a=1")) == 8
    assert told(based, "-f", "label=b") == []
    assert told(based, "--until", "30m") == []


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_happens_to_one_that_runs(based: Lxgit) -> None:
    with subprocess.Popen(
        [PROGRAM, "events", "--since", "24h", "--format", "json", "--filter", "type=container"],
        env=based.environment(),
        stdout=subprocess.PIPE,
    ) as watcher:
        assert watcher.stdout is not None
        try:
            based("run", "-d", "--network", "none", "--name", "web", "base", "sleep", "1000")
            based("exec", "web", "true")
            based("pause", "web")
            based("unpause", "web")
            based("stop", "-t", "0", "web")
            based("restart", "web")
            based("update", "-m", "64m", "web")
            based("kill", "web")
            based("rm", "web")
            actions = []
            for line in watcher.stdout:
                event = json.loads(line)
                assert event["Actor"]["Attributes"]["name"] == "web"
                actions.append(event["Action"])
                if actions[-1] == "destroy":
                    break
        finally:
            watcher.terminate()
    assert actions[:2] == ["create", "start"]
    assert {*actions[2:4]} == {"exec_start: true", "exec_die"}
    assert actions[4:11] == ["pause", "unpause", "die", "stop", "start", "restart", "update"]
    assert {*actions[11:13]} == {"kill", "die"}


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_who_wanted_too_much_memory_and_volumes(based: Lxgit) -> None:
    hog = ("--network", "none", "-m", "16m", "-v", "data:/data", "--name", "hog")
    based("run", *hog, "base", "tail", "/dev/zero", code=137)
    based("rm", "hog")
    based("volume", "rm", "data")
    form = "{{.Action}} {{.Actor.Attributes.name}}"
    assert told(based, "-f", "type=container", "-f", "event=oom", form=form) == ["oom hog"]
    assert told(based, "-f", "container=hog", "-f", "event=die", form="{{.Action}}") == ["die"]
    form = "{{.Action}} {{.ID}}"
    assert told(based, "-f", "volume=data", form=form) == ["create data", "destroy data"]


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_one_whose_supervisor_was_killed_dies_once(based: Lxgit) -> None:
    """Whoever looks first tells of it, of many at once."""
    based("run", "-d", "--network", "none", "--name", "web", "base", "sleep", "1000")
    (state,) = based.store.glob("containers/*/state.json")
    os.kill(json.loads(state.read_bytes())["supervisor"], signal.SIGKILL)
    with ThreadPoolExecutor() as pool:
        looking = [pool.submit(based, "ps", "-a") for _ in range(6)]
        assert pool.submit(based, "wait", "web").result().out == "137\n"
        assert {looked.result().code for looked in looking} == {0}
    died = ("-f", "container=web", "-f", "event=die")
    assert told(based, *died, form="{{.Actor.Attributes.exitCode}}") == ["137"]
    (found,) = based("inspect", "web").json
    assert (found["State"]["ExitCode"], found["State"]["Status"]) == (137, "exited")
    assert "supervisor was killed" in found["State"]["Error"]
    assert "Exit 137" in based("ps", "-a").out
    based("start", "web")
    based("rm", "-f", "web")
    assert len(told(based, *died)) == 2


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_one_whose_keeper_was_killed_between_two_lives_has_died_before(based: Lxgit) -> None:
    run = ("run", "-d", "--network", "none", "--name", "web", "--restart", "always")
    based(*run, "base", "sh", "-c", "exit 4")
    (state,) = based.store.glob("containers/*/state.json")
    wait_until(lambda: stands_between_two_lives(state))
    os.kill(json.loads(state.read_bytes())["supervisor"], signal.SIGKILL)
    wait_until(lambda: "Exit 4" in based("ps", "-a").out)
    lives = json.loads(state.read_bytes())["restarts"] + 1
    form = "{{.Actor.Attributes.exitCode}}"
    died = told(based, "-f", "container=web", "-f", "event=die", form=form)
    assert died == ["4"] * lives
    based("rm", "web")


def stands_between_two_lives(state: Path) -> bool:
    """Whether the keeper waits for the next life, of a few; then it stands still from now on."""
    found = json.loads(state.read_bytes())
    if found["restarts"] < 2 or found["status"] != "restarting" or not found["supervisor"]:
        return False
    os.kill(found["supervisor"], signal.SIGSTOP)
    wait_until(lambda: stat_of(found["supervisor"])[0] == "T")
    if json.loads(state.read_bytes()) == found:
        return True
    os.kill(found["supervisor"], signal.SIGCONT)  # it had begun already
    return False


def test_one_that_was_written_late_is_told(based: Lxgit) -> None:
    """Between the clock and the file whoever tells may have been held up."""
    with subprocess.Popen(
        [PROGRAM, "events", "--since", "24h", "--format", "{{.ID}}"],
        env=based.environment(),
        stdout=subprocess.PIPE,
    ) as watcher:
        assert watcher.stdout is not None
        try:
            watcher.stdout.readline()
            (known,) = eventlog.past(based.store)
            late = {**known._asdict(), "time": known.time - 1, "id": "late"}
            with (based.store / "events").open("a") as file:
                file.write(json.dumps(late) + "\n")
            based("tag", "next", "base")
            assert watcher.stdout.readline() == b"late\n"
        finally:
            watcher.terminate()


def test_what_happens_before_the_beginning_is_left_out(based: Lxgit) -> None:
    """The beginning may be still to come."""
    with subprocess.Popen(
        [PROGRAM, "events", "--since", "2099-01-01", "--format", "{{.ID}}"],
        env=based.environment(),
        stdout=subprocess.PIPE,
    ) as watcher:
        assert watcher.stdout is not None
        try:
            wait_until(lambda: opens(watcher.pid, based.store / "events"))
            based("tag", "next", "base")
            (known, *_) = eventlog.past(based.store)
            coming = {**known._asdict(), "time": 5_000_000_000 * 10**9, "id": "coming"}
            with (based.store / "events").open("a") as file:
                file.write(json.dumps(coming) + "\n")
            assert watcher.stdout.readline() == b"coming\n"
        finally:
            watcher.terminate()


def opens(pid: int, path: Path) -> bool:
    """Whether a process has a file open."""
    names = Path("/proc", str(pid), "fd").iterdir()
    return any(os.path.realpath(name) == str(path) for name in names)


def test_a_line_as_dockers(based: Lxgit) -> None:
    (line,) = based("events", "--since", "24h", "--until", "0s").lines
    oid = based("rev-parse", "base").out.strip()
    stamp, rest = line.split(" ", 1)
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-11-24T22:04:56.324336615Z")
    assert rest == f"image import {oid} (name=base:latest)"
    assert based("events", "--filter", "x=y", code=2).err.startswith("lxgit: 'x=y' is no filter")
    assert based("events", "--format", "{{", code=2).err.startswith("lxgit: --format")


def test_the_file_is_bounded_and_read_across_its_rotation(tmp_path: Path) -> None:
    coming = eventlog.coming(tmp_path)
    assert next(coming) is None
    text = "x" * 1000
    seen = []
    for number in range(2500):
        eventlog.record(tmp_path, "container", str(number), text, {})
        if number % 600 == 0:
            while (event := next(coming)) is not None:
                seen.append(int(event.action))
    assert seen == list(range(2401))
    size = sum((tmp_path / name).stat().st_size for name in ("events", "events.1"))
    assert size < 2 * ((1 << 20) + 2000)
    known = [int(event.action) for event in eventlog.past(tmp_path)]
    assert known == list(range(known[0], 2500))
    assert len(known) > 900


def test_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    eventlog.record(tmp_path, "image", "tag", "1", {})
    with (tmp_path / "events").open("ab") as file:
        file.write(b'{"time": 1, "ty\n[]\n{}\n\xff\n')
    eventlog.record(tmp_path, "image", "tag", "2", {})
    assert [event.id for event in eventlog.past(tmp_path)] == ["1", "2"]


@pytest.mark.parametrize("left", [b'{"time": 5, "type": "cont', bytes(80)])
def test_what_a_crash_leaves_of_a_line_takes_no_other(tmp_path: Path, left: bytes) -> None:
    eventlog.record(tmp_path, "image", "tag", "1", {})
    with (tmp_path / "events").open("ab") as file:
        file.write(left)
    eventlog.record(tmp_path, "image", "tag", "2", {"a": '{"time": 7}'})
    assert [event.id for event in eventlog.past(tmp_path)] == ["1", "2"]
