"""run -d, logs, attach, stop, kill, restart, wait, rename."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pexpect
import pytest

from lxgit.cli.detaching import key_sequence
from lxgit.cli.moments import moment
from lxgit.errors import UsageError
from tests.cli.conftest import row
from tests.support.processes import has_ended, is_attached, parent
from tests.support.program import PROGRAM, refused
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.program import Lxgit

SERVE = "trap 'echo bye; exit 5' TERM; echo up; echo trouble >&2; while :; do sleep 0.05; done"
PATIENT = ["sh", "-c", SERVE]
needs_lxc = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def web(based: Lxgit) -> Iterator[Lxgit]:
    """A store with a container `web` that runs by itself, and ends at SIGTERM with 5."""
    based("run", "-d", "--name", "web", "base", *PATIENT)
    wait_for(based, "up")
    wait_until(lambda: based("logs", "web").err == "trouble\n")
    yield based
    based("rm", "-f", *based("ps", "-aq").lines or ["web"], code=None)


def wait_for(lxgit: Lxgit, text: str, container: str = "web") -> None:
    """Until the container has written a text."""
    for _ in range(600):
        if text in lxgit("logs", container).out:
            return
        time.sleep(0.05)
    pytest.fail(f"'{text}' did not come")


class TestDetached:
    pytestmark = needs_lxc

    def test_the_id_is_printed_and_it_runs(self, web: Lxgit) -> None:
        assert re.search(r" Up \S.* +web$", web("ps").lines[1])
        made = web("run", "-d", "base", "sleep", "60").out
        assert re.fullmatch(r"[0-9a-f]{12}\n", made)
        assert web("ps", "-q").lines[0] == made.strip()

    def test_one_that_cannot_start(self, web: Lxgit) -> None:
        refused = web("run", "-d", "--rm", "base", "nothing-such", code=127)
        assert refused.err.startswith("lxgit: ")
        assert refused.out == ""

    def test_rm_at_the_end(self, web: Lxgit) -> None:
        made = web("run", "-d", "--rm", "base", "true").out.strip()
        web("wait", made, code=None)  # for its end, which comes before that
        wait_until(lambda: made not in web("ps", "-aq").out)

    def test_its_input_stays_open_without_a_client(self, web: Lxgit) -> None:
        web("run", "-d", "-i", "--name", "cat", "base", "cat")
        assert row(web, "cat")["status"] == "running"
        with subprocess.Popen(
            [PROGRAM, "attach", "cat"],
            env=web.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as client:
            out, _ = client.communicate(b"typed\n", timeout=60)
        assert (client.returncode, out) == (0, b"typed\n")

    def test_a_name_that_is_a_branchs(self, web: Lxgit) -> None:
        refused = web("run", "-d", "--name", "base", "base", "true", code=125)
        assert refused.err.startswith("lxgit: 'base' is a branch\n")


class TestEnds:
    pytestmark = needs_lxc

    def test_stop_asks_first(self, web: Lxgit) -> None:
        assert web("stop", "web").out == "web\n"
        assert row(web, "web")["exit_code"] == 5
        assert web("logs", "web").out == "up\nbye\n"
        assert web("stop", "web").out == "web\n"

    def test_stop_and_restart_with_another_signal(self, web: Lxgit) -> None:
        script = "trap 'echo usr; exit 6' USR1; trap '' TERM; echo up; while :; do sleep 0.05; done"
        web("run", "-d", "--name", "odd", "base", "sh", "-c", script)
        wait_for(web, "up", "odd")
        assert "no signal 'X'" in web("stop", "-s", "X", "odd", code=2).err
        web("restart", "-s", "USR1", "odd")
        wait_until(lambda: web("logs", "odd").lines == ["up", "usr", "up"])
        web("stop", "--signal", "usr1", "odd")
        assert row(web, "odd")["exit_code"] == 6

    def test_stop_kills_the_deaf(self, web: Lxgit) -> None:
        command = ("sh", "-c", "trap '' TERM; sleep 600; sleep 600")
        web("run", "-d", "--name", "deaf", "--stop-timeout", "600", "base", *command)
        begin = time.monotonic()
        web("stop", "--timeout", "1", "deaf")
        assert 1 <= time.monotonic() - begin < 60
        assert row(web, "deaf")["exit_code"] == 137

    @pytest.mark.parametrize("patience", ["-1", "9223372036"])
    def test_stop_waits_for_as_long_as_is_asked_for(self, web: Lxgit, patience: str) -> None:
        script = "trap 'sleep 1; exit 6' TERM; echo up; while :; do sleep 0.05; done"
        for name, made, asked in (
            ("own", ("--stop-timeout", patience), ()),
            ("said", ("--stop-timeout", "0"), ("-t", patience)),
        ):
            web("run", "-d", "--name", name, *made, "base", "sh", "-c", script)
            wait_for(web, "up", name)
            web("stop", *asked, name)
            assert row(web, name)["exit_code"] == 6
        (found,) = web("inspect", "own").json
        assert found["Config"]["StopTimeout"] == int(patience)

    def test_what_nobody_can_wait_for(self, web: Lxgit) -> None:
        for patience in ("-2", "9223372037", "9" * 18):
            for words in ("stop", "restart"):
                assert "lxgit: --time " in web(words, "-t", patience, "web", code=2).err
            faulty = web("create", "--stop-timeout", patience, "base", "true", code=2)
            assert "lxgit: --stop-timeout " in faulty.err
        assert row(web, "web")["status"] == "running"

    def test_kill(self, web: Lxgit) -> None:
        assert web("kill", "web").out == "web\n"
        assert web("ps", "-q").out == ""
        assert " Exit 137 " in web("ps", "-a").lines[1]
        again = web("kill", "web", code=1)
        assert again.err.startswith("lxgit: container 'web' is not running\nhint: ")

    def test_other_signals(self, web: Lxgit) -> None:
        web("kill", "-s", "term", "web")
        assert web("wait", "web").out == "5\n"
        assert "there is no signal 'nonsense'" in web("kill", "-s", "nonsense", "web", code=2).err

    def test_a_name_that_is_wrong(self, web: Lxgit) -> None:
        assert "did you mean 'web'?" in web("kill", "wep", code=1).err
        assert "no container 'wep'" in web("stop", "wep", code=1).err
        assert "no signal 'X'" in web("kill", "-s", "X", "web", code=2).err
        assert row(web, "web")["status"] == "running"

    def test_wait(self, web: Lxgit) -> None:
        command = [str(PROGRAM), "wait", "web", "web"]
        with subprocess.Popen(command, env=web.environment(), stdout=subprocess.PIPE) as waiting:
            time.sleep(0.2)
            assert waiting.poll() is None
            web("stop", "web")
            assert waiting.communicate(timeout=60)[0] == b"5\n5\n"

    def test_wait_for_one_that_was_lost(self, web: Lxgit) -> None:
        """Whoever kills a supervisor kills the container; that is no success."""
        state = web.store / "containers" / row(web, "web")["id"] / "state.json"
        os.kill(json.loads(state.read_bytes())["supervisor"], signal.SIGKILL)
        assert web("wait", "web").out == "137\n"

    def test_restart(self, web: Lxgit) -> None:
        assert web("restart", "web").out == "web\n"
        wait_for(web, "up\nbye\nup\n")
        web("stop", "web")
        web("restart", "web")
        assert row(web, "web")["status"] == "running"

    def test_rename(self, web: Lxgit) -> None:
        web("rename", "web", "front")
        assert web("stop", "front").out == "front\n"
        assert "no container 'web'" in web("start", "web", code=1).err
        web("run", "--name", "web", "base", "true")
        assert "a container is named 'web' already" in web("rename", "front", "web", code=1).err
        assert "'base' is a branch" in web("rename", "front", "base", code=1).err
        assert "cannot be the name" in web("rename", "front", "a b", code=1).err
        assert {row["name"] for row in web("ps", "-a", "--format", "json").json} == {"web", "front"}
        web("rm", "front", "web")
        assert web("fsck").code == 0


class TestLogs:
    pytestmark = needs_lxc

    def test_both_streams(self, web: Lxgit) -> None:
        result = web("logs", "web")
        assert (result.out, result.err) == ("up\n", "trouble\n")

    def test_the_last_lines(self, web: Lxgit) -> None:
        web("run", "--name", "many", "base", "sh", "-c", "seq 1000; printf unfinished")
        assert web("logs", "--tail", "2", "many").out == "1000\nunfinished"
        assert web("logs", "-n", "0", "many").out == ""
        assert len(web("logs", "many").lines) == 1001
        assert "is no number of lines" in web("logs", "--tail", "x", "many", code=2).err

    def test_times(self, web: Lxgit) -> None:
        (line,) = web("logs", "-t", "web").lines
        stamp, _, text = line.partition(" ")
        assert text == "up"
        assert abs(moment(stamp) - time.time_ns()) < 60e9
        assert web("logs", "--since", stamp, "web").lines == ["up"]
        assert web("logs", "--since", str(time.time() + 1), "web").out == ""
        assert web("logs", "--until", "1h", "web").out == ""
        assert web("logs", "--since", "1h", "--until", "0s", "web").lines == ["up"]

    def test_what_comes(self, web: Lxgit) -> None:
        command = [str(PROGRAM), "logs", "-f", "web"]
        with subprocess.Popen(command, env=web.environment(), stdout=subprocess.PIPE) as following:
            assert following.stdout is not None
            assert following.stdout.readline() == b"up\n"
            web("stop", "web")
            assert following.stdout.read() == b"bye\n"
        assert following.returncode == 0


class TestAttach:
    pytestmark = needs_lxc

    def test_the_exit_code_comes_through(self, web: Lxgit) -> None:
        command = [str(PROGRAM), "attach", "--no-stdin", "web"]
        with subprocess.Popen(command, env=web.environment(), stdout=subprocess.PIPE) as client:
            wait_until(lambda: is_attached(client.pid))
            web("stop", "web")
            assert client.communicate(timeout=60)[0] == b"bye\n"
        assert client.returncode == 5
        assert web("attach", "web", code=1).err.startswith("lxgit: container 'web' is not running")

    def test_the_streams_that_were_asked_for(self, web: Lxgit) -> None:
        script = "cat; echo trouble >&2"
        run = ("run", "--rm", "-i", "--network", "none")
        for streams, seen in (
            (("stdout",), ("", "")),
            (("stdin", "stdout"), ("in", "")),
            (("STDERR",), ("", "trouble\n")),
        ):
            options = [word for stream in streams for word in ("-a", stream)]
            done = web(*run, *options, "base", "sh", "-c", script, stdin=b"in")
            assert (done.out, done.err) == seen
        assert "no stream 'x'" in web("run", "-a", "x", "base", "true", code=2).err
        assert "leave one out" in web("run", "-d", "-a", "stdout", "base", code=2).err

    def test_signals_of_the_client_alone(self, web: Lxgit) -> None:
        """With --sig-proxy=false it ends, and the container goes on."""
        command = [str(PROGRAM), "attach", "--sig-proxy=false", "web"]
        with subprocess.Popen(command, env=web.environment(), cwd=web.home) as client:
            wait_until(lambda: is_attached(client.pid))
            client.send_signal(signal.SIGTERM)
        assert client.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)
        assert web("ps", "-q").out

    def test_leaving_a_terminal_and_coming_back(self, web: Lxgit) -> None:
        with web.terminal("run", "-it", "--name", "shell", "base", "sh") as terminal:
            terminal.expect("# ")
            terminal.send("A=kept\r")
            terminal.expect("# ")
            terminal.send("\x10")
            terminal.send("\x11")
            terminal.expect("detached: the container goes on")
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 0
        assert row(web, "shell")["status"] == "running"
        with web.terminal("attach", "--detach-keys", "ctrl-a,x", "shell") as terminal:
            terminal.send("echo $A\x01\x05\r")  # the first key of two, and another: to and fro
            terminal.expect_exact("kept")
            with web.terminal("attach", "shell") as second:
                second.send("echo for$((1+1))\r")
                second.expect_exact("for2")
                terminal.expect_exact("for2")
                second.send("\x10\x11")
                second.expect(pexpect.EOF)
            terminal.send("\x01x")
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 0
        with web.terminal("attach", "shell") as terminal:
            terminal.send("exit 7\r")
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 7


def interrupt(terminal: pexpect.spawn[str]) -> None:
    """Type Ctrl-C until the shell prompts: a command that has not quite begun does not hear it."""
    for _ in range(60):
        terminal.sendintr()
        if terminal.expect(["# ", pexpect.TIMEOUT], timeout=1) == 0:
            return
    pytest.fail("the command goes on")


class TestExec:
    pytestmark = needs_lxc

    def test_input_output_and_code(self, web: Lxgit) -> None:
        script = "cat; echo trouble >&2; exit 7"
        result = web("exec", "-i", "web", "sh", "-c", script, code=7, stdin=b"typed")
        assert (result.out, result.err) == ("typed", "trouble\n")
        assert web("exec", "web", "cat", stdin=b"unseen").out == ""
        assert web("exec", "web", "sh", "-c", "kill -9 $$", code=137).out == ""
        data = bytes(range(256)) * 4000
        assert web("exec", "-i", "web", "cat", stdin=data).stdout == data
        assert web("logs", "web").out == "up\n"
        assert row(web, "web")["status"] == "running"

    def test_faults(self, web: Lxgit) -> None:
        assert "not found in $PATH" in web("exec", "web", "nothing-such", code=127).err
        assert "is not executable" in web("exec", "web", "/etc/motd", code=126).err
        assert "no directory" in web("exec", "-w", "/nowhere", "web", "true", code=126).err
        assert "nobody-such" in web("exec", "-u", "nobody-such", "web", "true", code=125).err
        assert "missing argument 'COMMAND'" in web("exec", "web", code=2).err
        long = web("exec", "web", "echo", "x" * 70_000, code=126)
        assert long.err.startswith("lxgit: the command and its environment take more than 64 KiB")
        web("stop", "web")
        assert "is not running" in web("exec", "web", "true", code=1).err

    def test_one_whose_first_process_has_just_ended(self, web: Lxgit) -> None:
        """LXC has not told of it yet."""
        pid = web("inspect", "web").json[0]["State"]["Pid"]
        lxc = parent(pid)
        os.kill(lxc, signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: has_ended(pid))
            told = web("exec", "web", "true", code=1)
        finally:
            os.kill(lxc, signal.SIGCONT)
        refused(told, "container 'web' is not running", "'lxgit ps -a' shows how it ended")

    def test_who_and_where(self, web: Lxgit) -> None:
        told = web(
            *("exec", "-u", "nobody", "-w", "/tmp", "-e", "A=b c", "web", "sh", "-c"),
            'id -u; pwd; echo "$A"; hostname',
        ).lines
        assert told == ["65534", "/tmp", "b c", row(web, "web")["id"][:12]]

    def test_variables_of_a_file(self, web: Lxgit, scratch: Path) -> None:
        file = scratch / "variables"
        file.write_text("# a remark\nA=of the file\nB=b\n")
        options = ("--env-file", str(file), "-e", "A=a")
        assert web("exec", *options, "web", "sh", "-c", "echo $A $B").out == "a b\n"

    def test_it_is_confined_as_the_first_command_is(self, web: Lxgit) -> None:
        script = (
            "grep -E '^(Cap|Seccomp|NoNewPrivs|Uid|Gid|Groups)' /proc/$1/status;"
            " sed 's:/[.]lxc$:/:' /proc/$1/cgroup; cat /proc/$1/uid_map"
        )  # LXC joins in a control group .lxc below, where there is version 2
        show = ["sh", "-c", script, "sh"]
        first, second = (web("exec", "web", *show, of).lines for of in ("1", "self"))
        assert first == second
        for namespace in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            links = [
                web("exec", "web", "readlink", f"/proc/{process}/ns/{namespace}").out
                for process in ("1", "self")
            ]
            assert links[0] == links[1]

    def test_it_gets_no_descriptor_of_ours(self, web: Lxgit) -> None:
        listed = web("exec", "web", "ls", "-l", "/proc/self/fd").lines
        assert len([line for line in listed if "->" in line]) == 3

    def test_a_terminal(self, web: Lxgit) -> None:
        with web.terminal("exec", "-it", "web", "sh", size=(33, 101)) as terminal:
            terminal.expect("# ")
            terminal.sendline("stty size; tty")
            terminal.expect_exact("33 101")
            terminal.expect("/dev/pts/[0-9]+")
            terminal.expect("# ")
            terminal.setwinsize(20, 90)
            terminal.sendline("until stty size | grep '20 90'; do sleep 0.05; done; echo res''ized")
            terminal.expect_exact("resized")
            terminal.expect("# ")
            terminal.sendline("echo g''o; sleep 600")
            terminal.expect_exact("go")
            interrupt(terminal)
            terminal.sendline("exit 5")
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 5

    def test_leaving_it(self, web: Lxgit) -> None:
        with web.terminal("exec", "-it", "web", "sh", "-c", "echo here; sleep 600") as terminal:
            terminal.expect("here")
            terminal.send("\x10\x11")
            terminal.expect(pexpect.EOF)
        assert terminal.exitstatus == 0
        commands = ("exec", "web", "sh", "-c", "cat /proc/[0-9]*/cmdline")
        wait_until(lambda: "sleep\x00600\x00" in web(*commands, code=None).out)

    def test_detached(self, web: Lxgit) -> None:
        assert web("exec", "-d", "web", "sh", "-c", "echo x; sleep 0.2; touch /tmp/done").out == ""
        web("exec", "web", "sh", "-c", "until [ -e /tmp/done ]; do sleep 0.05; done")

    def test_it_does_not_wait_for_what_it_left_behind(self, web: Lxgit) -> None:
        begin = time.monotonic()
        assert web("exec", "web", "sh", "-c", "sleep 200 & echo out").out == "out\n"
        assert time.monotonic() - begin < 60

    def test_it_ends_with_the_container(self, web: Lxgit) -> None:
        command = [str(PROGRAM), "exec", "web", "sh", "-c", "echo here; sleep 600"]
        with subprocess.Popen(command, env=web.environment(), stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"here\n"
            web("kill", "web")
            assert client.wait(timeout=60) == 137

    def test_several_at_once(self, web: Lxgit) -> None:
        clients = [
            subprocess.Popen(
                [str(PROGRAM), "exec", "web", "sh", "-c", f"seq {n} 20000 | md5sum"],
                env=web.environment(),
                stdout=subprocess.PIPE,
            )
            for n in range(8)
        ]
        outputs = [client.communicate(timeout=60)[0] for client in clients]
        assert len(set(outputs)) == 8
        assert {client.returncode for client in clients} == {0}


def is_another(containers: Path, before: set[str]) -> bool:
    """Whether a container has been made since."""
    return set(os.listdir(containers)) > before


def another_runs(containers: Path, before: set[str]) -> bool:
    """Whether the command of a container made since has just begun."""
    states = [path for path in containers.glob("*/state.json") if path.parent.name not in before]
    return any(b'"running"' in path.read_bytes() for path in states)


class TestCtrlC:
    pytestmark = needs_lxc

    @pytest.mark.parametrize("options", [("--rm",), ("-d",)], ids=" ".join)
    @pytest.mark.parametrize(
        ("happened", "delay"),
        [(is_another, 0), (is_another, 0.01), (is_another, 0.03), *[(another_runs, 0)] * 4],
    )
    def test_what_was_given_up_does_not_begin(
        self,
        based: Lxgit,
        options: tuple[str, ...],
        happened: Callable[[Path, set[str]], bool],
        delay: float,
    ) -> None:
        """Whenever it comes: before the container runs, or when it can be told."""
        command = [str(PROGRAM), "run", "--network", "none", *options, "base"]
        command += ["sh", "-c", "trap 'exit 9' INT; while :; do sleep 0.05; done"]
        containers = based.store / "containers"
        before = set(os.listdir(containers))
        with subprocess.Popen(command, env=based.environment(), stdout=subprocess.PIPE) as process:
            wait_until(partial(happened, containers, before), every=0.0005)
            time.sleep(delay)
            told = None
            while told is None:  # again if the shell has had no trap yet
                process.send_signal(signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    told = process.communicate(timeout=5)[0]
        assert process.returncode in (0, 9, 130)
        assert told or process.returncode != 0
        # Once its id has been told it goes on, whatever becomes of who told it.
        assert len(based("ps", "-q").lines) == bool(told)
        assert told or "--rm" not in options or not based("ps", "-aq").lines
        if told:
            based("rm", "-f", told.decode().strip())


def test_keys() -> None:
    assert key_sequence(None) == b"\x10\x11"
    assert key_sequence("ctrl-a,x,ctrl-[") == b"\x01x\x1b"
    assert key_sequence("") == b""
    for wrong in ("ctrl-", "ctrl-ab", "ab", "ctrl-é", "a,"):
        with pytest.raises(UsageError):
            key_sequence(wrong)
