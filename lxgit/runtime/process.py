"""One command of a container: what starts it, and what it reads and writes.

The first command of a container and one that joins it later (execution.py) differ in which of
LXC's programs executes the launcher, and in nothing here.
"""

from __future__ import annotations

import contextlib
import os

from lxgit.records import dataclass
from lxgit.runtime import devpts, launcher, lxc, terminal
from lxgit.runtime.command import User, environment, find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from lxgit.runtime.config import Settings
    from lxgit.runtime.credentials import Credentials
    from lxgit.runtime.idmap import IdMap
    from lxgit.runtime.relay import Relay
    from lxgit.runtime.wanted import WantedCommand


@dataclass(frozen=True, slots=True)
class Process:
    """What is to be executed, and how. `environment` items are `NAME=VALUE`.

    `window` is the size of the terminal in rows and columns. A `detached` one writes to nobody;
    one with `init` is the child of a process that reaps.
    """

    command: tuple[str, ...]
    environment: tuple[str, ...]
    working_dir: str
    user: str
    tty: bool
    stdin_open: bool
    window: tuple[int, int] | None = None
    detached: bool = False
    init: bool = False

    @classmethod
    def first(cls, settings: Settings, window: tuple[int, int] | None) -> Self:
        """The one that a container was made for."""
        return cls(
            settings.command,
            settings.environment,
            settings.working_dir,
            settings.user,
            settings.tty,
            settings.stdin_open,
            window,
            init=settings.init,
        )

    @classmethod
    def joining(cls, settings: Settings, wanted: WantedCommand) -> Self:
        """Another one in that container."""
        return cls(
            wanted.command,
            (*settings.environment, *wanted.environment),
            wanted.working_dir or settings.working_dir,
            wanted.user or settings.user,
            wanted.tty,
            wanted.stdin_open,
            wanted.window,
            wanted.detached,
        )

    def arguments(self, root: int, user: User, hostname: str) -> list[bytes]:
        """The launcher's; finding the command now gives Docker's exit codes 126 and 127."""
        variables = environment(self.environment, hostname=hostname, home=user.home, tty=self.tty)
        command = [os.fsencode(word) for word in self.command]
        path = os.fsencode(variables["PATH"])
        file = find_program(root, command[0] if command else b"", path, self.directory)
        strings = [os.fsencode(f"{name}={value}") for name, value in variables.items()]
        return launcher.arguments(file, self.directory, strings, command)

    @property
    def directory(self) -> bytes:
        """Where it starts, absolute."""
        return os.fsencode(os.path.join("/", self.working_dir))

    def stdio(
        self, relay: Relay, devices: Path, user: User, ids: IdMap, becomes: Credentials | None
    ) -> lxc.Stdio:
        """A terminal or pipes, owned by the user so that /dev/stdout can be opened.

        `devices` is the container's /dev. The other ends are the relay's. `becomes` is for the
        launcher. Where one of them cannot be had, OSError, none stays open.
        """
        owner, group = ids.outside(user.uid), ids.outside(user.gid)
        with _Opened() as opened:
            program = opened.one(_launcher(devices, becomes, init=self.init))
            if self.tty:
                pty = opened.pty(devices / "pts", owner, ids.outside(devpts.TTY_GROUP))
                terminal.set_window_size(pty.main, self.window or (24, 80))
                stdio = lxc.Stdio(*opened.nulls(), program, pty.replica)
                relay.use_terminal(pty.main)
            elif self.detached:
                stdio = lxc.Stdio(*opened.nulls(), program)
            else:
                if self.stdin_open:
                    stdin, to_stdin = opened.pipe(owner, group)
                else:
                    stdin, to_stdin = opened.null(), None
                from_stdout, stdout = opened.pipe(owner, group)
                from_stderr, stderr = opened.pipe(owner, group)
                stdio = lxc.Stdio(stdin, stdout, stderr, program)
                relay.use_pipes(to_stdin, from_stdout, from_stderr)
            opened.pop_all()
        return stdio


class _Opened(contextlib.ExitStack):
    """Descriptors that are closed again, unless all that were wanted could be had."""

    def one(self, fd: int) -> int:
        self.callback(os.close, fd)
        return fd

    def null(self) -> int:
        return self.one(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC))

    def nulls(self) -> tuple[int, int, int]:
        return self.null(), self.null(), self.null()

    def pipe(self, owner: int, group: int) -> tuple[int, int]:
        """The end to read from and the one to write to."""
        reading, writing = map(self.one, os.pipe())
        os.fchown(reading, owner, group)  # of both: they are one inode
        return reading, writing

    def pty(self, place: Path, owner: int, group: int) -> devpts.Pty:
        return devpts.Pty(*map(self.one, devpts.open_pty(place, owner, group)))


def _launcher(devices: Path, becomes: Credentials | None, *, init: bool) -> int:
    """The launcher as a file that nobody has open for writing (ETXTBSY) and no path reaches."""
    path = devices.with_name("launcher")
    try:
        path.write_bytes(launcher.program(init=init, user=becomes))
        path.chmod(0o755)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        path.unlink(missing_ok=True)


def pidfd_of_child(pid: int, parent: int) -> int:
    """A handle on a process that is a child of `parent`; ProcessLookupError if it is not."""
    with contextlib.ExitStack() as failing:
        fd = os.pidfd_open(pid)
        failing.callback(os.close, fd)
        with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
            if int(fields[1]) == parent:
                failing.pop_all()
                return fd
    raise ProcessLookupError(pid)
