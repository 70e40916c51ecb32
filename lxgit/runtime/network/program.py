"""Running the host's own network programs: a fixed one, with its input, and nothing else."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class MissingProgram(LxgitError):
    """A program that a bridge needs is not installed."""

    exit_code = 125


class ProgramFailed(LxgitError):
    """One that is there could not do it; the message has its own words."""

    exit_code = 125


def require(path: str, package: str) -> None:
    """Raise MissingProgram, with the Debian package that has it, unless a program is there."""
    if not os.access(path, os.X_OK):
        raise MissingProgram(
            f"a network for the container needs {path}, which is not there",
            hint=f"apt install {package}; --network none runs it without a network",
        )


def run(command: tuple[str, ...], data: bytes = b"", *, package: str) -> str:
    """Run a program to its end, and return what it printed. `command` begins with its path.

    MissingProgram as `require` has it; ProgramFailed unless it exits with 0.
    """
    require(command[0], package)
    source = os.memfd_create("input")
    output = os.memfd_create("output")
    try:
        write_all(source, data)
        os.lseek(source, 0, os.SEEK_SET)
        wires = [(os.POSIX_SPAWN_DUP2, source, 0)]
        wires += [(os.POSIX_SPAWN_DUP2, output, fd) for fd in (1, 2)]
        child = os.posix_spawn(command[0], command, _ENVIRONMENT, file_actions=wires)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        told = os.pread(output, 1 << 20, 0).decode("utf-8", "replace")
    finally:
        os.close(source)
        os.close(output)
    if status:
        cause = next((line for line in told.splitlines() if line.strip()), f"exit {status}")
        raise ProgramFailed(
            f"{os.path.basename(command[0])} could not set up the container's network: {cause}",
            hint="--network none runs it without one",
        )
    return told
