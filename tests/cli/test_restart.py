"""--restart: containers that are started again, and those that a user has ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.operations import running
from lxgit.operations.service import Result, stop_all
from lxgit.records import replace
from lxgit.repository import open_repository
from lxgit.runtime import protocol
from lxgit.runtime.config import EXITED, RESTARTING
from lxgit.runtime.containers import edited, load
from lxgit.runtime.runplace import socket_path
from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.processes import has_ended, parent
from tests.support.program import PROGRAM, refused
from tests.support.rlimits import descriptors_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lxgit.runtime.containers import Container
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

_SIZE = 900_000  # bytes: more than a socket holds, less than a queue may
RUN = ("run", "-d", "--network", "none", "--name", "web")


def found(lxgit: Lxgit, name: str = "web") -> dict[str, Any]:
    (one,) = lxgit("inspect", name).json
    assert isinstance(one, dict)
    return one


def end_its_sleep(lxgit: Lxgit, mark: str) -> None:
    """Have the script of a container go on behind its `sleep`, as soon as that is there.

    Who does so ends with the container, and may not live to tell how it went.
    """
    wait_until(lambda: not lxgit("exec", "web", "pidof", "sleep", code=None).code)
    lxgit("exec", "web", "sh", "-c", f"touch {mark}; killall sleep", code=None)


def test_on_failure_goes_on_as_often_as_it_may(emptied: Lxgit) -> None:
    script = "echo life >> /lives; cat /lives; exit 3"
    emptied(*RUN, "--restart", "on-failure:2", "base", "sh", "-c", script)
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    assert emptied("logs", "web").lines == ["life"] * 6  # three lives on the same files
    assert found(emptied)["RestartCount"] == 2
    assert found(emptied)["State"]["ExitCode"] == 3
    assert found(emptied)["HostConfig"]["RestartPolicy"] == {
        "Name": "on-failure",
        "MaximumRetryCount": 2,
    }


def test_success_is_no_failure(emptied: Lxgit) -> None:
    emptied(*RUN, "--restart", "on-failure", "base", "true")
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    assert found(emptied)["RestartCount"] == 0


@pytest.mark.parametrize("command", ["stop", "kill", "rm -f"])
def test_a_user_ends_it_for_good(emptied: Lxgit, command: str) -> None:
    """Whichever of its states it is in: it lives for a moment, and waits for another."""
    emptied(*RUN, "--restart", "always", "base", "true")
    wait_until(lambda: found(emptied)["RestartCount"] >= 2)
    for _ in range(20):  # a kill finds nobody to be killed, between two lives
        if not emptied(*command.split(), "web", code=None).code:
            break
    if command == "rm -f":
        assert not emptied("ps", "-aq").out
        return
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    assert found(emptied)["State"]["Status"] == "exited"
    emptied("start", "web")
    emptied("rm", "-f", "web")


def test_between_two_lives_it_says_so_and_stop_does_not_wait(emptied: Lxgit) -> None:
    emptied(*RUN, "--restart", "always", "base", "sh", "-c", "exit 4")
    wait_until(lambda: found(emptied)["RestartCount"] >= 4)
    wait_until(lambda: "Restarting (4)" in emptied("ps").out)
    assert "is running" in emptied("rm", "web", code=1).err
    begin = time.monotonic()
    emptied("stop", "-t", "300", "web")
    assert time.monotonic() - begin < 60
    assert "Exit 4" in emptied("ps", "-a").out


def test_attached_clients_get_the_exit_code_of_the_first_life(emptied: Lxgit) -> None:
    script = "echo life >> /lives; exit $(wc -l < /lives)"
    run = ("run", "--network", "none", "--name", "web", "--restart", "on-failure:1")
    emptied(*run, "base", "sh", "-c", script, code=1)
    wait_until(lambda: found(emptied)["State"]["ExitCode"] == 2)


def test_what_cannot_be_started_is_not_tried_again(emptied: Lxgit) -> None:
    emptied(*RUN, "--restart", "always", "base", "nosuch", code=127)
    assert found(emptied)["State"]["Status"] == "exited"
    emptied("run", "--rm", "--restart", "always", "base", "true", code=2)
    emptied("run", "--restart", "sometimes", "base", "true", code=125)


@pytest.mark.parametrize("command", ["run", "exec"])
def test_whoever_takes_no_output_keeps_nobody_from_the_next_life(
    emptied: Lxgit, command: str
) -> None:
    """And is told the rest of the life that has ended, once it is taken."""
    told = f"head -c {_SIZE} /dev/zero; touch /end"
    life = told if command == "run" else "until [ -e /end ]; do sleep 0.05; done"
    script = f"[ -e /end ] && exec sleep 600; {life}"
    words = ["run", *RUN[2:], "--restart", "always", "base", "sh", "-c", script]
    if command == "exec":
        emptied(*words[:1], "-d", *words[1:])
        words = ["exec", "web", "sh", "-c", told]
    with subprocess.Popen(
        [PROGRAM, *words], env=emptied.environment(), stdout=subprocess.PIPE
    ) as slow:
        wait_until(lambda: '"RestartCount": 1,' in emptied("inspect", "web", code=None).out)
        wait_until(lambda: found(emptied)["State"]["Status"] == "running")
        assert slow.stdout is not None
        assert len(slow.stdout.read()) == _SIZE


def test_another_policy_holds_at_the_next_end(emptied: Lxgit) -> None:
    """Of one that runs, and of one that waits for its next life."""
    script = "echo life >> /lives; [ -e /end ] || sleep 600; exit 3"
    emptied(*RUN, "--restart", "on-failure:1", "base", "sh", "-c", script)
    emptied("update", "--restart", "always", "web")
    end_its_sleep(emptied, "/end")
    wait_until(lambda: found(emptied)["RestartCount"] >= 3)
    policy = found(emptied)["HostConfig"]["RestartPolicy"]
    assert policy == {"Name": "always", "MaximumRetryCount": 0}
    emptied("update", "--restart", "no", "web")
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    assert found(emptied)["State"]["ExitCode"] == 3


def test_a_policy_for_one_that_has_no_keeper(emptied: Lxgit) -> None:
    emptied(*RUN, "base", "sh", "-c", "[ -e /once ] || sleep 600; exit 3")
    told = emptied("update", "--restart", "always", "web")
    assert told.out == "web\n"
    assert told.err == (
        "lxgit: warning: container 'web' was started without a policy: 'always' holds from its next"
        " start, as by 'lxgit restart web'\n"
    )
    end_its_sleep(emptied, "/once")
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    assert not emptied("update", "--restart", "on-failure", "web").err
    emptied("start", "web")
    wait_until(lambda: found(emptied)["RestartCount"] >= 2)
    assert not emptied("update", "--restart", "always", "web").err


def test_an_update_of_one_whose_supervisor_was_killed(emptied: Lxgit) -> None:
    emptied(*RUN, "base", "sleep", "600")
    supervisor = parent(parent(found(emptied)["State"]["Pid"]))
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: has_ended(supervisor))
    assert not emptied("update", "--restart", "always", "--cpuset-cpus", "0", "web").err
    assert found(emptied)["State"]["Status"] == "exited"
    emptied("start", "web")
    assert "Cpus_allowed_list:\t0\n" in emptied("exec", "web", "cat", "/proc/1/status").out
    os.kill(found(emptied)["State"]["Pid"], signal.SIGKILL)
    wait_until(lambda: found(emptied)["RestartCount"] == 1)


def test_an_update_that_says_nothing_and_one_that_cannot_be(emptied: Lxgit) -> None:
    emptied(*RUN, "base", "sleep", "600")
    assert emptied("update", "web", code=2).err.startswith("lxgit: nothing to change was said\n")
    refused = emptied("update", "--restart", "often", "-m", "64m", "web", code=1)
    assert refused.err.startswith("lxgit: 'often' is no restart policy\n")
    assert found(emptied)["HostConfig"]["Memory"] == 0


def test_a_supervisor_that_was_killed_leaves_nothing(emptied: Lxgit) -> None:
    emptied(*RUN, "--restart", "always", "base", "sleep", "60")
    starter = parent(found(emptied)["State"]["Pid"])  # lxc-start's
    os.kill(parent(starter), signal.SIGKILL)
    wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
    emptied("start", "web")


class TestAtBoot:
    def test_who_should_run_is_started(self, emptied: Lxgit) -> None:
        run = ("run", "-d", "--network", "none", "--restart")
        emptied(*run, "always", "--name", "a", "base", "sleep", "60")
        emptied(*run, "unless-stopped", "--name", "b", "base", "sleep", "60")
        emptied(*run, "unless-stopped", "--name", "c", "base", "sleep", "60")
        emptied(*run, "no", "--name", "d", "base", "sleep", "60")
        emptied("stop", "-t", "0", "a", "c")
        emptied("system", "stop-all", "--timeout", "0")
        assert not emptied("ps", "-q").out
        assert sorted(emptied("system", "start-all").lines) == ["a", "b"]
        names = {row["name"] for row in emptied("ps", "--format", "json").json}
        assert names == {"a", "b"}

    def test_no_wish_for_endless_patience_holds_up_the_end(
        self, emptied: Lxgit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = ("run", "-d", "--network", "none", "--name", "a", "--stop-timeout", "-1")
        emptied(*run, "base", "sleep", "600")  # which, as the first process, no SIGTERM ends
        monkeypatch.setattr(running, "_PATIENCE", 0.1)
        assert list(stop_all(open_repository(emptied.store), None)) == [Result("a")]

    def test_one_that_cannot_start_keeps_no_other_from_it(self, emptied: Lxgit) -> None:
        run = ("create", "--network", "none", "--restart", "always", "--name")
        emptied(*run, "a", "base", "nosuch")
        emptied(*run, "b", "base", "sleep", "60")
        result = emptied("system", "start-all", code=1)
        assert result.lines == ["b"]
        assert "nosuch" in result.err

    def test_the_unit_is_printed_and_installed(self, emptied: Lxgit, scratch: Path) -> None:
        unit = emptied("system", "service").out
        (scratch / "units").mkdir()
        assert f"--store {emptied.store} system start-all" in unit
        assert "\nExecStart=-" in unit  # one that cannot start does not fail it
        assert "WantedBy=multi-user.target" in unit
        install = ("system", "service", "--install", "--directory", str(scratch / "units"))
        path = Path(emptied(*install).out.strip())
        assert path.read_text() == unit
        assert path.name.startswith("lxgit-")
        assert (path.parent / "multi-user.target.wants" / path.name).resolve() == path
        emptied(*install)  # again, in its place
        assert len(list(path.parent.iterdir())) == 2
        if shutil.which("systemd-analyze") is not None:
            said = subprocess.run(
                ["systemd-analyze", "verify", path], capture_output=True, text=True, check=False
            )
            assert path.name not in said.stderr


def test_what_is_changed_between_two_lives_holds_from_the_next(emptied: Lxgit) -> None:
    """It does not begin while somebody changes it, and hears of its end all the same."""
    script = "hostname; exit 3"
    emptied(*RUN, "-h", "first", "--restart", "always", "base", "sh", "-c", script)
    container = load(emptied.store / "containers", found(emptied)["Id"])
    with edited(container) as now:
        wait_until(lambda: now.recorded_state().status == RESTARTING)
        wait_until(lambda: now.recorded_state().supervisor is not None)
        lives = now.recorded_state().restarts
        time.sleep(0.5)
        assert now.recorded_state().restarts == lives
        now.configured(replace(now.config, hostname="second"))
    wait_until(lambda: now.recorded_state().restarts > lives)
    wait_until(lambda: emptied("logs", "web").lines[-1] == "second")
    assert "first" not in emptied("logs", "web").lines[lives + 1 :]
    with edited(container):
        emptied("stop", "web")
        assert now.recorded_state().status == EXITED


def held_at_least(keeper: int) -> int:
    """The fewest descriptors that it has in half a second of waits."""
    counts = []
    for _ in range(50):
        counts.append(len(descriptors_of(keeper)))
        time.sleep(0.01)
    return min(counts)


def told_until_hung_up(container: Container) -> list[bytes]:
    """What a client is told that does not leave by itself."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.settimeout(60)
        wait_until(lambda: not channel.connect_ex(socket_path(container.id)))
        return list(iter(lambda: channel.recv(protocol.MAX_MESSAGE), b""))


class TestBetweenTwoLives:
    """What is asked of a container that ends again and again."""

    SCRIPT = "echo life >> /lives; exit 3"

    def test_its_files_can_be_had_whenever_it_is(self, emptied: Lxgit, scratch: Path) -> None:
        emptied(*RUN, "--restart", "always", "base", "sh", "-c", self.SCRIPT)
        (scratch / "note").write_text("from outside\n")
        for number in range(2):
            emptied("commit", "-m", "x", "web", f"made{number}")
            emptied("cp", scratch / "note", f"web:/note{number}")
            emptied("cp", "web:/lives", scratch / f"lives{number}")
        assert emptied("show", "made1:/note0").out == "from outside\n"
        lives = (scratch / "lives1").read_text().splitlines()
        assert set(lives) == {"life"}
        emptied("stop", "web")
        emptied("commit", "-m", "the rest", "web")
        assert emptied("show", "made1:/note1").out == "from outside\n"
        assert emptied("show", "made1:/lives").lines[: len(lives)] == lives

    def test_a_keeper_holds_no_more_after_many_waits(self, emptied: Lxgit) -> None:
        """Whoever changes the container has it wait again and again."""
        emptied(*RUN, "--restart", "always", "base", "sh", "-c", self.SCRIPT)
        container = load(emptied.store / "containers", found(emptied)["Id"])
        with edited(container) as now:
            wait_until(lambda: now.recorded_state().waits)
            keeper = now.recorded_state().supervisor
            assert keeper is not None
            before = held_at_least(keeper)
            # On a busy machine it may be in the middle of a wait each time that somebody looks;
            # what leaks with each wait does not go away.
            wait_until(lambda: held_at_least(keeper) <= before)
            assert told_until_hung_up(container) == [protocol.STARTED, protocol.ended(3)]
            wait_until(lambda: held_at_least(keeper) <= before)

    def test_a_keeper_that_cannot_go_on_says_why(self, emptied: Lxgit) -> None:
        if reason := lacks_program("strace"):
            unable(reason)
        emptied(*RUN, "--restart", "always", "base", "sh", "-c", self.SCRIPT)
        container = load(emptied.store / "containers", found(emptied)["Id"])
        with contextlib.ExitStack() as tracing:
            with edited(container) as now:
                wait_until(lambda: now.recorded_state().waits)
                options = ("-o", "/dev/null", "--trace=clone", "--inject=clone:error=EAGAIN")
                command = ("strace", *options, "-p", str(now.recorded_state().supervisor))
                tracer = tracing.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE))
                assert tracer.stderr is not None
                assert b"attached" in tracer.stderr.readline()
            wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
        state = found(emptied)["State"]
        why = "the container could not be started again: resource temporarily unavailable"
        assert (state["Error"], state["ExitCode"]) == (why, 3)
        emptied("start", "web")

    def test_a_life_that_cannot_begin_is_the_last_and_says_why(self, emptied: Lxgit) -> None:
        emptied(*RUN, "--restart", "on-failure:9", "base", "sh", "-c", self.SCRIPT)
        container = load(emptied.store / "containers", found(emptied)["Id"])
        with edited(container) as now:
            wait_until(lambda: now.recorded_state().waits)
            lives = now.recorded_state().restarts
            (container.path / "log").unlink()
            (container.path / "log").mkdir()
        wait_until(lambda: found(emptied)["State"]["Status"] == "exited")
        state = found(emptied)["State"]
        why = f"the container could not be started again: {container.path}/log: is a directory"
        assert (state["Error"], state["ExitCode"]) == (why, 3)
        assert found(emptied)["RestartCount"] == lives
        (container.path / "log").rmdir()
        emptied("start", "web")

    def test_what_wants_a_process_says_why_there_is_none(self, emptied: Lxgit) -> None:
        emptied(*RUN, "--restart", "always", "base", "sh", "-c", self.SCRIPT)
        container = load(emptied.store / "containers", found(emptied)["Id"])
        with edited(container) as now:
            wait_until(lambda: now.recorded_state().waits)
            for words in ("pause web", "unpause web", "top web", "exec web true"):
                told = emptied(*words.split(), code=1)
                refused(told, "container 'web' is restarting", "'lxgit stop web' ends that")
