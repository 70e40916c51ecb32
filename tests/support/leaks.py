"""What a test run left on the machine: mounts, processes, cgroups, containers in /run/lxgit.

Nothing may outlive the containers. A snapshot before and one after are compared, so what was there
before, a user's own containers say, is nobody's fault.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import bases, rundir

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

RUNTIME = Path("/run/lxgit")
_GRACE_SECONDS = 60.0  # for a supervisor that is on its way out
_OUR_PROCESS = re.compile(
    rb"^(\[lxc monitor\]|(\S*/)?lxc-(execute|start|attach)\b|lxgit\b)|/bin/lxgit\b"
)
_OUR_CGROUP = re.compile(r"^(lxc\.(payload|monitor)\.|lxgit)")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What of ours is on the machine, each thing in words."""

    things: frozenset[str]

    @classmethod
    def take(cls) -> Snapshot:
        return cls(frozenset((*mounts(), *_processes(), *_cgroups(), *_running())))


def leaked(before: Snapshot) -> list[str]:
    """What is there now and was not before, once it has had time to go.

    Those that a test has killed leave mounts of base layers: the next command takes them down.
    """
    bases.sweep()
    deadline = time.monotonic() + _GRACE_SECONDS
    while (left := Snapshot.take().things - before.things) and time.monotonic() < deadline:
        time.sleep(0.1)
    return sorted(left)


def traces_of(ids: Collection[str]) -> set[str]:
    """What there is of these containers, whoever else has some: that of a snapshot, LXC's locks."""
    names = [name for one in ids for name in (one, f"lxgit:{one[:9]}")]
    found = {thing for thing in Snapshot.take().things if any(name in thing for name in names)}
    locks = [Path(f"/run/lxc/lock{rundir.CONTAINERS}/.{one}") for one in ids]
    return found | {f"lock: {lock}" for lock in locks if lock.exists()}


class Watch:
    """A plugin of pytest that fails a run which leaves something behind.

    Unless `always`, only one during which no other was running, whose doings would look like ours.
    """

    def __init__(self, *, always: bool) -> None:
        self._always = always
        self._lock = _session_lock()
        self._before = Snapshot.take()
        self._left: list[str] = []

    @pytest.hookimpl(trylast=True)  # when the fixtures and processes of the session have gone
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._always or _is_alone(self._lock):
            self._left = leaked(self._before)
        if self._left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        os.close(self._lock)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._left:
            terminalreporter.section("the tests left on this machine", red=True)
            terminalreporter.write_line("\n".join(self._left))


def _session_lock() -> int:
    """A shared lock that every test session holds, as a file descriptor for `_is_alone`."""
    path = Path(tempfile.gettempdir(), f"lxgit-tests-{os.geteuid()}.lock")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def _is_alone(lock: int) -> bool:
    """Whether no other test session is running."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def mounts() -> Iterator[str]:
    """What lxgit may have mounted here, each in words."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        target = fields.split()[4]
        kind, source = rest.split()[:2]
        if kind in {"overlay", "erofs"} or Path(target).is_relative_to(RUNTIME):
            yield f"mount: {kind} {source} on {target}"


def _processes() -> Iterator[str]:
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(directory, "cmdline").read_bytes().replace(b"\0", b" ").strip()
            name = Path(directory, "comm").read_text(errors="backslashreplace").strip()
            named = name.startswith("lxgit:")  # a supervisor
            if int(directory.name) == os.getpid() or not words:  # none: a zombie of a test's
                continue
            if named or _OUR_PROCESS.search(words):
                shown = words.decode(errors="backslashreplace")[:200]
                yield f"process: {directory.name} {shown} ({name})"


def _cgroups() -> Iterator[str]:
    for path, names, _ in os.walk("/sys/fs/cgroup"):
        for name in names:
            if _OUR_CGROUP.match(name):
                yield f"cgroup: {path}/{name}"


def _running() -> Iterator[str]:
    for place in ("c", "n"):
        with contextlib.suppress(FileNotFoundError):
            for entry in (RUNTIME / place).iterdir():
                if not entry.name.startswith("."):
                    yield f"running container, or bridge: {entry}"
