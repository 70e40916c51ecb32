"""--restart: containers that are started again, and those that a user has ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

RUN = ("run", "-d", "--network", "none", "--name", "web")


@pytest.fixture
def ended(based: Lxgit) -> Iterator[Lxgit]:
    """A store whose containers are all gone at the end."""
    yield based
    based("rm", "-f", *based("ps", "-aq").lines, code=None)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def found(lxgit: Lxgit, name: str = "web") -> dict[str, Any]:
    (one,) = lxgit("inspect", name).json
    assert isinstance(one, dict)
    return one


def test_on_failure_goes_on_as_often_as_it_may(ended: Lxgit) -> None:
    script = "echo life >> /lives; cat /lives; exit 3"
    ended(*RUN, "--restart", "on-failure:2", "base", "sh", "-c", script)
    until(lambda: found(ended)["State"]["Status"] == "exited")
    assert ended("logs", "web").lines == ["life"] * 6  # three lives on the same files
    assert found(ended)["RestartCount"] == 2
    assert found(ended)["State"]["ExitCode"] == 3
    assert found(ended)["HostConfig"]["RestartPolicy"] == {
        "Name": "on-failure",
        "MaximumRetryCount": 2,
    }


def test_success_is_no_failure(ended: Lxgit) -> None:
    ended(*RUN, "--restart", "on-failure", "base", "true")
    until(lambda: found(ended)["State"]["Status"] == "exited")
    assert found(ended)["RestartCount"] == 0


@pytest.mark.parametrize("command", ["stop", "kill", "rm -f"])
def test_a_user_ends_it_for_good(ended: Lxgit, command: str) -> None:
    """Whichever of its states it is in: it lives for a moment, and waits for another."""
    ended(*RUN, "--restart", "always", "base", "true")
    until(lambda: found(ended)["RestartCount"] >= 2)
    for _ in range(20):  # a kill finds nobody to be killed, between two lives
        if not ended(*command.split(), "web", code=None).code:
            break
    if command == "rm -f":
        assert not ended("ps", "-aq").out
        return
    until(lambda: found(ended)["State"]["Status"] == "exited")
    assert found(ended)["State"]["Status"] == "exited"
    ended("start", "web")
    ended("rm", "-f", "web")


def test_between_two_lives_it_says_so_and_stop_does_not_wait(ended: Lxgit) -> None:
    ended(*RUN, "--restart", "always", "base", "sh", "-c", "exit 4")
    until(lambda: found(ended)["RestartCount"] >= 4)
    until(lambda: "Restarting (4)" in ended("ps").out)
    assert "is running" in ended("rm", "web", code=1).err
    begin = time.monotonic()
    ended("stop", "web")
    assert time.monotonic() - begin < 10
    assert "Exit 4" in ended("ps", "-a").out


def test_attached_clients_get_the_exit_code_of_the_first_life(ended: Lxgit) -> None:
    script = "echo life >> /lives; exit $(wc -l < /lives)"
    run = ("run", "--network", "none", "--name", "web", "--restart", "on-failure:1")
    ended(*run, "base", "sh", "-c", script, code=1)
    until(lambda: found(ended)["State"]["ExitCode"] == 2)


def test_what_cannot_be_started_is_not_tried_again(ended: Lxgit) -> None:
    ended(*RUN, "--restart", "always", "base", "nosuch", code=127)
    assert found(ended)["State"]["Status"] == "exited"
    ended("run", "--rm", "--restart", "always", "base", "true", code=2)
    ended("run", "--restart", "sometimes", "base", "true", code=125)


def test_a_supervisor_that_was_killed_leaves_nothing(ended: Lxgit) -> None:
    ended(*RUN, "--restart", "always", "base", "sleep", "60")
    supervisor = found(ended)["State"]["Pid"]
    parent = int(_stat(supervisor, 1))  # lxc-start's
    os.kill(int(_stat(parent, 1)), signal.SIGKILL)
    until(lambda: found(ended)["State"]["Status"] == "exited")
    ended("start", "web")


def _stat(pid: int, field: int) -> str:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(") ")[2].split()[field]


class TestAtBoot:
    def test_who_should_run_is_started(self, ended: Lxgit) -> None:
        run = ("run", "-d", "--network", "none", "--restart")
        ended(*run, "always", "--name", "a", "base", "sleep", "60")
        ended(*run, "unless-stopped", "--name", "b", "base", "sleep", "60")
        ended(*run, "unless-stopped", "--name", "c", "base", "sleep", "60")
        ended(*run, "no", "--name", "d", "base", "sleep", "60")
        ended("stop", "-t", "0", "a", "c")
        ended("system", "stop-all", "-t", "0")
        assert not ended("ps", "-q").out
        assert sorted(ended("system", "start-all").lines) == ["a", "b"]
        names = {row["name"] for row in ended("ps", "--format", "json").json}
        assert names == {"a", "b"}

    def test_one_that_cannot_start_keeps_no_other_from_it(self, ended: Lxgit) -> None:
        run = ("create", "--network", "none", "--restart", "always", "--name")
        ended(*run, "a", "base", "nosuch")
        ended(*run, "b", "base", "sleep", "60")
        result = ended("system", "start-all", code=1)
        assert result.lines == ["b"]
        assert "nosuch" in result.err

    def test_the_unit_is_printed_and_installed(self, ended: Lxgit, scratch: Path) -> None:
        unit = ended("system", "service").out
        (scratch / "units").mkdir()
        assert f"--store {ended.store} system start-all" in unit
        assert "WantedBy=multi-user.target" in unit
        install = ("system", "service", "--install", "--directory", str(scratch / "units"))
        path = Path(ended(*install).out.strip())
        assert path.read_text() == unit
        assert path.name.startswith("lxgit-")
        assert (path.parent / "multi-user.target.wants" / path.name).resolve() == path
        ended(*install)  # again, in its place
        assert len(list(path.parent.iterdir())) == 2
        if shutil.which("systemd-analyze") is not None:
            said = subprocess.run(
                ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
            )
            assert path.name not in said.stderr
