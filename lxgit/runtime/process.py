"""One command of a container: what starts it, and what it reads and writes.

The first command of a container and one that joins it later (execution.py) differ in which of
LXC's programs executes the launcher, and in nothing here.
"""

from __future__ import annotations

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
        launcher.
        """
        owner, program = ids.outside(user.uid), _launcher(devices, becomes, init=self.init)
        if self.tty:
            group = ids.outside(devpts.TTY_GROUP)
            pty = devpts.open_pty(devices / "pts", owner, group)
            terminal.set_window_size(pty.main, self.window or (24, 80))
            relay.use_terminal(pty.main)
            return lxc.Stdio(_null(), _null(), _null(), program, pty.replica)
        stdin, to_stdin = os.pipe() if self.stdin_open else (_null(), None)
        if self.detached:
            return lxc.Stdio(stdin, _null(), _null(), program)
        (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe()
        for fd in (stdin, stdout, stderr):
            if to_stdin is not None or fd != stdin:
                os.fchown(fd, owner, ids.outside(user.gid))
        relay.use_pipes(to_stdin, from_stdout, from_stderr)
        return lxc.Stdio(stdin, stdout, stderr, program)


def _null() -> int:
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


def _launcher(devices: Path, becomes: Credentials | None, *, init: bool) -> int:
    """The launcher as a file that nobody has open for writing (ETXTBSY) and no path reaches."""
    path = devices.with_name("launcher")
    path.write_bytes(launcher.program(init=init, user=becomes))
    path.chmod(0o755)
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    finally:
        path.unlink()


def pidfd_of_child(pid: int, parent: int) -> int:
    """A handle on a process that is a child of `parent`; ProcessLookupError if it is not."""
    fd = os.pidfd_open(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        if int(fields[1]) == parent:
            return fd
    except FileNotFoundError:
        pass
    os.close(fd)
    raise ProcessLookupError(pid)
