"""A supervisor whose container has ended, and whose client has not taken everything yet."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import tempfile
import termios
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import cgroups, protocol
from lxgit.runtime.attach import NotRunning, Session, connect
from lxgit.runtime.config import EXITED
from lxgit.runtime.freezer import wait_until_frozen
from lxgit.runtime.health import HealthCheck
from lxgit.runtime.protocol import StartFailed
from lxgit.runtime.runplace import socket_path
from lxgit.runtime.streams import Streams
from lxgit.runtime.wanted import WantedCommand
from tests.support.processes import children, has_ended, parent, stat_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.runtime.containers import Container
    from tests.runtime.conftest import Machine

pytestmark = [pytest.mark.root, pytest.mark.lxc, pytest.mark.overlay]

_INTERVAL = 0.2  # seconds between checks of its health
_SIZE = 900_000  # bytes that it prints at its end: more than a socket holds, less than a queue may
SCRIPT = f"trap 'head -c {_SIZE} /dev/zero; exit 3' USR1; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def container(machine: Machine) -> Container:
    return machine.create("sh", "-c", SCRIPT, health=HealthCheck(("true",), interval=_INTERVAL))


@pytest.fixture
def slow(machine: Machine, container: Container) -> Iterator[Session]:
    """Reads nothing until it is told to."""
    with machine.start(container) as session:
        yield session


def end(container: Container, session: Session) -> int:
    """Have it end; the supervisor, which stays."""
    pid = container.state.supervisor
    assert pid is not None
    wait_until(lambda: b"ready" in (container.path / "log").read_bytes())
    session.send_signal(signal.SIGUSR1)
    wait_until(lambda: container.state.status == EXITED)
    return pid


def test_what_comes_late_changes_nothing(container: Container, slow: Session) -> None:
    """Neither checks of its health nor who wants it to stand still."""
    with connect(container.path) as other:
        pid = end(container, other)
        state = container.state
        assert (state.status, state.exit_code) == (EXITED, 3)
        other.pause(paused=True)
        time.sleep(3 * _INTERVAL)
        wait_until(lambda: stat_of(pid)[0] == "S")  # it may still wait for the disk
        assert container.state == state
    assert slow.wait() == 3
    assert container.state == state


def test_no_command_joins_it(container: Container, slow: Session) -> None:
    """Its number may be another process's by now."""
    with connect(container.path) as killing, connect(container.path) as other:
        end(container, killing)
        with pytest.raises((NotRunning, StartFailed), match=r"has just ended|is not running"):
            other.execute(WantedCommand(("true",)))
    assert slow.wait() == 3


@pytest.mark.parametrize("tty", [False, True])
def test_what_a_command_printed_is_told_though_its_container_has_ended(
    machine: Machine, *, tty: bool
) -> None:
    """All of it and its exit code, to who takes it later than that."""
    container = machine.create("sleep", "600")
    wanted = WantedCommand(("sh", "-c", f"head -c {_SIZE} /dev/zero; exit 7"), tty=tty)
    with (
        machine.start(container) as session,
        connect(container.path) as joined,
        tempfile.TemporaryFile() as out,
    ):
        joined.execute(wanted)
        pid = container.state.supervisor
        assert pid is not None
        wait_until(lambda: len(children(pid)) == 1)  # of LXC's programs the container's is left
        session.send_signal(signal.SIGKILL)
        assert session.wait() == 137
        assert joined.attach(Streams(None, out.fileno(), out.fileno(), tty=False)) == 7
        assert out.seek(0, os.SEEK_END) == _SIZE


@contextlib.contextmanager
def asking(container: Container) -> Iterator[socket.socket]:
    """A connection to a supervisor that has no more to say than it is asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.connect(socket_path(container.id))
        yield channel


def ask(channel: socket.socket, request: bytes) -> None:
    """Have it done; what else is told is dropped."""
    channel.send(request)
    while channel.recv(protocol.MAX_MESSAGE) != protocol.DONE:
        pass


def freezers(container: Container) -> list[str]:
    """What its control groups are told of standing still, in both versions' words."""
    names = ("cgroup.freeze", "freezer.state")
    files = [group / name for group in cgroups.groups_of(container.id) for name in names]
    return [file.read_text() for file in files if file.exists()]


def test_the_next_start_does_not_stand_still_for_it(
    machine: Machine, container: Container, slow: Session
) -> None:
    with connect(container.path) as other, asking(container) as late:
        end(container, other)
        with machine.start(container) as following:
            before = freezers(container)
            ask(late, protocol.HOLD)
            assert freezers(container) == before
            following.send_signal(signal.SIGKILL)
            assert following.wait() == 137
    assert slow.wait() == 3


def test_nor_does_it_go_on_for_it(machine: Machine) -> None:
    script = f"head -c {_SIZE} /dev/zero; echo ready; sleep 600"
    container = machine.create("sh", "-c", script)
    with machine.start(container) as slow, connect(container.path) as other:
        wait_until(lambda: b"ready" in (container.path / "log").read_bytes())
        with asking(container) as holding:
            ask(holding, protocol.HOLD)
            other.send_signal(signal.SIGKILL)
            wait_until(lambda: container.state.status == EXITED)
            with machine.start(container) as following:
                following.hold()
                wait_until_frozen(container.id)
                before = freezers(container)
                ask(holding, protocol.LET_GO)
                assert freezers(container) == before
                following.send_signal(signal.SIGKILL)
                assert following.wait() == 137
        assert slow.wait() == 137


_HELD = 9999  # bytes, that a socket holds however many messages they are
_LAST = f"head -c {_HELD} /dev/zero; exit 7"
_ALL = len(b"ready\n") + _HELD
_MESSAGES = 100  # more than are read while a container ends, as many as a socket holds


class TestWhoStillSpeaks:
    """To a supervisor that has ended: all that it has said is heard, and the exit code."""

    @pytest.fixture
    def script(self) -> str:
        return f"trap '{_LAST}' USR1; echo ready; while :; do sleep 0.05; done"

    @pytest.fixture
    def ended(self, machine: Machine, script: str) -> Iterator[Session]:
        container = machine.create("sh", "-c", script, stdin_open=True)
        with machine.start(container) as session:
            with connect(container.path) as other:
                pid = end(container, other)
            wait_until(lambda: has_ended(pid))
            yield session

    def test_in_input(self, ended: Session) -> None:
        assert heard(ended, given=b"hi\n") == (7, _ALL)

    def test_at_the_end_of_input(self, ended: Session) -> None:
        assert heard(ended, given=b"") == (7, _ALL)

    def test_in_signals(self, ended: Session) -> None:
        """That come while nobody takes what the client writes."""
        with narrow_pipe(room=0) as (pipe, before):

            def interrupt() -> None:
                wait_until(lambda: signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGUSR1)
                widen(pipe)

            user = threading.Thread(target=interrupt)
            user.start()
            code = ended.attach(Streams(None, pipe, pipe, tty=False))
            user.join()
            assert (code, held(pipe) - before) == (7, _ALL)

    def test_in_input_of_a_command_that_has_joined(self, machine: Machine) -> None:
        container = machine.create("sleep", "600")
        with machine.start(container) as session, connect(container.path) as joined:
            joined.execute(WantedCommand(("sh", "-c", _LAST), stdin_open=True))
            wait_until(lambda: len(children(supervisor(container))) == 1)
            with connect(container.path) as other:  # it has been hung up on by then
                other.wait_started()
            try:
                assert heard(joined, given=b"hi\n") == (7, _HELD)
            finally:
                session.send_signal(signal.SIGKILL)

    def test_in_input_that_was_sent_before_and_never_read(
        self, machine: Machine, script: str
    ) -> None:
        """Of which the kernel tells first of all (ECONNRESET), and then what else there is."""
        container = machine.create("sh", "-c", script, stdin_open=True)
        lines, line = os.pipe2(os.O_DIRECT)  # each write is a read, and so a message
        with machine.start(container) as session, narrow_pipe(room=100) as (pipe, before):
            pid, init = supervisor(container), container.state.pid
            assert init is not None
            lxc = parent(init)

            def end_it() -> None:
                wait_until(lambda: b"ready" in (container.path / "log").read_bytes())
                os.kill(pid, signal.SIGSTOP)
                try:
                    wait_until(lambda: stat_of(pid)[0] == "T")
                    for _ in range(_MESSAGES):
                        os.write(line, b"hi\n")
                    wait_until(lambda: not select.select([lines], [], [], 0)[0])
                    os.kill(init, signal.SIGUSR1)
                    wait_until(lambda: has_ended(lxc))
                finally:
                    os.kill(pid, signal.SIGCONT)
                wait_until(lambda: has_ended(pid))
                widen(pipe)

            ending = threading.Thread(target=end_it)
            ending.start()
            code = session.attach(Streams(lines, pipe, pipe, tty=False))
            ending.join()
            assert (code, held(pipe) - before) == (7, _ALL)
        os.close(lines)
        os.close(line)


def supervisor(container: Container) -> int:
    pid = container.state.supervisor
    assert pid is not None
    return pid


def heard(session: Session, *, given: bytes) -> tuple[int | None, int]:
    """The exit code and how many bytes of output who is attached with such an input gets."""
    with tempfile.TemporaryFile() as data, tempfile.TemporaryFile() as out:
        data.write(given)
        data.seek(0)
        code = session.attach(Streams(data.fileno(), out.fileno(), out.fileno(), tty=False))
        return code, out.seek(0, os.SEEK_END)


@contextlib.contextmanager
def narrow_pipe(*, room: int) -> Iterator[tuple[int, int]]:
    """A pipe that takes so many bytes more, and how many are in it already."""
    read, write = os.pipe()
    filled = os.write(write, bytes(fcntl.fcntl(write, fcntl.F_GETPIPE_SZ) - room))
    yield write, filled
    os.close(read)
    os.close(write)


def widen(pipe: int) -> None:
    """Have it take everything."""
    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def held(pipe: int) -> int:
    """How many bytes are in it."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    assert isinstance(count, int)
    return count
