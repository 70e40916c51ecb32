"""What runs: signals, the end, the output, and going to it."""

from __future__ import annotations

import contextlib
import re
import signal
import time

from lxgit.errors import LxgitError
from lxgit.lean import pattern
from lxgit.operations.lookup import find_container
from lxgit.runtime.attach import NotRunning, SupervisorLost, connect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxgit.operations.values import Streams
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.attach import Session
    from lxgit.runtime.containers import Container

_PATIENCE = 10  # seconds, as Docker's
_MOMENT = 0.005  # seconds, for a supervisor to begin or to end


_REAL_TIME = pattern(r"(?:SIG)?RT(?P<base>MIN|MAX)(?P<offset>[+-][0-9]{1,2})?", re.ASCII)


class UnknownSignal(LxgitError):
    """Neither the name nor the number of a signal."""


def signal_number(text: str) -> int:
    """`KILL`, `SIGKILL`, `kill` and `9` are 9. UnknownSignal."""
    name = text.upper()
    if name.isdecimal() and 1 <= int(name) <= signal.SIGRTMAX:
        return int(name)
    if match := _REAL_TIME.fullmatch(name):
        base = signal.SIGRTMIN if match["base"] == "MIN" else signal.SIGRTMAX
        number = base + int(match["offset"] or 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UnknownSignal(f"there is no signal '{text}'", hint="as in `kill -l`") from None


def kill(repository: Repository, names: Sequence[str], number: int) -> None:
    """Send running containers a signal; with SIGKILL, until they have ended.

    A paused one hears it when it goes on: at once for SIGKILL, and for its stop signal. NotRunning
    or NoSuchContainer when one of them is none, before any signal is sent.
    """
    found = [find_container(repository, name) for name in names]
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(_session(container)) for container in found]
        _end_for_good(
            session
            for container, session in zip(found, sessions, strict=True)
            if number in (signal.SIGKILL, _stop_signal(container))
        )
        _signal_all((session, number) for session in sessions)
        for container in found:
            container.tell("kill", signal=str(number))
        for container, session in zip(found, sessions, strict=True):
            if container.state.paused and number == _stop_signal(container):
                session.pause(paused=False)
        for session in sessions if number == signal.SIGKILL else ():
            _wait_for_end(session, None)
    if number == signal.SIGKILL:
        for container in found:  # a policy may start it again that ended just before by itself
            end(container)


def stop(
    repository: Repository,
    names: Sequence[str],
    patience: float | None,
    *,
    signal_name: str | None = None,
    by_user: bool = True,
    stays: bool = False,
) -> None:
    """Ask containers to end by a signal, their stop signal by default; then kill them.

    `patience` is in seconds; None is each one's own, 10 by default. One that does not run is none
    the worse. NoSuchContainer and UnknownSignal come before any signal is sent. Those that were not
    stopped by a user are started again by the next boot, if that is their policy. One that is to go
    when it has ended `stays` all the same.
    """
    number = None if signal_name is None else signal_number(signal_name)
    found = [find_container(repository, name) for name in names]
    with contextlib.ExitStack() as stack:
        asked, patiences, stopped = [], [], []
        for container in found:
            with contextlib.suppress(NotRunning):
                session = stack.enter_context(_session(container))
                asked.append((session, number or _asks_to_end(container)))
                own = container.config.stop_timeout
                patiences.append(_PATIENCE if own is None else own)
                stopped.append(container)
        _end_for_good([session for session, _ in asked], by_user=by_user, stays=stays)
        _signal_all(asked)
        for session, _ in asked:
            with contextlib.suppress(SupervisorLost):
                session.pause(paused=False)
        begin = time.monotonic()
        late = [
            session
            for (session, _), own in zip(asked, patiences, strict=True)
            if not _wait_for_end(session, begin + (own if patience is None else patience))
        ]
        _signal_all((session, signal.SIGKILL) for session in late)
        for session in late:
            _wait_for_end(session, None)
        for container in stopped:
            container.tell("stop")
    # Nobody listens to what is about to start, by its restart policy, nor just after its end.
    if begun := [one.id for one in found if one.is_running]:
        time.sleep(_MOMENT)
        stop(repository, begun, patience, signal_name=signal_name, by_user=by_user, stays=stays)


def end(container: Container, *, stays: bool = False) -> None:
    """Kill a container, until it has ended for good; with `stays` see `stop`."""
    while container.is_running:
        with contextlib.suppress(NotRunning), _session(container) as session:
            _end_for_good([session], stays=stays)
            _signal_all([(session, signal.SIGKILL)])
            _wait_for_end(session, None)
        time.sleep(_MOMENT)


def _session(container: Container) -> Session:
    try:
        return connect(container.path)
    except NotRunning:
        raise NotRunning(
            f"container '{container.config.name}' is not running",
            hint="'lxgit ps -a' shows how it ended",
        ) from None


def _end_for_good(
    sessions: Iterable[Session], *, by_user: bool = True, stays: bool = False
) -> None:
    """Have no restart policy start again what is about to end."""
    for session in sessions:
        with contextlib.suppress(SupervisorLost):
            session.end_for_good(by_user=by_user, stays=stays)


def _signal_all(to_send: Iterable[tuple[Session, int | None]]) -> None:
    for session, number in to_send:
        with contextlib.suppress(SupervisorLost):  # it has just ended
            if number is not None:
                session.send_signal(number)


def _halted(container: Container) -> bool:
    """Whether a command in it has been told to end it, where that is its way."""
    if not container.config.halt:
        return False
    from lxgit.runtime.wanted import WantedCommand

    halt = WantedCommand(container.config.halt, user="0", detached=True)
    try:
        with connect(container.path) as session:
            session.execute(halt)
    except LxgitError:  # it lost the command: the signal remains
        return False
    return True


def _asks_to_end(container: Container) -> int | None:
    """Its stop signal; None for one that has been asked already, by a command in it."""
    return None if _halted(container) else _stop_signal(container)


def _stop_signal(container: Container) -> int:
    name = container.config.stop_signal
    return signal_number(name) if name else signal.SIGTERM


def _wait_for_end(session: Session, deadline: float | None) -> bool:
    """Whether the container has ended by the `deadline` (time.monotonic)."""
    try:
        session.wait(deadline)
    except TimeoutError:
        return False
    except LxgitError:  # its supervisor has gone, and it with that
        return True
    return True


def wait(repository: Repository, names: Sequence[str]) -> Iterator[int]:
    """The exit code of each container, when it has ended; NoSuchContainer before any wait."""
    for container in [find_container(repository, name) for name in names]:
        yield _exit_code(container)


def _exit_code(container: Container) -> int:
    while container.is_running:
        with contextlib.suppress(NotRunning, SupervisorLost), connect(container.path) as session:
            return session.wait()
        time.sleep(_MOMENT)  # nobody listens just before it starts, nor just after its end
    return container.state.exit_code or 0


def rename(repository: Repository, name: str, new: str) -> None:
    """Give a container another name. NameTaken, InvalidContainerName, NoSuchContainer."""
    from lxgit.operations.naming import check_container_name
    from lxgit.runtime.containers import rename as rename_record

    container = find_container(repository, name)
    check_container_name(repository, new)
    renamed = rename_record(container, new)
    renamed.tell("rename", oldName=container.config.name)
    if container.is_running and container.config.attachments:
        from lxgit.runtime.network import joining

        joining.rename(container.id, container.config.name, new)


def restart(
    repository: Repository,
    names: Sequence[str],
    patience: float | None,
    signal_name: str | None,
    progress: Progress,
) -> None:
    """Stop containers as `stop` does, and start them again, detached."""
    from lxgit.operations.launching import start_detached

    stop(repository, names, patience, signal_name=signal_name, stays=True)
    for name in names:
        start_detached(repository, name, progress=progress)
        find_container(repository, name).tell("restart")


def attach(repository: Repository, name: str, streams: Streams) -> int | None:
    """Connect to a running container until it ends: its exit code; None after the detach keys.

    Without `streams.stdin` output alone. NotRunning, NoSuchContainer, IsPaused.
    """
    from lxgit.operations.pausing import require_unpaused
    from lxgit.runtime import streams as client

    container = find_container(repository, name)
    require_unpaused(container)
    with _session(container) as session:
        session.wait_started()
        out, err, tty = streams.stdout, streams.stderr, container.config.tty
        stdin, keys, keeps = streams.stdin, streams.detach_keys, streams.keeps_signals
        return session.attach(client.Streams(stdin, out, err, tty, keys, keeps))
