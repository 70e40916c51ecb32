"""A Debian from its archive, through mmdebstrap(1), which checks every package's signature."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import IO, cast

from lxgit.errors import LxgitError
from lxgit.objects.tarsource import MissingProgram
from lxgit.operations.importing import Target, commit_source, opened_archive
from lxgit.operations.naming import branch_name, check_branch_name
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator, Mapping

    from lxgit.operations.values import Identity, Imported
    from lxgit.progress import Progress
    from lxgit.repository import Repository

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BootstrapFailed(LxgitError):
    """mmdebstrap could not make the system."""


@dataclass(frozen=True, slots=True)
class System:
    """Which Debian: as mmdebstrap's arguments of the same names; "" and () leave its defaults."""

    suite: str
    variant: str = "minbase"
    include: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    mirror: str = ""
    architecture: str = ""


def bootstrap(
    repository: Repository,
    system: System,
    name: str,
    *,
    orphan: bool = False,
    message: str | None = None,
    environment: Mapping[str, str],
    identity: Identity,
    progress: Progress,
) -> Imported:
    """Make a Debian and commit it on the branch `name`.

    `environment` has what of the caller's mmdebstrap needs: the proxies. BootstrapFailed with the
    program's own reason; MissingProgram when it is not installed.
    """
    name = branch_name(name)
    check_branch_name(repository, name)
    told = f"Bootstrap Debian {system.suite}"
    if system.include:
        told += f" with {', '.join(system.include)}"
    machine = system.architecture or os.uname().machine
    target = Target(name, message or told, orphan, trusted=True, architecture=machine)
    with (
        _running(_arguments(system), environment, progress) as archive,
        opened_archive(repository, archive, progress) as source,
    ):
        return commit_source(repository, source, target, identity, progress)


def _arguments(system: System) -> list[str]:
    program = shutil.which("mmdebstrap", path=_PATH)
    if program is None:
        raise MissingProgram("mmdebstrap is not installed", hint="apt install mmdebstrap")
    for word in (system.suite, system.mirror, *system.include, *system.components):
        if word.startswith("-"):
            raise BootstrapFailed(f"'{word}' is not a name that Debian's archive has")
    arguments = [program, f"--variant={system.variant}", "--format=tar"]
    if system.include:
        arguments.append(f"--include={','.join(system.include)}")
    if system.components:
        arguments.append(f"--components={','.join(system.components)}")
    if system.architecture:
        arguments.append(f"--architectures={system.architecture}")
    return [*arguments, system.suite, "-", *([system.mirror] if system.mirror else [])]


@contextmanager
def _running(
    arguments: list[str], environment: Mapping[str, str], progress: Progress
) -> Iterator[IO[bytes]]:
    """Mmdebstrap's standard output, whose end is read only when it went well."""
    import subprocess
    import threading

    progress.phase("Bootstrapping")
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": _PATH, "LC_ALL": "C.UTF-8", **environment},
        start_new_session=True,
    )
    errors: list[str] = []
    listener = threading.Thread(target=_listen, args=(process, progress, errors), daemon=True)
    listener.start()
    assert process.stdout is not None
    try:

        def check() -> None:
            if process.wait() != 0:
                _raise_failed(process, listener, errors)

        yield cast("IO[bytes]", _Output(process.stdout, check))
    finally:
        process.terminate()
        process.wait()
        listener.join()
        process.stdout.close()


class _Output:
    """A pipe whose end is checked: its writer says more than that the rest is missing."""

    def __init__(self, pipe: IO[bytes], check: Callable[[], None]) -> None:
        self._pipe = pipe
        self._check = check

    def fileno(self) -> int:
        return self._pipe.fileno()

    def read(self, size: int) -> bytes:
        chunk = os.read(self._pipe.fileno(), size)
        if not chunk:
            self._check()
        return chunk


def _raise_failed(process: subprocess.Popen[bytes], listener: object, errors: list[str]) -> None:
    import threading

    process.wait()
    assert isinstance(listener, threading.Thread)
    listener.join()
    # The first is the cause, the others follow from it.
    why = errors[0] if errors else f"exit status {process.returncode}"
    raise BootstrapFailed(
        f"mmdebstrap: {why}", hint="--mirror, --components and --variant say where it looks"
    )


def _listen(process: subprocess.Popen[bytes], progress: Progress, errors: list[str]) -> None:
    """Pass on what mmdebstrap says it is doing, and keep its errors."""
    assert process.stderr is not None
    with process.stderr as lines:
        for raw in lines:
            line = raw.decode(errors="replace").strip()
            if line.startswith("E: "):
                errors.append(line[3:])
            elif line.startswith("I: "):
                progress.phase(line[3:].capitalize())
