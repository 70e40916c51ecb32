"""A store whose disk is full: it is told in a line, nothing is lost, and later it works."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import ObjectType
from lxgit.operations.stashing import list_stashes
from lxgit.repository import open_repository
from tests.support import disks
from tests.support.program import Lxgit
from tests.support.rlimits import file_size
from tests.support.stores import copied
from tests.support.waiting import wait_until
from tests.torture.verdict import State

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

COMMANDS = {
    "branch": ["branch", "new"],
    "branch -D": ["branch", "-D", "base"],
    "branch -m": ["branch", "-m", "base", "better"],
    "checkout": ["checkout", "base"],
    "tag": ["tag", "r1"],
    "tag -a": ["tag", "-a", "-m", "x" * 9000, "r1"],
    "tag -d": ["tag", "-d", "noted"],
    "rmi": ["rmi", "noted"],
    "commit": ["commit", "-m", "One", "web"],
    "undo": ["undo"],
    "stash": ["stash", "push", "web"],
    "reset": ["reset", "--hard", "web"],
    "checkout of a container": ["checkout", "--merge", "base", "web"],
}


@pytest.fixture(scope="module")
def busy_store(grown_store: Path, module_directory: Path) -> Path:
    """A store with a tag and a container `web`, which has changed."""
    made = Lxgit(copied(grown_store, module_directory / "busy"), module_directory)
    made("tag", "-a", "-m", "a note", "noted", "tuned")
    made("run", "--network", "none", "--name", "web", "HEAD", "sh", "-c", "echo hi >/srv/index")
    made("tag", "last")
    return made.store


def state(store: Path) -> tuple[State, list[str]]:
    """Names and what they name, what containers show, and stashes."""
    repository = open_repository(store)
    stashes = [one.oid for one in list_stashes(repository)]
    repository.objects.close()
    return State.of(store), stashes


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_lost_and_what_failed_is_done_later(
    busy_store: Path, scratch: Path, name: str
) -> None:
    """With ever more blocks, so that it fails at other steps, until it is done."""
    home = scratch / "home"
    home.mkdir()
    with disks.small(scratch, 24) as place:
        lxgit = Lxgit(copied(busy_store, place / "store"), home)
        before, failures = state(lxgit.store), []
        for blocks in (0, 1, 4, 8, 16, 400):
            with disks.filled(place, blocks):
                done = lxgit(*COMMANDS[name], code=None)
                after = state(lxgit.store)
            assert after == state(lxgit.store)
            if done.code == 0:
                break
            failures.append(after)
            assert done.code == 1
            fault, hint = done.err.splitlines()
            assert "no space left" in fault or "Out of diskspace" in fault
            assert hint.startswith("hint: free some space")
        assert failures
        assert after != before
        for names, stashes in failures:
            assert names.lost(before[0], after[0]) == []
            assert stashes in (before[1], after[1])
        assert lxgit("fsck").code == 0
        lxgit("start", "-a", "web")
        assert lxgit("show", "web:/srv/index").out == "hi\n"


def test_what_is_done_is_not_told_as_failed(busy_store: Path, lxgit: Lxgit) -> None:
    """A commit that finds many packs makes few of them at its end, for which there is no room."""
    store = copied(busy_store, lxgit.store)
    repository = open_repository(store)
    for _ in range(58):
        with repository.objects.writer() as writer:
            writer.add(ObjectType.BLOB, os.urandom(4096))
            writer.finish().release()
    repository.objects.close()
    with file_size(100 << 10):
        done = lxgit("commit", "-m", "One", "web")
    assert done.out.strip() == lxgit("rev-parse", "tuned").out[:12]
    (warning,) = done.err.splitlines()
    assert warning.startswith("lxgit: warning: the store has many packs")
    assert "File too large" in warning
    left = {name.partition("-")[0] for name in os.listdir(store / "git/objects/pack")}
    assert left == {"pack"}
    assert "web" not in lxgit("status").out


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_containers_end_and_go_on_as_elsewhere(grown_store: Path, scratch: Path, kind: str) -> None:
    gate = scratch / "gate"
    gate.mkdir()
    script = "until [ -e /gate/open ]; do sleep 0.05; done; exit $0"
    with (disks.small if kind == "ext4" else disks.in_memory)(scratch, 24) as place:
        lxgit = Lxgit(copied(grown_store, place / "store"), gate)
        for name, code, policy in (("good", 0, "no"), ("bad", 3, "no"), ("again", 4, "always")):
            options = ("-d", "--network", "none", "-v", f"{gate}:/gate", "--restart", policy)
            lxgit("run", *options, "--name", name, "base", "sh", "-c", script, str(code))
        try:
            with disks.filled(place, 0):
                (gate / "open").touch()
                assert lxgit("wait", "good", "bad").lines == ["0", "3"]
                wait_until(lambda: restarts(lxgit, "again") >= 2)
                assert lxgit("stop", "again").lines == ["again"]
                assert codes(lxgit) == {"good": 0, "bad": 3, "again": 4}
            assert codes(lxgit) == {"good": 0, "bad": 3, "again": 4}
        finally:
            lxgit("rm", "-f", "good", "bad", "again")


def test_a_container_is_started_again_when_its_disk_lets_it(
    grown_store: Path, scratch: Path
) -> None:
    """Its state cannot be written for a while, neither anew nor over the old one."""
    with disks.small(scratch, 24) as place:
        lxgit = Lxgit(copied(grown_store, place / "store"), scratch)
        lxgit(
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            "web",
            "--restart",
            "always",
            "base",
            "false",
        )
        try:
            wait_until(lambda: restarts(lxgit) >= 2)
            wait_until(lambda: "Restarting" in lxgit("ps").out)
            (container,) = (place / "store/containers").glob("?" * 64)
            subprocess.run(["chattr", "+i", container], check=True)
            before = restarts(lxgit)
            time.sleep(1.2)
            subprocess.run(["chattr", "-i", container], check=True)
            wait_until(lambda: restarts(lxgit) > before)
        finally:
            lxgit("rm", "-f", "web")


def restarts(lxgit: Lxgit, name: str = "web") -> int:
    count = lxgit("inspect", name).json[0]["RestartCount"]
    assert isinstance(count, int)
    return count


def codes(lxgit: Lxgit) -> dict[str, int]:
    """What each container ended with, and nothing else is said of its end."""
    states = {one["Name"]: one["State"] for one in lxgit("inspect", *lxgit("ps", "-aq").lines).json}
    assert {state["Status"] for state in states.values()} == {"exited"}
    assert {state["Error"] for state in states.values()} == {""}
    return {name.strip("/"): state["ExitCode"] for name, state in states.items()}
