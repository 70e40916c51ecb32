"""A process beside this one that does one kind of work: jobs go in, answers come out in order.

Hashing holds Python's lock, and compressing waits for it: processes use the cores that threads
would not. Jobs and answers are plain values (marshal), and a job says where bytes are, not what
they are. Nothing here blocks but `pump`, which serves all helpers at once, so that none can wait
for a reader that waits for it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import select
import signal
import struct
from collections import deque
from importlib import import_module

from lxgit.errors import LxgitError
from lxgit.fsutil import write_all
from lxgit.processes import close_all_but, die_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, NoReturn, Self

    Work = Callable[[list[Any]], list[Any]]
    """Jobs to as many answers; what it raises is raised in the parent."""

_FRAME = struct.Struct("=I")  # the bytes of the list that follows
_READ = 1 << 18


class HelperFailed(LxgitError):
    """A process that helped with the work ended before it was done."""


class Helper:
    """One such process: it starts with `with` and is gone behind it, its work done or not.

    Of this one's open files it has those of `keeps`: another's pipe must not stay open for it, nor
    a lock be held by it. `nice` is how far it stands back where there are too few cores (nice(2)).
    `prepare` is called in it at once, before there are jobs.
    """

    def __init__(
        self,
        work: Work,
        *,
        keeps: Collection[int],
        nice: int = 0,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._work = work
        self._prepare = prepare
        self._keeps = keeps
        self._nice = nice
        self._pid = 0
        self._unsent = bytearray()
        self._unread = bytearray()
        self.answers: deque[Any] = deque()

    def __enter__(self) -> Self:
        jobs, self._jobs = os.pipe()
        self._said, answers = os.pipe()
        parent, self._pid = os.getpid(), os.fork()
        if not self._pid:
            os.nice(self._nice)
            _serve(parent, self._prepare, self._work, jobs, answers, self._keeps)
        os.close(jobs)
        os.close(answers)
        os.set_blocking(self._jobs, False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            os.close(self._jobs)
            os.close(self._said)

    def give(self, jobs: list[Any]) -> None:
        """Queue jobs; `pump` brings them over."""
        data = marshal.dumps(jobs)
        self._unsent += _FRAME.pack(len(data))
        self._unsent += data

    def send(self) -> None:
        """Write as much of what is queued as the pipe takes."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._jobs, self._unsent)]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._unsent.clear()  # its last words say why

    def receive(self) -> None:
        """Take in what the process said: into `answers`, or raised; HelperFailed at its end."""
        data = os.read(self._said, _READ)
        if not data:
            raise self._ended()
        self._unread += data
        while len(self._unread) >= _FRAME.size:
            (length,) = _FRAME.unpack_from(self._unread)
            end = _FRAME.size + length
            if len(self._unread) < end:
                return
            said = marshal.loads(bytes(self._unread[_FRAME.size : end]))  # noqa: S302  # our child's
            del self._unread[:end]
            if isinstance(said, bytes):
                raise unpack_error(said)
            self.answers.extend(said)

    def _ended(self) -> HelperFailed:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        os.close(self._jobs)
        os.close(self._said)
        how = "ended"
        if os.WIFSIGNALED(status):
            how = f"was killed ({signal.Signals(os.WTERMSIG(status)).name})"
        return HelperFailed(
            f"a process that helped with this {how}",
            hint="was the machine short of memory? Nothing has been changed; try again",
        )

    def watched(self, poll: select.poll) -> int:
        """Register with `poll`; the descriptor that answers come from."""
        poll.register(self._said, select.POLLIN)
        if self._unsent:
            poll.register(self._jobs, select.POLLOUT)
        return self._said


def pump(helpers: Sequence[Helper], *, wait: bool = False) -> None:
    """Bring over jobs and answers; with `wait`, until there is an answer or room for a job."""
    poll = select.poll()
    by_fd: dict[int, Helper] = {}
    for helper in helpers:
        helper.send()
        by_fd[helper.watched(poll)] = helper
    for fd, _ in poll.poll(None if wait else 0):
        if fd in by_fd:
            by_fd[fd].receive()


def pack_error(error: BaseException) -> bytes:
    """An exception as bytes, for the parent of this process."""
    kind = type(error)
    args = error.args
    if isinstance(error, OSError):
        args = (error.errno, error.strerror, error.filename, None, error.filename2)
    try:
        data = marshal.dumps((kind.__module__, kind.__qualname__, args, vars(error)))
        unpack_error(data)
    except (AttributeError, ImportError, TypeError, ValueError):
        # What no other process can have: a class in a function, say, or a value with an open file.
        told = f"{kind.__name__}: {error}"
        return marshal.dumps((__name__, "HelperFailed", (told,), vars(HelperFailed(told))))
    return data


def unpack_error(data: bytes) -> BaseException:
    """The exception of a child of this process; one of lxgit's own as its `__init__` left it."""
    module, name, args, values = marshal.loads(data)  # noqa: S302  # written by `pack_error`
    kind = getattr(import_module(module), name)
    assert issubclass(kind, BaseException)
    error: BaseException = (
        kind.__new__(kind, *args) if issubclass(kind, LxgitError) else kind(*args)
    )
    vars(error).update(values)
    return error


def _serve(
    parent: int,
    prepare: Callable[[], None],
    work: Work,
    jobs: int,
    answers: int,
    keeps: Collection[int],
) -> NoReturn:
    """The child: until nobody has jobs any more. Leaves without anyone's clean-up."""
    try:
        close_all_but({0, 1, 2, jobs, answers, *keeps})
        die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
        prepare()
        with open(jobs, "rb", buffering=1 << 16) as file:
            while head := file.read(_FRAME.size):
                batch = marshal.loads(file.read(_FRAME.unpack(head)[0]))  # noqa: S302  # our parent's
                _say(answers, work(batch))
    except BaseException as error:  # noqa: BLE001  # it is raised in the parent
        with contextlib.suppress(OSError):
            _say(answers, pack_error(error))
    finally:
        os._exit(0)


def _say(answers: int, said: list[Any] | bytes) -> None:
    data = marshal.dumps(said)
    write_all(answers, _FRAME.pack(len(data)) + data)
