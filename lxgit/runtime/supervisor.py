"""The supervisor: one small process a container, from its first mount to its last.

It is forked from the command that starts the container and outlives it. Everything it makes ends
with it even when it is killed: its mounts are in a namespace of its own, LXC and with it the
container die with it (PR_SET_PDEATHSIG), its locks are flock(2)s. What can still lie about then
are control groups and files in /run/lxgit, which the next command sweeps (cgroups.py, sweep).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time

from lxgit.errors import LxgitError, in_words
from lxgit.records import dataclass, replace
from lxgit.runtime import (
    bases,
    cgroups,
    confinement,
    devices,
    handover,
    kernel,
    lxc,
    lxcconfig,
    protocol,
    rootfs,
    rootless,
    rootmount,
    rundir,
)
from lxgit.runtime.command import find_user
from lxgit.runtime.config import RESTARTING, RUNNING, ContainerState
from lxgit.runtime.containers import load
from lxgit.runtime.enforcement import Enforcement, reached
from lxgit.runtime.freezer import Stillness
from lxgit.runtime.leaving import leave_the_caller
from lxgit.runtime.logfile import LogWriter
from lxgit.runtime.process import Process, pidfd_of_child
from lxgit.runtime.relay import Loop, Relay
from lxgit.runtime.runplace import socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import NoReturn

    from lxgit.runtime.containers import Container
    from lxgit.runtime.credentials import Credentials
    from lxgit.runtime.execution import Execution
    from lxgit.runtime.health import HealthCheck
    from lxgit.runtime.network.endpoint import Network
    from lxgit.runtime.overlay import Lower

_ROOT = rootmount.ROOT
_DEVICES = rundir.STAGE / "dev"
_HALTED = 128 + signal.SIGINT  # how process 1 ends that has halted its system (reboot(2))


@dataclass(frozen=True, slots=True)
class Task:
    """A container to be started: what its supervisor has to know beyond its record."""

    container: Container
    lowers: tuple[Lower, ...]  # topmost first
    apparmor: str | None
    window: tuple[int, int] | None  # rows and columns of its terminal
    detached: bool  # its input does not end when the first client leaves
    after_exit: Callable[[], None] | None  # with the container's lock held
    kept: bool = False  # it has a keeper, which starts it again if its policy says so
    restarts: int = 0  # how often its policy has started it


def supervise(task: Task, channel: socket.socket, lock: int) -> NoReturn:
    """Become the supervisor; never returns. `channel` is its first client, `lock` its claim."""
    try:
        leave_the_caller(channel.fileno(), lock)
        kernel.set_process_name(b"lxgit:" + task.container.id[:9].encode())
        os.ftruncate(lock, 0)
        os.pwrite(lock, b"%d\n" % os.getpid(), 0)
        Supervisor(task, channel, lock).run()
    except Exception as error:  # noqa: BLE001  # run() tells of all but a fault of lxgit's own
        with contextlib.suppress(OSError):
            channel.send(protocol.failed(_not_set_up(error)))
    finally:
        os._exit(0)


class Supervisor:
    """The life of one start of a container."""

    def __init__(self, task: Task, channel: socket.socket, lock: int) -> None:
        self._task = task
        self._config = task.container.config
        self._lock = lock
        self._log = lxc.Log()
        self._output = LogWriter(task.container.path / "log", self._config.log_size)
        self._stillness = Stillness(self._config.id)
        self._relay = Relay(self._output, self._signal, Loop(), self._execute, self._control)
        self._executions: list[Execution] = []
        self._abandoned: list[Execution] = []
        self._relay.add(
            channel,
            owns_input=not task.detached,
            left=(lambda: self._signal(signal.SIGKILL)) if self._config.owner else None,
        )
        self._init: int | None = None  # pidfd of the command
        self._early_signals: list[int] = []
        self._lxc_runs = False
        self._unready: LxgitError | None = None  # why the command must not begin
        self._connection: Network | None = None
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
                self._relay.broadcast(last)
                self._relay.flush(1)
                # Unmounting writes back the whole file system below (ovl_sync_fs), which can take
                # seconds: whoever waits for the exit code has it by now.
            os.close(self._lock)
        self._relay.flush(None)
        for execution in self._abandoned:
            execution.flush(None)

    def _live(self, directory: Path, mounts: contextlib.ExitStack) -> bytes:
        """The container from start to end; the message that tells of its end."""
        try:
            code = self._start_and_serve(directory, mounts)
            self._record(replace(self._state, exit_code=code))
            return protocol.ended(code)
        except (LxgitError, OSError) as error:
            fault = error if isinstance(error, LxgitError) else _not_set_up(error)
            message = protocol.failed(fault)
            self._record(replace(self._state, exit_code=message[1], error=fault.message))
            return message
        finally:
            if self._task.after_exit is not None:
                # What fails here can only leave something lying, which `ps -a` shows.
                with contextlib.suppress(LxgitError, OSError):
                    self._task.after_exit()

    def _record(self, state: ContainerState) -> None:
        goes_on = self._goes_on(state)
        state = replace(state.ended(), finished=time.time_ns())
        if goes_on:  # told in one step with its end, which nobody may take for the last one
            state = replace(state, status=RESTARTING)
        with contextlib.suppress(OSError):  # a full disk: the next look finds the lock free
            self._task.container.record(state)
        if state.started is not None:
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
        if not self._task.kept or state.started is None or state.exit_code is None:
            return False
        return self._container_now().config.restart.wants(
            exit_code=state.exit_code,
            stopped=state.stopped or state.shut_down,
            restarts=state.restarts,
        )

    def _start_and_serve(self, directory: Path, mounts: contextlib.ExitStack) -> int:
        group = self._own_group(mounts)
        self._enforcement = Enforcement(self._config.id, self._config.limits)
        lowers = mounts.enter_context(bases.held(self._task.lowers))
        mounts.enter_context(rundir.stage())
        if self._config.network not in ("none", "host"):
            # After the mounts, which take longer to be undone.
            self._connection = mounts.enter_context(self._joined(directory))
        root = rootmount.mount_root(self._task.container, lowers)
        first = Process.first(self._config, self._task.window)
        user = find_user(root, first.user, self._config.groups)
        rootfs.make_directory(root, first.directory, self._config.ids)
        arguments = first.arguments(root, user, self._config.hostname)
        _DEVICES.mkdir()
        self._make_devices()
        gate, self._gate = os.pipe()
        becomes = confinement.credentials(self._config, user)
        stdio = first.stdio(self._relay, _DEVICES, user, self._config.ids, becomes)
        stdio = stdio._replace(gate=gate)
        if first.tty:
            rootfs.set_console(_DEVICES)
        self._furnish(root)
        os.close(root)
        log = self._prepare_lxc(directory, becomes)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(socket_path(self._config.id))
            listener.listen()
            host_network = self._config.network == "host"
            child = lxc.start(
                self._config.id,
                directory,
                stdio,
                arguments,
                host_network=host_network,
                group=group,
            )
            stdio.close()
            self._serve(child, log, listener)
        # LXC leaves a group that somebody was still in, as a command that had joined, and all of
        # them when it was killed.
        cgroups.remove(self._config.id)
        if self._log.pid is None:
            raise confinement.refused_sysctl(directory) or self._log.failure()
        if self._unready is not None:
            raise self._unready
        self._note_limits(directory)
        if self._lxc_status:  # it has not lived to see the container's end
            return 128 + signal.SIGKILL
        halted = self._config.system and self._log.exit_code == _HALTED
        return 0 if halted else self._log.exit_code

    def _own_group(self, mounts: contextlib.ExitStack) -> Path | None:
        """The control group that an ordinary user's container is started in, if it can have one.

        It goes too where the container is never started.
        """
        if not rootless.is_active():
            return None
        from lxgit.runtime import delegation

        mounts.callback(cgroups.remove, self._config.id)
        return delegation.prepare(self._config.id)

    def _make_devices(self) -> None:
        """Its /dev, at `_DEVICES`: with all that the host has where it is privileged."""
        config = self._config
        most = 1 << 16 if config.privileged else 256
        rootfs.make_devices(_DEVICES, config.ids, config.shm_size, most=most)
        devices.add(config.security.devices, _DEVICES, config.ids.outside(0))
        if config.privileged:
            devices.add_all(_DEVICES)

    def _note_limits(self, directory: Path) -> None:
        hit = reached(directory)
        self._state = replace(self._state, oom_killed=hit.memory, pids_refused=hit.pids)

    def _furnish(self, root: int) -> None:
        """Mount what is ready over the root: /dev and all below it, files of /etc."""
        rootfs.attach_devices(root, _DEVICES)
        from lxgit.runtime.network import injected

        content = injected.files(self._config, self._connection)
        rootfs.inject(root, content, rundir.STAGE, self._config.ids)
        if self._connection is not None:
            self._connection.keep_hosts(rundir.STAGE / "hosts", self._relay.loop)
        if self._config.network == "host":
            rootfs.attach_sysfs(root, read_only=not self._config.privileged)
        elif self._config.shares:
            from lxgit.runtime.network.sharing import mount_sysfs

            assert self._connection is not None
            source = mount_sysfs(self._connection.namespace)
            rootfs.attach_sysfs(root, source, read_only=not self._config.privileged)
        rootmount.finish_root(root, self._task.container)
        handover.offer(self._relay.loop, rundir.CONTAINERS / self._config.id, _ROOT)

    def _prepare_lxc(self, directory: Path, becomes: Credentials | None) -> int:
        """Write LXC's configuration; the descriptor to read its log from."""
        spec = confinement.spec(
            self._config,
            _ROOT,
            _DEVICES,
            becomes,
            self._task.apparmor,
            self._enforcement,
            directory,
            self._connection.namespace if self._connection is not None else "",
        )
        (directory / "config").write_text(lxcconfig.config_text(spec), encoding="utf-8")
        os.mkfifo(directory / "log", 0o600)
        return os.open(directory / "log", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def _serve(self, child: int, log: int, listener: socket.socket) -> None:
        """Until LXC has ended and everything that it and the container wrote has been read."""
        loop = self._relay.loop
        process = os.pidfd_open(child)
        self._lxc_runs = log_open = True

        def ended() -> None:
            _, self._lxc_status = os.waitpid(child, 0)
            loop.forget(process)
            os.close(process)
            lxc.remove_lock(self._config.id, rundir.CONTAINERS)
            self._lxc_runs = False
            if log_open:  # of a FIFO that nobody has ever opened for writing epoll tells no end
                logged()
            self._abandoned = [*self._executions]
            for execution in self._abandoned:
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
        while self._lxc_runs or log_open or not self._relay.is_drained:
            loop.turn()
        loop.forget(listener.fileno())

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
        try:
            self._enforcement.check()
            confinement.set_oom_score(self._config, pid)
            if self._connection is not None:
                self._connection.plug(pid, self._relay.loop)
                self._state = replace(self._state, endpoint=self._connection.endpoint)
        except LxgitError as error:
            self._unready = error
            self._signal(signal.SIGKILL)
            return
        if self._config.health is not None:
            self._check(self._config.health)
        self._task.container.record(self._state)
        self._task.container.tell("start")
        os.write(self._gate, b"\n")
        self._relay.broadcast(protocol.STARTED)
        self._relay.begin()
        self._relay.listen(listener)
        early, self._early_signals = self._early_signals, []
        for number in early:
            self._signal(number)

    def _joined(self, directory: Path) -> AbstractContextManager[Network]:
        if self._config.network == "user":
            from lxgit.runtime.network import usernet

            return usernet.joined(directory, self._config)
        if self._config.shares:
            from lxgit.runtime.network import sharing

            return sharing.joined(self._task.container.path.parent, self._config)
        from lxgit.runtime.network.joining import joined

        store = self._task.container.path.parent.parent
        return joined(os.path.realpath(store), store / "networks", self._config)

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
        Checker(check, loop, self._execute, report, paused)

    def _execute(self, channel: socket.socket, request: bytes) -> None:
        """Have another command join the container, for the client on `channel`."""
        from lxgit.runtime.execution import Execution

        loop, ended = self._relay.loop, self._executions.remove
        execution = Execution(self._config, loop, channel, self._tell, ended)
        self._executions.append(execution)
        if self._state.paused:
            execution.refuse()
            return
        assert self._state.pid is not None  # nobody is heard before it has been started
        directory = rundir.CONTAINERS / self._config.id
        execution.start(request, self._state.pid, _DEVICES, directory)

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
            by_user = message.data == b"\1"
            self._state = replace(self._state, stopped=by_user, shut_down=not by_user)
        elif message.kind == protocol.PAUSE:
            self._pause(paused=message.data == b"\1")
        elif message.kind == protocol.HOLD:
            self._stillness.hold(client)
        else:
            self._stillness.release(client)

    def _pause(self, *, paused: bool) -> None:
        if paused == self._state.paused:
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


def _not_set_up(error: Exception) -> LxgitError:
    if isinstance(error, OSError):
        fault = in_words(error)
    else:
        fault = LxgitError(f"{type(error).__name__}: {error}")
    return LxgitError(f"the container could not be set up: {fault.message}", hint=fault.hint)
