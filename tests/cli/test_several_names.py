"""Commands for several things, one of which is not there or may not: the others are done."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

needs_lxc = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]
MISSING = "lxgit: no container 'nope'\nhint: 'lxgit ps -a' lists them all\n"


@pytest.fixture
def pair(emptied: Lxgit) -> Lxgit:
    """A store with two containers, `a` and `b`, that run until they are killed."""
    for name in ("a", "b"):
        emptied("run", "-d", "--network", "none", "--name", name, "base", "sleep", "600")
    return emptied


def found(lxgit: Lxgit) -> list[dict[str, Any]]:
    """What `inspect` tells of the state of both."""
    return [one["State"] for one in lxgit("inspect", "a", "b").json]


def statuses(lxgit: Lxgit) -> list[str]:
    return [state["Status"] for state in found(lxgit)]


class TestContainers:
    pytestmark = needs_lxc

    def test_stop_start_and_restart(self, pair: Lxgit) -> None:
        stopped = pair("stop", "-t", "0", "a", "nope", "b", code=1)
        assert (stopped.out, stopped.err) == ("a\nb\n", MISSING)
        assert statuses(pair) == ["exited", "exited"]
        started = pair("start", "nope", "a", "a", "b", code=1)
        assert started.lines == ["a", "b"]
        assert started.err == (
            f"{MISSING}lxgit: container 'a' is running\nhint: 'lxgit ps' lists what runs\n"
        )
        before = found(pair)
        again = pair("restart", "-t", "0", "a", "nope", "b", code=1)
        assert (again.out, again.err) == ("a\nb\n", MISSING)
        for now, then in zip(found(pair), before, strict=True):
            assert now["StartedAt"] > then["StartedAt"]

    def test_they_are_stopped_side_by_side(self, emptied: Lxgit) -> None:
        """Each of them ends when the other one has been asked to."""
        for name, other in ("ab", "ba"):
            asked = f"touch /v/{name}; until [ -e /v/{other} ]; do sleep 0.05; done; exit 5"
            script = f"trap '{asked}' TERM; touch /v/{name}-hears; while :; do sleep 0.05; done"
            run = ("run", "-d", "--network", "none", "--name", name, "-v", "v:/v")
            emptied(*run, "base", "sh", "-c", script)
        place = emptied.store / "volumes/v/data"
        wait_until(lambda: {"a-hears", "b-hears"} <= set(os.listdir(place)))
        emptied("stop", "-t", "60", "a", "b")
        assert [state["ExitCode"] for state in found(emptied)] == [5, 5]

    def test_pause_and_kill(self, pair: Lxgit) -> None:
        paused = pair("pause", "a", "nope", "b", code=1)
        assert (paused.out, paused.err) == ("a\nb\n", MISSING)
        assert statuses(pair) == ["paused", "paused"]
        pair("unpause", "a")
        on = pair("unpause", "a", "b", code=1)
        assert (on.out, on.err) == ("b\n", "lxgit: container 'a' is not paused\n")
        killed = pair("kill", "a", "nope", "b", code=1)
        assert (killed.out, killed.err) == ("a\nb\n", MISSING)
        waited = pair("wait", "a", "nope", "b", code=1)
        assert (waited.out, waited.err) == ("137\n137\n", MISSING)

    def test_rm(self, pair: Lxgit) -> None:
        pair("kill", "b")
        removed = pair("rm", "nope", "a", "b", code=1)
        assert [line.split()[2] for line in removed.lines] == ["b"]
        assert removed.err == (
            f"{MISSING}lxgit: container 'a' is running\nhint: -f kills it first\n"
        )
        assert [line.split()[2] for line in pair("rm", "-f", "a", "a", code=1).lines] == ["a"]
        assert pair("ps", "-aq").out == ""

    def test_update(self, pair: Lxgit) -> None:
        changed = pair("update", "--pids-limit", "50", "a", "nope", "b", code=1)
        assert (changed.out, changed.err) == ("a\nb\n", MISSING)
        for name in ("a", "b"):
            assert pair("inspect", name).json[0]["HostConfig"]["PidsLimit"] == 50
        refused = pair("update", "--restart", "often", "a", "b", code=1)
        assert refused.err.count("no restart policy") == 1

    def test_inspect(self, pair: Lxgit) -> None:
        shown = pair("inspect", "a", "nope", "base", code=1)
        assert [one.get("Name", one.get("RepoTags")) for one in shown.json] == [
            "a",
            ["base:latest"],
        ]
        assert shown.err.startswith("lxgit: there is no 'nope'\n")
        assert pair("container", "inspect", "base", "a", code=1).json[0]["Name"] == "a"
        named = pair("container", "inspect", "-f", "{{.Name}}", "a", "nope", "b", code=1)
        assert (named.out, named.err) == ("a\nb\n", MISSING)

    def test_volumes(self, emptied: Lxgit) -> None:
        for name in ("one", "two", "used"):
            emptied("volume", "create", name)
        emptied("create", "--name", "c", "-v", "used:/srv", "base", "true")
        shown = emptied("volume", "inspect", "one", "nope", "two", code=1)
        assert [one["Name"] for one in shown.json] == ["one", "two"]
        assert shown.err.startswith("lxgit: there is no volume 'nope'\n")
        removed = emptied("volume", "rm", "one", "used", "nope", "two", code=1)
        assert removed.lines == ["one", "two"]
        assert [line for line in removed.err.splitlines() if line.startswith("lxgit: ")] == [
            "lxgit: volume 'used' is in use by container 'c'",
            "lxgit: there is no volume 'nope'",
        ]
        assert emptied("volume", "ls", "-q").lines == ["used"]

    def test_networks(self, emptied: Lxgit) -> None:
        emptied("network", "create", "one")
        emptied("network", "create", "two")
        shown = emptied("network", "inspect", "one", "nope", "two", code=1)
        assert [one["Name"] for one in shown.json] == ["one", "two"]
        removed = emptied("network", "rm", "bridge", "one", "nope", "two", code=1)
        assert removed.lines == ["one", "two"]
        assert "every store has network 'bridge'" in removed.err
        assert "there is no network 'nope'" in removed.err


def test_branches(grown: Lxgit, git: StockGit) -> None:
    for name in ("one", "two"):
        grown("branch", name, "base")
    deleted = grown("branch", "-d", "one", "nope", "tuned", "two", code=1)
    assert [line.split()[2] for line in deleted.lines] == ["one", "two"]
    assert deleted.err.startswith("lxgit: there is no branch 'nope'\nhint: ")
    assert "'tuned' is HEAD's branch" in deleted.err
    assert grown("branch").lines == ["  base", "* tuned"]
    grown("undo")  # they went by one command
    assert grown("branch").lines == ["  base", "  one", "* tuned", "  two"]
    assert git.fsck() == b""


def test_tags_and_images(grown: Lxgit, git: StockGit) -> None:
    for name in ("v1", "v2", "v3"):
        grown("tag", name, "base")
    deleted = grown("tag", "-d", "v1", "nope", "v2", code=1)
    assert [line.split()[2] for line in deleted.lines] == ["v1", "v2"]
    assert deleted.err == "lxgit: there is no tag 'nope'\nhint: 'lxgit tag' lists them\n"
    removed = grown("rmi", "base", "tuned", "nope", "v3", code=1)
    assert [line.split()[2] for line in removed.lines] == ["base", "v3"]
    assert "'tuned' is HEAD's branch" in removed.err
    assert "there is no 'nope'" in removed.err
    assert git.fsck() == b""


def test_an_id_goes_with_all_its_names_or_none(grown: Lxgit, git: StockGit) -> None:
    tip = git.word("rev-parse", "tuned")
    grown("tag", "v1", "tuned")
    grown("tag", "v2", "base")
    removed = grown("rmi", "-f", tip[:12], "v2", code=1)
    assert [line.split()[2] for line in removed.lines] == ["v2"]
    assert "'tuned' is HEAD's branch" in removed.err
    assert grown("tag").lines == ["v1"]


def test_nobody_reads_the_answer(grown: Lxgit) -> None:
    """That is no fault of one of the names: it ends the command."""
    for name in ("one", "two"):
        grown("branch", name, "base")
    reader, writer = os.pipe()
    os.close(reader)
    command = [str(PROGRAM), "branch", "-d", "one", "nope", "two"]
    done = subprocess.run(
        command, env=grown.environment(), stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert grown("branch").lines == ["  base", "* tuned", "  two"]
