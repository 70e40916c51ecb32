"""The `git` program, cut off from everything but the repository it is pointed at.

No environment but the one below, no system or user configuration, no hooks, no replace refs (the
readers of this package know none either), no prompts, no network unless a caller says so, and the
program itself by an absolute path. What the repository's own configuration names is not run: it may
have come with a store from elsewhere.
Processes are started with posix_spawn and wired with pipes and memory files, so that a command that
needs one answer of Git does not pay for importing `subprocess` (10 ms).
"""

from __future__ import annotations

import errno
import os

from lxgit.errors import FREE_SPACE, LxgitError
from lxgit.fsutil import write_all
from lxgit.lean import cache, closing, contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
    from io import FileIO
    from pathlib import Path
    from typing import Self

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BIG_FILE_THRESHOLD = 32 << 20
"""Bytes: a blob this large is never made a delta of, nor read whole, by Git."""

MOST_COUNTED = (1 << 31) - 1
"""What the number of an option may be: Git has an int for it."""

_CHUNK = 1 << 18
_FULL = (
    *(os.strerror(number).encode() for number in (errno.ENOSPC, errno.EDQUOT)),
    b"Out of diskspace",  # Git's own words (csum-file.c)
)
_DAMAGED = (
    b"bad object",
    b"could not read",
    b"Could not read",
    b"unable to read",
    b"is corrupt",
    b"packed-refs: ",
    b"mtimes file ",
)
_HINTS = ((_FULL, FREE_SPACE), (_DAMAGED, "'lxgit fsck' says what is damaged, and whom it harms"))
_SIGPIPE = 13  # signal(7); the module `signal` takes 0.4 ms

_ENVIRONMENT = {
    "PATH": PROGRAM_PATH,
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",  # Git before 2.45 fetches what is missing, if it may speak to any
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_FLUSH": "0",  # not after each commit, which takes a fifth of the time of a long log
}

_SETTINGS = ("core.hooksPath=/dev/null", "core.fsmonitor=false")  # programs of a repository's own


class GitNotFound(LxgitError):
    """There is no git program on this machine."""


class GitFailed(LxgitError):
    """Git said no; `status` is its exit code, negative for a signal."""

    def __init__(self, command: str, status: int, stderr: bytes) -> None:
        hints = [hint for words, hint in _HINTS if any(one in stderr for one in words)]
        super().__init__(
            f"git {command}: {_first_fault(stderr) or f'exit status {status}'}",
            hint=hints[0] if hints else None,
        )
        self.status = status
        self.stderr = stderr


@cache
def git_program() -> str:
    """The absolute path of git; GitNotFound when there is none on the system's own path."""
    for directory in PROGRAM_PATH.split(":"):
        candidate = f"{directory}/git"
        if os.access(candidate, os.X_OK):
            return candidate
    raise GitNotFound("there is no git program", hint="apt install git")


class Git:
    """Runs git on one repository, or on none (`git_dir` None), with `config` as "name=value".

    Arguments are taken as they stand: whatever a user typed must be checked, or stand behind
    `--end-of-options` or `--`, before it comes here. Relative paths are relative to `git_dir`.
    """

    def __init__(self, git_dir: Path | str | None, *config: str) -> None:
        # Git takes a GIT_DIR that is no repository for "none", and does not look for one.
        self._git_dir = "/dev/null" if git_dir is None else os.path.abspath(git_dir)
        self._cwd = "/" if git_dir is None else self._git_dir
        settings = (*_SETTINGS, *config)
        self._config = [word for setting in settings for word in ("-c", setting)]

    def run(self, args: Sequence[str], *, stdin: bytes = b"", ok: Container[int] = (0,)) -> bytes:
        """Git's whole standard output; GitFailed when its exit status is not in `ok`."""
        return b"".join(self.stream(args, stdin=stdin, ok=ok))

    def stream(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        ok: Container[int] = (0,),
        environment: Mapping[str, str] | None = None,
    ) -> Generator[bytes]:
        """Git's standard output in chunks as it comes; GitFailed may follow the last one.

        Git starts at once, and works while its caller does something else. `environment` is added
        to Git's own. Closing the iterator early ends git, and its status is then of no interest.
        """
        chunks = self._chunks(args, stdin, ok, environment)
        next(chunks)
        return chunks

    def _chunks(
        self,
        args: Sequence[str],
        stdin: bytes,
        ok: Container[int],
        environment: Mapping[str, str] | None,
    ) -> Generator[bytes]:
        """An empty one when Git has started, then its output."""
        with (
            _memory_file(stdin) as source,
            self._start(args, source.fileno(), environment) as process,
        ):
            yield b""
            yield from iter(process.read, b"")
            process.finish(ok)

    def lines(self, args: Sequence[str], *, stdin: bytes = b"") -> Generator[bytes]:
        """Git's standard output line by line, without the newlines."""
        rest = b""
        with closing(self.stream(args, stdin=stdin)) as stream:
            for chunk in stream:
                *whole, rest = (rest + chunk).split(b"\n")
                yield from whole
        if rest:
            yield rest

    def feed(self, args: Sequence[str], chunks: Iterable[bytes]) -> bytes:
        """Like `run`, with a standard input of any length; for commands that answer at the end."""
        with self.dialogue(args) as (sink, process):
            with suppress(BrokenPipeError):  # git has given up, and says why
                for chunk in chunks:
                    write_all(sink.fileno(), chunk)
            sink.close()
            answer = b"".join(iter(process.read, b""))
            process.finish((0,))
            return answer

    @contextmanager
    def dialogue(self, args: Sequence[str]) -> Iterator[tuple[FileIO, Process]]:
        """A git that runs while the context lasts: its standard input, and what to read from.

        Whoever writes more than a pipe holds (64 KiB) before reading the answers may wait forever.
        """
        source, sink = _pipe()
        with sink:
            with source:
                process = self._start(args, source.fileno())
            with process:
                try:
                    yield sink, process
                finally:
                    sink.close()

    def _start(
        self, args: Sequence[str], stdin: int, environment: Mapping[str, str] | None = None
    ) -> Process:
        command = [git_program(), "-C", self._cwd, *self._config, *args]
        variables = {**_ENVIRONMENT, "GIT_DIR": self._git_dir, **(environment or {})}
        return Process(args[0], command, variables, stdin)


class Process:
    """A running git. Leaving its `with` before `finish` ends it."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], stdin: int
    ) -> None:
        self._name = name
        self._stderr = _memory_file(b"")
        self._out, sink = _pipe()
        with sink:
            stdio = (stdin, sink.fileno(), self._stderr.fileno())
            self._pid: int | None = os.posix_spawn(
                command[0],
                command,
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio)],
                setsigdef=[_SIGPIPE],  # Python ignores it, and git would inherit that
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()  # git gets EPIPE if it still writes
        if self._pid is not None:
            os.waitpid(self._pid, 0)
        self._stderr.close()

    def read(self) -> bytes:
        """More of its standard output, and nothing at the end."""
        return os.read(self._out.fileno(), _CHUNK)

    def finish(self, ok: Container[int]) -> None:
        """Wait for its end; GitFailed when its status is not in `ok`."""
        if self._pid is None:
            return
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        self._pid = None
        if status not in ok:
            raise GitFailed(self._name, status, os.pread(self._stderr.fileno(), 1 << 16, 0))


def _pipe() -> tuple[FileIO, FileIO]:
    source, sink = os.pipe()
    return open(source, "rb", buffering=0), open(sink, "wb", buffering=0)


def _memory_file(content: bytes) -> FileIO:
    """A file in memory: unlike a pipe it takes any amount with nobody reading."""
    file = open(os.memfd_create("git"), "w+b", buffering=0)  # noqa: SIM115  # the caller closes it
    write_all(file.fileno(), content)
    file.seek(0)
    return file


def _first_fault(stderr: bytes) -> str:
    """The first line that states a fault, else the first of any kind."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    for line in lines:
        word, colon, rest = line.partition(": ")
        if colon and word in {"fatal", "error"}:
            return rest
    return lines[0] if lines else ""
