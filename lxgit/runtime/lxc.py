"""LXC: the one module that knows its programs and its log; `lxcconfig` knows its configuration.

`lxc-start -F` with the launcher as command: process 1 is the command itself, as in Docker. With
`lxc-execute` it would be `init.lxc`, which waits for every background process before the container
ends, and leaves one second after SIGTERM (lxc-execute(1), lxc_init.c). But lxc-start does not
hand on the command's exit code (it exits with 0 once the container has started), so that comes
from LXC's log, which goes through a FIFO: it is read as it is written, and so it also tells when
the command has been executed and under which process id.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from functools import partial
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.lean import pattern
from lxgit.processes import die_with_parent
from lxgit.runtime import kernel, launcher, rootless, rundir
from lxgit.runtime.sealed import sealed_copy
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

LXC_START = "/usr/bin/lxc-start"
LXC_ATTACH = "/usr/bin/lxc-attach"
APPARMOR = "lxc-container-default-cgns"


class LxcFailed(LxgitError):
    """LXC did not start the container; the message has its own words."""

    exit_code = 125


class Child(NamedTuple):
    """A program of LXC's that was started, and a handle on it (pidfd_open(2))."""

    pid: int
    handle: int


class Stdio(NamedTuple):
    """Descriptors that become the container's; `launcher` becomes number 3.

    `terminal`, if there is one, is kept from LXC: the launcher puts it in the place of the others.
    From `gate` it reads a byte before it goes on.
    """

    stdin: int
    stdout: int
    stderr: int
    launcher: int
    terminal: int | None = None
    gate: int | None = None

    def close(self) -> None:
        """Close them all: they belong to the container from now on."""
        for fd in {fd for fd in self if fd is not None}:
            os.close(fd)


def start(
    name: str,
    directory: Path,
    stdio: Stdio,
    arguments: Sequence[bytes],
    *,
    host_network: bool = False,
    group: Path | None = None,
) -> Child:
    """Run lxc-start for the container.

    `directory` holds `config` and the FIFO `log`; `arguments` follow the launcher's name. LXC and
    with it the container are killed when this process ends, however it ends. It starts in the
    control group `group` of version 2, if there is one.
    """
    command: list[bytes] = [
        *(b"lxc-start", b"--foreground", b"--quiet"),
        *(b"--lxcpath", os.fsencode(directory.parent)),
        *(b"--name", name.encode()),
        *(b"--rcfile", os.fsencode(directory / "config")),
        *(b"--logfile", os.fsencode(directory / "log"), b"--logpriority", b"INFO"),
        *(b"--", b"/proc/self/fd/%d" % launcher.DESCRIPTOR),
        *arguments,
    ]
    # At the end LXC goes back to the network that it came from, which for an ordinary user must not
    # be the host's (EPERM; lxc_restore_phys_nics_to_netns, src/lxc/network.c).
    apart = rootless.is_active() and not host_network
    return _spawn(LXC_START, command, stdio, partial(_set_apart, group, network=apart))


def attach(
    name: str,
    directory: Path,
    stdio: Stdio,
    arguments: Sequence[bytes],
    *,
    pid: int,
    every_capability: bool,
    oom_score: int,
) -> Child:
    """Run lxc-attach for a running container: it is the command's parent.

    `pid` is the container's process 1, `arguments` follow the launcher's name; it starts as root,
    with the container's capabilities or with `every_capability`. Both have `oom_score`, unless it
    is 0. It exits with the command's exit code, and with 128 + n after signal n.
    """
    more = [b"--elevated-privileges=CAP"] if every_capability else []
    command: list[bytes] = [
        *(b"lxc-attach", b"--quiet"),
        *(b"--lxcpath", os.fsencode(directory.parent)),
        *(b"--name", name.encode()),
        *more,
        *(b"--", b"/proc/self/fd/%d" % launcher.DESCRIPTOR),
        *arguments,
    ]
    return _spawn(sealed_copy(LXC_ATTACH), command, stdio, partial(_join, pid, oom_score))


def _set_apart(group: Path | None, *, network: bool) -> None:
    """Leave the control group of the supervisor, and its network."""
    if group is not None:
        (group / "cgroup.procs").write_text("0", "ascii")  # the writer itself
    if network:
        kernel.unshare(kernel.CLONE_NEWNET)


def _join(pid: int, oom_score: int) -> None:
    """Have the network of the lxc-start whose child `pid` is: it listens on an abstract address."""
    if oom_score:
        set_oom_score(os.getpid(), oom_score)
    with open(f"/proc/{pid}/stat", "rb") as stream:
        monitor = int(stream.read().rpartition(b")")[2].split()[1])  # proc_pid_stat(5), ppid
    fd = os.open(f"/proc/{monitor}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if not os.path.samestat(os.fstat(fd), os.stat("/proc/self/ns/net")):
        kernel.setns(fd, kernel.CLONE_NEWNET)


def set_oom_score(pid: int, score: int) -> None:
    """Have the kernel kill a process sooner or later for want of memory, and who comes of it.

    LXC would do that (`lxc.proc`) from within the user namespace, where it cannot be lowered.
    """
    with open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"%d" % score)


def _spawn(
    program: str | int, command: list[bytes], stdio: Stdio, prepare: Callable[[], None]
) -> Child:
    if os.sysconf("SC_OPEN_MAX") <= max(launcher.TERMINAL, launcher.GATE):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            prepare()
            _execute(program, command, stdio, parent)
        finally:
            os._exit(125)
    try:
        return Child(child, os.pidfd_open(child))
    except OSError:  # who cannot see its end must not leave it running
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise


def _execute(program: str | int, command: list[bytes], stdio: Stdio, parent: int) -> None:
    """The child of `_spawn`: never returns."""
    die_with_parent(parent)
    for each in signal.valid_signals():  # ignored ones would stay ignored across execve(2)
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)
    _stay_unconfined()
    if stdio.terminal is not None:
        os.dup2(stdio.terminal, launcher.TERMINAL)
    if stdio.gate is not None:
        os.dup2(stdio.gate, launcher.GATE)
    # First out of the way of 0 … 3, then into place; dup2 to itself would keep close-on-exec.
    above = [os.dup(fd) if fd < 4 else fd for fd in stdio[:4]]
    for number, fd in enumerate(above):
        os.dup2(fd, number)
    # newuidmap on PATH would want lines for root in /etc/subuid; without it LXC, being root,
    # writes the maps itself.
    # An ordinary user has LXC keep its locks beside everything else that runs.
    environment = {b"PATH": b"/nonexistent", b"XDG_RUNTIME_DIR": os.fsencode(rundir.RUN)}
    os.execve(program, command, environment)  # noqa: S606


def _stay_unconfined() -> None:
    """Keep the profile that Debian has for /usr/bin/lxc-start from being put on it.

    Out of that one, which allows nearly everything, the step into the container's own profile is a
    "secure" execution: it would take the death signal away (PR_SET_PDEATHSIG), so that a container
    outlived its supervisor, and have the dynamic linker ignore LD_LIBRARY_PATH in it (ld.so(8)).
    The same interface as aa-exec(1): security/apparmor/lsm.c. Without AppArmor there is no file.
    """
    with contextlib.suppress(OSError):
        fd = os.open("/proc/self/attr/apparmor/exec", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"exec unconfined")


def remove_lock(name: str, lxcpath: Path) -> None:
    """Remove the lock file that LXC leaves for each container (src/lxc/lxclock.c).

    In /run/lxc for root, whatever XDG_RUNTIME_DIR says (get_rundir, src/lxc/utils.c).
    """
    place = rundir.RUN if rootless.is_active() else Path("/run")
    with contextlib.suppress(FileNotFoundError):
        Path(f"{place}/lxc/lock{lxcpath}/.{name}").unlink()


_LINE = pattern(
    rb"^lxc-start [0-9a-f]{64} [0-9.]+ (?P<level>[A-Z]+) +(?P<source>[a-z_]+) - "
    rb"\S+:(?P<function>[a-z_]+):[0-9]+ - (?P<message>.*)$"
)
_STARTED = pattern(rb'^Started "/proc/self/fd/3" with pid "([0-9]+)"$')
# `error (3)`, `signal (9)`, since LXC 6 `signal Killed(9)`; nothing at all for exit code 0.
_ENDED = pattern(rb"^Child <[0-9]+> ended on (error|signal) [^()]*\(([0-9]+)\)$")
_ENDING = b"lxc_error_set_and_log"


class Log:
    """What LXC's log says, fed to it in pieces as they are read."""

    def __init__(self) -> None:
        self.pid: int | None = None  # of the container's process 1, once it is executed
        self.exit_code = 0  # 128 + n when signal n ended it (src/lxc/error.c)
        self.errors: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take more of the log."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            match = _LINE.match(line)
            if match is not None:
                self._take(match)

    def _take(self, line: re.Match[bytes]) -> None:
        message = line["message"]
        if started := _STARTED.match(message):
            self.pid = int(started[1])
            self.exit_code = 0
        elif ended := _ENDED.match(message):
            self.exit_code = int(ended[2]) + (128 if ended[1] == b"signal" else 0)
        elif line["function"] == _ENDING:
            self.exit_code = 125  # an LXC that says it in other words: never taken for success
        elif line["level"] == b"ERROR" and len(self.errors) < 20:
            self.errors.append(message.decode("utf-8", "replace"))

    def failure(self) -> LxcFailed:
        """Why the container did not start: the first error is the cause, the others follow it."""
        cause = self.errors[0] if self.errors else "lxc-start ended without a word"
        hint = None
        if "Failed to set limit " in cause:  # setup_resource_limits, src/lxc/conf.c
            hint = "the host has less than --ulimit asks for: of nofile /proc/sys/fs/nr_open"
        return LxcFailed(f"LXC could not start the container: {cause}", hint=hint)
