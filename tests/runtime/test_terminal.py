"""A real terminal: what a person at a shell in a container sees and does."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import sys
import termios
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from lxgit.runtime import terminal
from tests.support.processes import stat_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.runtime.containers import Container
    from tests.runtime.conftest import Machine

PROMPT = r"\$ "

# A client process of its own, with the terminal that pexpect gives it: what `lxgit start -ai` does.
CLIENT = """
    import sys
    from pathlib import Path
    from lxgit.objects.metadata import Metadata
    from lxgit.runtime import probe, terminal
    from lxgit.runtime.containers import load
    from lxgit.runtime.idmap import IdMap
    from lxgit.runtime.overlay import Lower
    from lxgit.runtime.setup import Task
    from lxgit.runtime.starting import start_container
    from lxgit.runtime.streams import Streams

    containers, identity, base = sys.argv[1:]
    task = Task(
        load(Path(containers), identity),
        (Lower(Path(base), IdMap.identity()),),
        apparmor=probe.apparmor_profile(),
        window=terminal.window_size(0),
    )
    session = start_container(task, Metadata(0o755, 0, 0, 0))
    sys.exit(session.attach(Streams(0, 1, 2, tty=True)))
"""


class Shell:
    """A shell of a container on a terminal of 33 × 77."""

    def __init__(self, machine: Machine, **wanted: Any) -> None:
        wanted = {"tty": True, "stdin_open": True, "environment": ("PS1=$ ",), **wanted}
        self.container: Container = machine.create(*wanted.pop("command", ("sh",)), **wanted)
        arguments = [str(machine.containers), self.container.id, str(machine.base.path)]
        self.child: Any = pexpect.spawn(
            sys.executable,
            ["-c", textwrap.dedent(CLIENT), *arguments],
            dimensions=(33, 77),
            cwd=str(Path(__file__).parents[2]),
            timeout=60,
            echo=True,
        )

    def say(self, line: str) -> str:
        """Type a line; what it prints."""
        self.child.sendline(line)
        self.child.expect_exact(line)
        self.child.expect(PROMPT)
        return str(self.child.before.decode().replace("\r", "").strip())

    def end(self) -> int:
        self.child.expect(pexpect.EOF)
        self.child.wait()
        return int(self.child.exitstatus)


@pytest.fixture
def shell(machine: Machine) -> Iterator[Shell]:
    shell = Shell(machine)
    shell.child.expect(PROMPT)
    yield shell
    if shell.child.isalive():
        shell.child.sendline("exit 0")
        shell.end()
    shell.child.close()


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
class TestShell:
    def test_the_terminal_is_its_own(self, shell: Shell) -> None:
        assert shell.say("tty") == "/dev/pts/0"
        assert shell.say("stat -c '%A %u %g' /dev/pts/0") == "crw--w---- 0 5"
        assert shell.say("echo through > /dev/tty") == "through"
        assert shell.say("echo console > /dev/console") == "console"
        assert shell.say("echo $TERM") == "xterm"

    def test_its_size_and_changes_of_it(self, shell: Shell) -> None:
        assert shell.say("stty size") == "33 77"
        shell.say("trap 'echo resized' WINCH")
        shell.child.setwinsize(40, 100)
        wait_until(lambda: shell.say("stty size").endswith("40 100"))

    def test_job_control(self, shell: Shell) -> None:
        shell.child.sendline("sleep 100")
        shell.child.expect_exact("sleep 100")
        wait_for_foreground(shell)
        shell.child.sendcontrol("z")
        shell.child.expect("Stopped")
        shell.child.expect(PROMPT)
        assert "Stopped" in shell.say("jobs")
        shell.child.sendline("fg")
        shell.child.expect_exact("sleep 100")
        wait_for_foreground(shell)
        shell.child.sendcontrol("c")
        shell.child.expect(PROMPT)
        assert shell.say("echo $?") == "130"

    def test_ctrl_c_reaches_the_program_and_ctrl_d_ends_the_shell(self, shell: Shell) -> None:
        shell.child.sendline("cat")
        shell.child.expect_exact("cat")
        wait_for_foreground(shell)
        shell.child.sendcontrol("c")
        shell.child.expect(PROMPT)
        shell.say("(exit 7)")
        shell.child.sendcontrol("d")
        assert shell.end() == 7

    def test_it_complains_of_nothing(self, shell: Shell) -> None:
        before = shell.child.before.decode()
        for word in ("cannot", "can't", "job control", "ioctl"):
            assert word not in before

    def test_the_users_terminal_is_as_before(self, shell: Shell) -> None:
        during = termios.tcgetattr(shell.child.child_fd)
        assert not during[3] & termios.ICANON
        shell.child.sendline("exit 3")
        assert shell.end() == 3

    def test_a_signal_to_the_client_ends_the_client_alone(self, shell: Shell) -> None:
        shell.child.kill(signal.SIGTERM)
        assert shell.end() == 128 + signal.SIGTERM
        assert shell.container.is_running
        os.kill(shell.container.state.pid or 0, signal.SIGKILL)

    def test_more_output_than_a_terminal_holds(self, shell: Shell) -> None:
        shell.child.sendline("seq 1 30000; exit 9")
        shell.child.expect_exact("29999\r\n30000\r\n")
        assert shell.end() == 9

    def test_other_terminals_can_be_made(self, shell: Shell) -> None:
        assert shell.say("exec 9<>/dev/ptmx; ls /dev/pts").split() == ["0", "1", "ptmx"]


def wait_for_foreground(shell: Shell) -> None:
    """Until the shell has put its child into the foreground: then keys reach that.

    A shell ignores Ctrl-Z, and its child does until it is about to become the program.
    """
    pid = shell.container.state.pid
    assert pid is not None

    def takes_keys() -> bool:
        own, foreground = (int(stat_of(pid)[at]) for at in (2, 5))  # pgrp, tpgid
        return foreground != own and not ignores(foreground, signal.SIGTSTP)

    wait_until(takes_keys)


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal, or has gone (proc_pid_status(5))."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = Path(f"/proc/{pid}/status").read_text()
        (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
        return bool(int(mask, 16) >> (number - 1) & 1)
    return True


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_bash_of_the_host_agrees(machine: Machine, scratch: Path) -> None:
    """Bash is stricter than busybox: it says so when it has no controlling terminal."""
    from lxgit.runtime.idmap import IdMap
    from lxgit.runtime.overlay import Lower

    base = scratch / "base"
    copy_with_libraries(Path("/bin/bash"), base)
    for name in ("proc", "sys", "dev", "etc"):
        (base / name).mkdir(exist_ok=True)
    machine.base = Lower(base, IdMap.identity())
    shell = Shell(machine, command=("/bin/bash", "--norc", "-i"))
    shell.child.expect(PROMPT)
    assert shell.child.before == b""
    assert "monitor        \ton" in shell.say('set -o | while read a; do echo "$a"; done')
    shell.child.sendline("exit 5")
    assert shell.end() == 5


def copy_with_libraries(program: Path, base: Path) -> None:
    import re
    import shutil
    import subprocess

    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for file in (str(program), *re.findall(r"(/\S+)", listed)):
        target = base / file.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


def test_raw_mode_is_undone() -> None:
    main, replica = pty.openpty()
    before = termios.tcgetattr(replica)
    with terminal.raw(replica):
        assert termios.tcgetattr(replica) != before
    assert termios.tcgetattr(replica) == before
    os.close(main)
    os.close(replica)


def test_window_sizes() -> None:
    main, replica = pty.openpty()
    terminal.set_window_size(main, (50, 132))
    assert terminal.window_size(replica) == (50, 132)
    os.close(main)
    os.close(replica)
