"""The supervisor: what it keeps of its caller, and what is left when it is killed."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import ReaderGone
from lxgit.runtime import cgroups, launcher, lxc, protocol, rootmount, rundir
from lxgit.runtime.attach import Session, SupervisorLost, connect
from lxgit.runtime.config import EXITED, RUNNING
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.runplace import socket_path
from lxgit.runtime.streams import Streams
from lxgit.runtime.sweep import sweep
from lxgit.runtime.wanted import WantedCommand
from tests.support import leaks, rlimits
from tests.support.processes import children, has_ended, mount_points, openers, parent, stat_of
from tests.support.rlimits import descriptors_of
from tests.support.slowdisk import slow_disk
from tests.support.stores import find
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from lxgit.runtime.containers import Container
    from tests.runtime.conftest import Machine

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]


def process(container: Container, field: str = "supervisor") -> int:
    pid = getattr(container.state, field)
    assert isinstance(pid, int)
    return pid


def test_it_keeps_nothing_of_its_caller(machine: Machine, scratch: Path) -> None:
    os.chdir(scratch)
    container = machine.create("sleep", "60")
    with open(scratch / "held", "w") as held:
        os.set_inheritable(held.fileno(), True)
        high = os.dup2(held.fileno(), 1000)
        with rlimits.open_files(high):  # as in a shell that opens files, then limits them
            session = machine.start(container)
        os.close(high)
    os.chdir("/")
    pid = process(container)
    wait_until(lambda: stat_of(pid)[0] == "S")
    proc = Path(f"/proc/{pid}")
    assert os.readlink(proc / "cwd") == "/"
    assert os.getsid(pid) == pid
    files = {entry.name: os.readlink(entry) for entry in (proc / "fd").iterdir()}
    assert str(scratch / "held") not in files.values()
    assert {files["0"], files["1"], files["2"]} == {"/dev/null"}
    assert proc.joinpath("comm").read_text().startswith("lxgit:" + container.id[:9])
    end(session)


def end(session: Session) -> None:
    with session:
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137


def test_the_output_of_a_pipeline_ends_with_the_command(machine: Machine) -> None:
    """`lxgit run … | cat` must not wait for a supervisor that still holds the pipe."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    container = machine.create("sleep", "60")
    session = machine.start(container)
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
    end(session)


def test_killed_it_takes_the_container_with_it(machine: Machine) -> None:
    container = machine.create("sh", "-c", "echo kept > /file; sleep 60 & sleep 60")
    with machine.start(container) as session:
        wait_until((container.upper / "file").exists)
        pids = [process(container), process(container, "pid")]
        os.kill(pids[0], signal.SIGKILL)
        with pytest.raises(SupervisorLost):
            session.wait()
    wait_until(lambda: all(map(has_ended, pids)))
    state = find(machine.containers, container.id).state
    assert (state.status, state.exit_code) == (EXITED, 137)
    assert "killed" in str(state.error)
    with container.lock():  # whoever takes the lock finds nothing that could still write
        assert not leaks.traces_of([container.id])
    assert (container.upper / "file").read_text() == "kept\n"
    with machine.start(container) as session:  # and it can go on
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137


def test_killed_it_leaves_no_mount_to_who_waits_for_the_disk(
    machine: Machine, scratch: Path
) -> None:
    """What has the log on the disk lives on until the disk lets it: with nothing but the log."""
    printing = "dd if=/dev/zero bs=64k count=270; touch /done; sleep 60"
    container = machine.create("sh", "-c", printing)
    with slow_disk(scratch / "gate"):
        machine.start(container, detached=True).close()
        wait_until((container.upper / "done").exists)
        supervisor, log = process(container), container.path / "log"
        lxc = parent(process(container, "pid"))

        def is_let_go() -> bool:  # what flushes, by the child of whom it is
            return bool(openers(log) - {supervisor}) and children(supervisor) == {lxc}

        wait_until(lambda: log.stat().st_size > 16 << 20 and is_let_go())
        (flusher,) = openers(log) - {supervisor}
        os.kill(supervisor, signal.SIGKILL)
        wait_until(lambda: find(machine.containers, container.id).state.status == EXITED)
        wait_until(lambda: rundir.STAGE not in mount_points(flusher))
    wait_until(lambda: not openers(log))


def test_killed_lxc_is_an_end_with_a_reason(machine: Machine) -> None:
    container = machine.create("sleep", "60")
    with machine.start(container) as session:
        os.kill(parent(process(container, "pid")), signal.SIGKILL)
        assert session.wait() == 137
    state = find(machine.containers, container.id).state
    assert (state.status, state.exit_code) == (EXITED, 137)


def test_lxc_that_never_opens_its_log_is_an_end_with_a_reason(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a FIFO that nobody has opened for writing the kernel tells no end."""
    monkeypatch.setattr(lxc, "LXC_START", "/bin/false")
    container = machine.create("true")
    with pytest.raises(StartFailed, match="lxc-start ended without a word"):
        machine.start(container)
    assert container.state.status == EXITED


def test_a_fault_of_its_own_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(rootmount, "mount_root")
    container = machine.create("true")
    with pytest.raises(StartFailed, match=r"could not be set up: AttributeError: .*mount_root"):
        machine.start(container)
    assert container.state.status != RUNNING


def test_too_few_open_files_are_told(machine: Machine) -> None:
    container = machine.create("true")
    with (
        rlimits.open_files(launcher.TERMINAL),
        pytest.raises(StartFailed, match=r"could not be set up: too many open files$") as fault,
    ):
        machine.start(container)
    assert fault.value.hint == "raise the limit: ulimit -n"


def test_a_command_that_could_not_join_leaves_nothing_open(machine: Machine) -> None:
    """Whichever of its descriptors is the first that cannot be had."""
    container = machine.create("sleep", "60")
    session = machine.start(container)
    pid = process(container)
    assert joined(container, tty=False) == 0  # what is kept from now on is there
    with contextlib.ExitStack() as others:
        for _ in range(launcher.TERMINAL):  # below that number none is enough for any command
            others.enter_context(connect(container.path)).wait_started()
        before = descriptors_of(pid), children_of(pid)
        codes = set()
        for tty, left in itertools.product((False, True), range(1, 16)):
            with rlimits.descriptors_left(pid, left):
                codes.add(joined(container, tty=tty))
            wait_until(lambda: (descriptors_of(pid), children_of(pid)) == before)
        assert codes == {0, "too many open files"}
    end(session)


def joined(container: Container, *, tty: bool) -> int | str:
    """How a command ends that joins a container, or why it could not."""
    with connect(container.path) as session:
        try:
            session.execute(WantedCommand(("true",), tty=tty, stdin_open=True))
        except StartFailed as fault:
            return fault.message.rpartition(": ")[2]
        return session.wait()


def children_of(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


def test_groups_go_though_somebody_is_still_in_them(machine: Machine) -> None:
    """As a command that joined the container is, for a moment: LXC tries once to remove them."""
    container = machine.create("sleep", "60")
    with (
        subprocess.Popen(["sleep", "60"]) as stray,
        machine.start(container) as session,
    ):
        for group in cgroups.groups_of(container.id):
            if group.name.startswith("lxc.payload"):
                (group / "cgroup.procs").write_text(str(stray.pid))
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137
        assert stray.wait() == -signal.SIGKILL
    assert cgroups.groups_of(container.id) == []


def test_groups_with_a_number_go_as_well(machine: Machine) -> None:
    """LXC takes the next number where a group is there; killed at that, it leaves it.

    Also the last one, if those before it go at once, and that not.
    """
    container = machine.create("true")
    first = cgroups.hierarchies_of(container.id)[0].top
    left = [first / f"lxc.monitor.{container.id}-{number}" for number in (1, 2)]
    for group in left:
        group.mkdir()
    large = "x = b'x' * (100 << 20); print(flush=True); import time; time.sleep(60)"  # dies slowly
    with subprocess.Popen([sys.executable, "-c", large], stdout=subprocess.PIPE) as stray:
        assert stray.stdout is not None
        stray.stdout.readline()
        (left[1] / "cgroup.procs").write_text(str(stray.pid))
        with machine.start(container) as session:
            assert session.wait() == 0
        assert stray.wait() == -signal.SIGKILL
    assert [group for group in left if group.exists()] == []


def test_sweeping_leaves_those_that_run(machine: Machine) -> None:
    container = machine.create("sleep", "60")
    session = machine.start(container)
    assert container.id not in sweep()
    assert os.path.exists(socket_path(container.id))
    assert cgroups.groups_of(container.id)
    end(session)


def test_twenty_at_once(machine: Machine) -> None:
    containers = [machine.create("sh", "-c", f"echo {n}; exit {n}") for n in range(20)]
    children = []
    for container in containers:
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = machine.go(container).code
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == list(range(20))


def test_a_client_that_reads_nothing_holds_up_the_container_and_no_signal(
    machine: Machine,
) -> None:
    container = machine.create("sh", "-c", "echo begin > /begun; yes; echo > /done")
    with machine.start(container) as session:
        wait_until((container.upper / "begun").exists)
        log = container.path / "log"
        wait_until(lambda: log.stat().st_size > 1 << 20)

        def stands() -> bool:  # on a busy machine what holds it up may come late
            size = log.stat().st_size
            time.sleep(0.5)
            return log.stat().st_size == size

        wait_until(stands)
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137


def test_a_client_that_stays_stuck_does_not_keep_the_container(machine: Machine) -> None:
    """Its end is recorded, its lock free: another can start it, whatever the client does."""
    container = machine.create("sh", "-c", "head -c 1200000 /dev/zero; exit 3")
    with machine.start(container) as session:
        wait_until(lambda: find(machine.containers, container.id).state.exit_code == 3)
        with container.lock():
            pass
        assert session.wait() == 3


def test_nonsense_from_a_client_is_not_listened_to(machine: Machine) -> None:
    container = machine.create("sleep", "60")
    session = machine.start(container)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.connect(socket_path(container.id))
        for packet in (b"w", b"w12345", b"s", b"s12", b"?", b"i", b"s\xff", b"\0" * 70000):
            channel.send(packet)
        assert channel.recv(10) == protocol.STARTED
    assert container.state.status == RUNNING
    end(session)


def test_sigterm_to_the_supervisor_is_for_the_command(machine: Machine) -> None:
    container = machine.create("sh", "-c", "trap 'exit 5' TERM; echo > /ready; sleep 60 & wait")
    with machine.start(container) as session:
        wait_until((container.upper / "ready").exists)
        os.kill(process(container), signal.SIGTERM)
        assert session.wait() == 5


def test_signals_to_a_client_without_a_terminal_go_to_the_command(machine: Machine) -> None:
    script = "trap 'echo int; exit 6' INT; echo ready; sleep 600 & wait"
    read, write = os.pipe()
    heard: list[bytes] = []

    def interrupt() -> None:
        heard.append(os.read(read, 100))  # so the client is attached, and takes signals
        os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=interrupt, daemon=True)
    with machine.start(machine.create("sh", "-c", script)) as session:
        user.start()
        assert session.attach(Streams(None, write, write, tty=False)) == 6
    user.join()
    os.close(write)
    with open(read, "rb") as rest:
        assert heard[0] + rest.read() == b"ready\nint\n"


def test_a_reader_that_goes_away_ends_the_client_alone(machine: Machine) -> None:
    """As with `lxgit run base yes | head -1`."""
    container = machine.create("yes")
    with subprocess.Popen(["head", "-n1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        assert head.stdin is not None
        with machine.start(container) as session, pytest.raises(ReaderGone):
            session.attach(Streams(None, head.stdin.fileno(), sys.stderr.fileno(), tty=False))
    end(connect(container.path))


def test_resident_memory_is_small(machine: Machine) -> None:
    container = machine.create("sleep", "60")
    gc.disable()  # what it writes here would be the supervisor's alone, which shares it until then
    try:
        session = machine.start(container)
        smaps = Path(f"/proc/{process(container)}/smaps_rollup").read_text()
    finally:
        gc.enable()
    private = sum(int(line.split()[1]) for line in smaps.splitlines() if line.startswith("Private"))
    assert private < 20 << 10  # KiB
    end(session)


def test_a_directory_in_run_is_claimed_by_one(machine: Machine) -> None:
    rundir.prepare()
    with rundir.claimed("f" * 64) as path:
        assert path.is_dir()
        assert "f" * 64 not in sweep()
    assert not path.exists()

    def is_found() -> bool:  # unless another process sweeps at this very moment
        path.mkdir(exist_ok=True)
        return "f" * 64 in sweep()

    wait_until(is_found)
    assert not path.exists()
