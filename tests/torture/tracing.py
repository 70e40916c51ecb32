"""A command under strace(1): what it writes to a store, in order, as it happens.

Every process that the command starts is traced too, a container's among them. The traced calls are
those that change files; `--seccomp-bpf` leaves all others at full speed.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

    from tests.support.program import Lxgit

_CHANGING = """
    openat open creat write pwrite64 writev pwritev pwritev2 sendfile copy_file_range splice
    truncate ftruncate fallocate rename renameat renameat2 link linkat symlink symlinkat
    unlink unlinkat mkdir mkdirat rmdir mknod mknodat chmod fchmod fchmodat fchmodat2
    chown fchown lchown fchownat utimensat setxattr lsetxattr fsetxattr setxattrat
    removexattr lremovexattr fremovexattr
"""
CHANGING = tuple(_CHANGING.split())
"""System calls that change a file system; of the opening ones those that create or cut off."""

FLUSHING = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")

_NAMING = ("rename", "link", "symlink", "unlink", "mkdir", "rmdir")
SLOW = (*FLUSHING, *(name for name in CHANGING if name.startswith(_NAMING)))
"""Those that take long on a slow disk: flushes, and changes of names."""

_LINE = re.compile(r"(\d+) +(\d+\.\d+) (.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+|\?)(.*)", re.DOTALL)
_CREATES = re.compile(r"O_CREAT|O_TMPFILE|O_TRUNC")
_TRACER = re.compile(rb"^TracerPid:\s+(\d+)$", re.MULTILINE)
_STATE = re.compile(rb"^State:\s+(\w)", re.MULTILINE)
_VARIES = re.compile(r"#\d+|(?:tmp_|scratch-)\w+|\b[0-9a-f]{8,64}\b|\d+")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that came to an end. `at` is in seconds since 1970, of its beginning."""

    pid: int
    at: float
    name: str
    arguments: str
    result: str  # a number; "?" when the process died in it
    rest: str  # what strace adds: an error's name

    @property
    def failed(self) -> bool:
        return self.result.startswith(("-", "?"))

    @property
    def was_made_to_fail(self) -> bool:
        """Whether strace had it fail."""
        return self.rest.endswith("(INJECTED)")

    @property
    def only_opens(self) -> bool:
        """Whether it opens what is there."""
        return self.name.startswith("open") and not _CREATES.search(self.arguments)

    def signature(self, store: Path) -> str:
        """The call without what differs from one run to the next, each on a store of its own."""
        return f"{self.name}({_VARIES.sub('#', self.arguments.replace(str(store), 'STORE'))})"

    def changes(self, store: Path) -> bool:
        """Whether it changed something below `store`."""
        if self.failed or self.name in FLUSHING or str(store) not in self.arguments:
            return False
        return not self.only_opens


class CallReader:
    """Lines of strace become calls; one that others interrupted is put together."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[float, str]] = {}
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Call]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if found := self._call(line.decode("utf-8", "surrogateescape")):
                yield found

    def _call(self, line: str) -> Call | None:
        parts = _LINE.fullmatch(line)
        if parts is None:
            return None
        pid, at, text = int(parts[1]), float(parts[2]), parts[3]
        if text.endswith("<unfinished ...>"):
            self._begun[pid] = at, text.removesuffix("<unfinished ...>").rstrip()
            return None
        if (resumed := _RESUMED.fullmatch(text)) and pid in self._begun:
            at, begun = self._begun.pop(pid)
            text = begun + resumed[1]
        call = _CALL.fullmatch(text)
        return Call(pid, at, *call.groups()) if call else None


class Traced:
    """A command running under strace, in a session of its own; leaving the `with` kills it all."""

    def __init__(
        self,
        lxgit: Lxgit,
        words: Sequence[str],
        scratch: Path,
        *,
        env: dict[str, str],
        options: Sequence[str] = (),
        delay: float = 0,
    ) -> None:
        """With a `delay`, each call of SLOW takes so many seconds longer."""
        self._fifo = scratch / "calls"
        os.mkfifo(self._fifo)
        strace = shutil.which("strace")
        assert strace is not None
        # -DDD: the tracer is nobody's relative, so that killing the command does not touch it.
        command = [strace, "-DDD", "-qqq", "-f", "-y", "-ttt", "-s0", f"-o{self._fifo}"]
        if not options:
            options = ["--seccomp-bpf", "-e", f"trace={','.join((*CHANGING, *FLUSHING))}"]
        if delay:
            options = [*options, f"--inject={','.join(SLOW)}:delay_exit={delay * 1e6:.0f}"]
        self._source = os.open(self._fifo, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.started = time.time()
        self.process = subprocess.Popen(
            [*command, *options, str(PROGRAM), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=lxgit.environment(env),
            cwd=lxgit.home,
            start_new_session=True,
        )
        self.calls: list[Call] = []
        self._reader = CallReader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.process.communicate()
        os.close(self._source)
        self._fifo.unlink()

    def follow(self, until: float | None = None) -> Iterator[Call]:
        """Each call as it comes, to the end of everything or to the time `until`."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        while True:
            left = 0.1 if until is None else min(max(0.0, until - time.time()), 0.1)
            events = poll.poll(left * 1000)
            if not events:
                if self._never_began() or (until is not None and time.time() >= until):
                    return
                continue
            # Nothing to read and nobody who writes: strace and with it everything has ended.
            data = os.read(self._source, 1 << 16) if events[0][1] & select.POLLIN else b""
            if not data:
                return
            for call in self._reader.feed(data):
                self.calls.append(call)
                yield call

    def _never_began(self) -> bool:
        """Whether all ended before strace had opened the pipe, which would tell of its end."""
        return not self.calls and self.process.poll() is not None and not self._traced()

    def kill(self) -> None:
        """SIGKILL to the command's group and to all else that is traced: nothing of it is left."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        while alive := self._traced():
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for _ in self.follow(time.time() + 0.001):
                pass  # strace waits where nobody reads
        for _ in self.follow():
            pass

    def _traced(self) -> list[int]:
        """The processes that our strace holds, in any session; the dead ones left out."""
        found = []
        for directory in os.scandir("/proc"):
            if directory.name.isdecimal():
                with contextlib.suppress(OSError):
                    status = Path(directory.path, "status").read_bytes()
                    tracer, state = _TRACER.search(status), _STATE.search(status)
                    if tracer and state and state[1] not in b"ZX" and self._is_ours(tracer[1]):
                        found.append(int(directory.name))
        return found

    def _is_ours(self, tracer: bytes) -> bool:
        return tracer != b"0" and os.fsencode(self._fifo) in _command_line(tracer)


def _command_line(pid: bytes) -> bytes:
    with open(b"/proc/%b/cmdline" % pid, "rb") as file:
        return file.read()
