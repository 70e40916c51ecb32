"""A command that joins a running container: `exec`.

The supervisor starts it when a client asks, on terminals and pipes of its own, and that client is
from then on attached to it instead of to the container's first command. It ends with the
container at the latest.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from functools import partial

from lxgit.beneath import openat2
from lxgit.errors import LxgitError, in_words
from lxgit.runtime import capabilities, confinement, lxc, protocol
from lxgit.runtime.command import find_user
from lxgit.runtime.process import Process
from lxgit.runtime.relay import Relay
from lxgit.runtime.wanted import WantedCommand

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.loop import Loop


_MOMENT = 0.02  # seconds


class NoWorkingDirectory(LxgitError):
    """The directory to start in is none."""

    exit_code = 126


class _HasEnded(Exception):
    """The container's first process has gone, and nobody has been told yet."""


class Execution:
    """One such command. `gone` is called when it has ended and its client been told all, or left.

    `tell` has `lxgit events` know of its beginning and its end.
    """

    def __init__(
        self,
        config: ContainerConfig,
        loop: Loop,
        channel: socket.socket,
        tell: Callable[[str], None],
        gone: Callable[[Execution], None],
    ) -> None:
        self._config = config
        self._tell = tell
        self._gone = gone
        self._has_ended = False
        self._relay = Relay(None, self._signal, loop)
        self._relay.add(channel, owns_input=True, left=self._left)
        self._child = 0
        self._process = -1

    def refuse(self, why: bytes) -> None:
        """Execute nothing; `why` is the message that says so."""
        self._finish(why)

    def start(self, request: bytes, pid: int, devices: Path, directory: Path) -> None:
        """Execute what the client asked for in the container whose process 1 is `pid`.

        The client is told when that fails, and nothing is left of it.
        """
        try:
            wanted = WantedCommand.decoded(request)
            self._start(Process.joining(self._config, wanted), pid, devices, directory)
        except _HasEnded:
            self._finish(protocol.ended(0))
            return
        except (LxgitError, OSError) as error:
            self._finish(protocol.failed(in_words(error)))
            return
        except (ValueError, IndexError) as error:  # no lxgit of ours has asked
            self._finish(protocol.failed(LxgitError(str(error))))
            return
        self._relay.broadcast(protocol.STARTED)
        self._tell(f"exec_start: {' '.join(wanted.command)}")
        self._relay.begin()
        self._relay.loop.watch(self._process, select.EPOLLIN, self._reap)

    def _start(self, wanted: Process, pid: int, devices: Path, directory: Path) -> None:
        # As the command will see it, with what has been mounted inside.
        try:
            root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _HasEnded from None
        try:
            user = find_user(root, wanted.user, self._config.groups)
            _require_directory(root, wanted.directory)
            arguments = wanted.arguments(root, user, self._config.hostname)
        finally:
            os.close(root)
        becomes = confinement.credentials(self._config, user)
        # Who becomes somebody else gives up again what the container does not have.
        has = confinement.bounding_set(self._config)
        more = becomes is not None and not set(capabilities.BECOMING) <= set(has)
        stdio = wanted.stdio(self._relay, devices, user, self._config.ids, becomes)
        try:
            self._child, self._process = lxc.attach(
                self._config.id,
                directory,
                stdio,
                arguments,
                pid=pid,
                every_capability=more,
                oom_score=self._config.oom_score,
            )
        finally:
            stdio.close()

    def abandon(self) -> None:
        """The container has ended, and with it this command, if it had not before."""
        if not self._child:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        self._reap()

    def connections(self) -> set[int]:
        """The client's descriptor, if it is still there."""
        return self._relay.connections()

    def flush(self, seconds: float | None) -> None:
        """Wait until the client has been told everything or has left."""
        self._relay.flush(seconds)

    def _reap(self) -> None:
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        self._relay.loop.forget(self._process)
        os.close(self._process)
        code = os.waitstatus_to_exitcode(status)
        self._relay.read_rest()
        self._finish(protocol.ended(code if code >= 0 else 128 - code))
        self._tell("exec_die")

    def _finish(self, last: bytes) -> None:
        self._relay.broadcast(last)
        self._relay.end_when_told()
        self._has_ended = True
        if not self._relay.clients:
            self._gone(self)

    def _left(self) -> None:
        if self._has_ended:
            self._gone(self)

    def _signal(self, number: int) -> None:
        """Send the command a signal; one that comes before LXC has executed it waits for that."""
        if not self._child:
            return
        commands = self._commands()
        if not commands:
            self._relay.loop.after(_MOMENT, partial(self._signal, number))
        for command in commands:
            with contextlib.suppress(ProcessLookupError):
                os.kill(command, number)

    def _commands(self) -> list[int]:
        """The command, which is a child of LXC's program; nothing while nobody can tell.

        Before it there are children that execute that program themselves, and what becomes of the
        command is told nobody without them (lxc_attach, src/lxc/attach.c).
        """
        try:
            with open(f"/proc/{self._child}/task/{self._child}/children", "rb") as stream:
                children = [int(word) for word in stream.read().split()]
            program = _executed_by(self._child)
            return [child for child in children if _executed_by(child) != program]
        except OSError:
            return []


def _executed_by(pid: int) -> bytes:
    """Which file a process executes: its mount and inode, as proc_pid_fdinfo(5) has them.

    stat(2) would ask the file system, which may be one that never answers.
    """
    try:
        fd = os.open(f"/proc/{pid}/exe", os.O_PATH | os.O_CLOEXEC)
    except PermissionError:  # never of LXC's
        return b""
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as stream:
            return stream.read()
    finally:
        os.close(fd)


def _require_directory(root: int, path: bytes) -> None:
    try:
        os.close(openat2(root, path, os.O_PATH | os.O_DIRECTORY))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        shown = os.fsdecode(path)
        raise NoWorkingDirectory(f"'{shown}' is no directory in the container") from None
