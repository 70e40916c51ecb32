"""The supervisor: one small process a container, from its first mount to its last.

It is forked from the command that starts the container and outlives it. Everything it makes ends
with it even when it is killed: its mounts are in a namespace of its own, LXC and with it the
container die with it (PR_SET_PDEATHSIG), its locks are flock(2)s; who waits for the disk has left
all of it (logfile.py). What can still lie about then are control groups and files in /run/lxgit,
which the next command sweeps (cgroups.py, sweep).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time

from lxgit.errors import LxgitError, in_words
from lxgit.locks import LockHeld
from lxgit.records import replace
from lxgit.runtime import cgroups, confinement, lxc, protocol, rundir, setup
from lxgit.runtime.config import RESTARTING, RUNNING, ContainerState
from lxgit.runtime.containers import load
from lxgit.runtime.enforcement import reached
from lxgit.runtime.freezer import Stillness
from lxgit.runtime.leaving import become, see_off
from lxgit.runtime.logfile import LogWriter
from lxgit.runtime.loop import Loop
from lxgit.runtime.process import pidfd_of_child
from lxgit.runtime.relay import Relay
from lxgit.runtime.runplace import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path
    from typing import NoReturn

    from lxgit.runtime.checker import Checker
    from lxgit.runtime.containers import Container
    from lxgit.runtime.execution import Execution
    from lxgit.runtime.health import HealthCheck
    from lxgit.runtime.setup import Task

_MOMENT = 0.02  # seconds
_HALTED = 128 + signal.SIGINT  # how process 1 ends that has halted its system (reboot(2))


def supervise(task: Task, channel: socket.socket, lock: int) -> NoReturn:
    """Become the supervisor; never returns. `channel` is its first client, `lock` its claim."""

    def life() -> None:
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        Supervisor(task, channel, lock).run()

    become(life, task.container, channel, lock)


class Supervisor:
    """The life of one start of a container."""

    def __init__(self, task: Task, channel: socket.socket, lock: int) -> None:
        self._task = task
        self._config = task.container.config
        self._lock = lock
        self._log = lxc.Log()
        self._output = LogWriter(
            task.container.path / "log", self._config.log_size, rundir.leave_stage
        )
        self._stillness = Stillness(self._config.id)
        self._relay = Relay(self._output, self._signal, Loop(), self._execute, self._control)
        self._executions: list[Execution] = []  # whose clients have not been told all
        self._relay.add(
            channel,
            owns_input=not task.detached,
            left=self._abandon if self._config.owner else None,
        )
        self._init: int | None = None  # pidfd of the command
        self._checker: Checker | None = None  # of its health
        self._early_signals: list[int] = []
        self._has_begun = False
        self._stays = False  # somebody wants it still when it has ended
        self._is_abandoned = False  # the command that it belongs to has hung up
        self._lxc_runs = False
        self._unready: LxgitError | None = None  # why the command must not begin
        self._lxc_status = 0  # as waitpid(2) gives it
        self._state = ContainerState(
            status=RUNNING, supervisor=os.getpid(), kept=task.kept, restarts=task.restarts
        )

    def run(self) -> None:
        """Start it, serve it, and clear up after it."""
        signal.signal(signal.SIGTERM, lambda number, _: self._signal(number))
        rundir.prepare()
        with rundir.claimed(self._config.id) as directory:
            with contextlib.ExitStack() as mounts:
                last = self._live(directory, mounts)
                self._keep_clients()
                is_done = self._has_done(is_locked=True)
                # Who has hung up may wait for this alone, to delete the container itself.
                if is_told := is_done or self._is_abandoned:
                    self._tell_end(last)
                    # Unmounting writes back the whole file system below (ovl_sync_fs), which can
                    # take seconds: whoever waits for the exit code has it by now.
            os.close(self._lock)
        while not (is_done or self._has_done(is_locked=False)):
            self._relay.loop.turn(_MOMENT)  # who has the record may want an answer first
        if not is_told:
            self._tell_end(last)
        see_off(self._relay, self._executions, is_kept=self._task.kept)

    def _live(self, directory: Path, mounts: contextlib.ExitStack) -> bytes:
        """The container from start to end; the message that tells of its end."""
        try:
            code = self._start_and_serve(directory, mounts)
            self._record(replace(self._state, exit_code=code))
            return protocol.ended(code)
        except Exception as error:  # noqa: BLE001  # a fault of lxgit's own: it ends in order, too
            fault = protocol.unable("kept running" if self._has_begun else "set up", error)
            message = protocol.failed(fault)
            self._record(replace(self._state, exit_code=message[1], error=fault.message))
            return message

    def _abandon(self) -> None:
        self._is_abandoned = True
        self._signal(signal.SIGKILL)

    def _keep_clients(self) -> None:
        """Serve nobody else from now on: what else was waited for is the ended container's."""
        told: list[Relay | Execution] = [self._relay, *self._executions]
        self._relay.keep({fd for each in told for fd in each.connections()})

    def _tell_end(self, message: bytes) -> None:
        self._relay.broadcast(message)
        self._relay.flush(1)

    def _has_done(self, *, is_locked: bool) -> bool:
        """Do what is to be done at the end, unless another command has the container's record.

        That one may wait for the container's lock: record and lock are taken in that order.
        """
        if self._task.after_exit is None or not self._is_over():
            return True
        try:
            self._task.after_exit(is_locked=is_locked, is_abandoned=self._is_abandoned)
        except LockHeld:
            return False
        except (LxgitError, OSError):
            pass  # it can only leave something lying, which `ps -a` shows
        return True

    def _is_over(self) -> bool:
        """Whether nobody wants the container any more, or waits with its record locked."""
        return not self._stays and (self._has_begun or not self._task.record_is_locked)

    def _record(self, state: ContainerState) -> None:
        goes_on = self._goes_on(state)
        state = replace(state.ended(), finished=time.time_ns())
        if goes_on:  # told in one step with its end, which nobody may take for the last one
            state = replace(state, status=RESTARTING)
        self._state = state  # nobody has it run again who is heard later
        with contextlib.suppress(OSError):  # a bad disk: the next look finds the lock free
            self._task.container.record(state)
        if self._has_begun:
            if state.oom_killed:
                self._tell("oom")
            self._tell("die", exitCode=str(state.exit_code))

    def _tell(self, action: str, **attributes: str) -> None:
        """Have `lxgit events` know, by the name that the container has by now."""
        self._container_now().tell(action, **attributes)

    def _container_now(self) -> Container:
        """The container with what others have changed of its record since its start."""
        container = self._task.container
        with contextlib.suppress(LxgitError, OSError):
            return load(container.path.parent, container.id)
        return container

    def _goes_on(self, state: ContainerState) -> bool:
        """Whether its policy has it started again; what could not be started is not."""
        if not self._task.kept or not self._has_begun or state.exit_code is None:
            return False
        return self._container_now().config.restart.wants(
            exit_code=state.exit_code,
            stopped=state.stopped or state.shut_down,
            restarts=state.restarts,
        )

    def _start_and_serve(self, directory: Path, mounts: contextlib.ExitStack) -> int:
        ready = self._ready = setup.make_ready(self._task, directory, self._relay, mounts)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(socket_path(self._config.id))
            listener.listen()
            child = lxc.start(
                self._config.id,
                directory,
                ready.stdio,
                ready.arguments,
                host_network=self._config.network == "host",
                group=ready.group,
            )
            ready.stdio.close()
            try:
                self._serve(child, ready.log, listener)
            finally:
                self._relay.loop.forget(listener.fileno())
                # LXC leaves a group that somebody was still in, as a command that had joined, and
                # all of them when it was killed.
                cgroups.remove(self._config.id)
        if self._log.pid is None:
            raise confinement.refused_sysctl(directory) or self._log.failure()
        if self._unready is not None:
            raise self._unready
        hit = reached(directory)
        self._state = replace(self._state, oom_killed=hit.memory, pids_refused=hit.pids)
        if self._lxc_status:  # it has not lived to see the container's end
            return 128 + signal.SIGKILL
        halted = self._config.system and self._log.exit_code == _HALTED
        return 0 if halted else self._log.exit_code

    def _serve(self, lxc_start: lxc.Child, log: int, listener: socket.socket) -> None:
        """Until LXC has ended and everything that it and the container wrote has been read.

        It has also ended where something here fails.
        """
        loop = self._relay.loop
        child, process = lxc_start
        self._lxc_runs = log_open = True

        def ended() -> None:
            _, self._lxc_status = os.waitpid(child, 0)
            self._lxc_runs = False
            loop.forget(process)
            os.close(process)
            lxc.remove_lock(self._config.id, rundir.CONTAINERS)
            if log_open:  # of a FIFO that nobody has ever opened for writing epoll tells no end
                logged()
            for execution in [*self._executions]:
                execution.abandon()
            self._relay.drain()

        def logged() -> None:
            nonlocal log_open
            try:
                data = os.read(log, 65536)
            except BlockingIOError:
                return
            self._log.feed(data)
            if not data:
                loop.forget(log)
                os.close(log)
                log_open = False
            elif self._log.pid not in (None, self._state.pid):
                self._started(child, listener)

        loop.watch(process, select.EPOLLIN, ended)
        loop.watch(log, select.EPOLLIN, logged)
        try:
            while self._lxc_runs or log_open or not self._relay.is_drained:
                loop.turn()
        finally:
            if self._lxc_runs:
                os.kill(child, signal.SIGKILL)
                ended()

    def _started(self, lxc_process: int, listener: socket.socket) -> None:
        pid = self._log.pid
        assert pid is not None
        if self._init is not None:  # of before a reboot from inside
            os.close(self._init)
            self._init = None
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            self._init = pidfd_of_child(pid, lxc_process)
        if self._state.started is None:
            self._relay.skip()
        self._state = replace(self._state, pid=pid, started=time.time_ns())
        connection = self._ready.connection
        try:
            if not self._has_begun:  # at a reboot from inside `update` may have changed them by now
                self._ready.enforcement.check()
            confinement.set_oom_score(self._config, pid)
            if connection is not None:
                connection.plug(pid, self._relay.loop)
                self._state = replace(self._state, endpoint=connection.endpoint)
            if self._config.health is not None:
                self._check(self._config.health)
            self._task.container.record(self._state)
            self._catch_up()
        except LxgitError as error:
            self._unready = error
            self._signal(signal.SIGKILL)
            return
        os.write(self._ready.gate, b"\n")  # EPIPE: all that could begin has been killed
        self._has_begun = True
        self._task.container.tell("start")
        self._relay.broadcast(protocol.STARTED)
        self._relay.begin()
        self._relay.listen(listener)
        early, self._early_signals = self._early_signals, []
        for number in early:
            self._signal(number)

    def _catch_up(self) -> None:
        """Have its limits be those of the record, whatever it was started or begins again with."""
        enforcement, container = self._ready.enforcement, self._task.container
        if self._has_begun or not self._task.record_is_locked:
            enforcement.catch_up(container, self._relay.loop)
        else:  # who starts it has the record until then, and changes none, but may be killed
            enforcement.catch_up_later(container, self._relay.loop)

    def _check(self, check: HealthCheck) -> None:
        """Have the container's health checked from now on."""
        from lxgit.runtime.checker import Checker
        from lxgit.runtime.health import Health

        def report(health: Health) -> None:
            self._state = replace(self._state, health=health)
            with contextlib.suppress(OSError):  # a full disk: the next one may have room
                self._task.container.record(self._state)

        self._state = replace(self._state, health=Health())
        loop, paused = self._relay.loop, lambda: self._state.paused
        if self._checker is not None:  # of before a reboot from inside
            self._checker.end()
        self._checker = Checker(check, loop, self._execute, report, paused)

    def _execute(self, channel: socket.socket, request: bytes) -> None:
        """Have another command join the container, for the client on `channel`."""
        try:
            from lxgit.runtime.execution import Execution
        except OSError as error:  # no descriptor is left to read it by
            with channel, contextlib.suppress(OSError):
                channel.send(protocol.failed(in_words(error)))
            return

        loop, gone = self._relay.loop, self._executions.remove
        execution = Execution(self._config, loop, channel, self._tell, gone)
        self._executions.append(execution)
        if self._state.status != RUNNING:  # there may be another process by the number of its own
            from lxgit.runtime.attach import NotRunning

            fault = NotRunning(f"container {self._config.id[:12]} is not running")
            execution.refuse(protocol.failed(fault))
            return
        if self._state.paused:  # it would answer nobody
            execution.refuse(protocol.STANDS_STILL)
            return
        assert self._state.pid is not None  # nobody is heard before it has been started
        directory = rundir.CONTAINERS / self._config.id
        execution.start(request, self._state.pid, setup.DEVICES, directory)

    def _signal(self, number: int) -> None:
        """Send the command a signal; one that comes too early waits, too late is lost."""
        if self._init is None:
            self._early_signals.append(number)
            return
        with contextlib.suppress(ProcessLookupError, OSError):
            signal.pidfd_send_signal(self._init, number)
        if number == signal.SIGKILL:
            self._pause(paused=False)  # under version 1 of control groups it dies no sooner

    def _control(self, client: Hashable, message: protocol.Message) -> None:
        """What a client wants of the container beside its output: to stand still, or to end."""
        if message.kind == protocol.FOR_GOOD:
            by_user, self._stays = protocol.how_for_good(message)
            self._state = replace(self._state, stopped=by_user, shut_down=not by_user)
            return
        if self._state.status != RUNNING:  # its control groups may be those of its next start
            return
        if message.kind == protocol.PAUSE:
            self._pause(paused=message.data == b"\1")
        elif message.kind == protocol.HOLD:
            self._stillness.hold(client)
        else:
            self._stillness.release(client)

    def _pause(self, *, paused: bool) -> None:
        if paused == self._state.paused:  # as in one that has ended, which is not paused
            return
        state = replace(self._state, paused=paused)
        try:
            self._task.container.record(state)
        except OSError:  # a full disk
            if paused:
                return  # nobody would know why it stands still
        self._state = state
        self._stillness.pause(paused=paused)
        self._tell("pause" if paused else "unpause")
