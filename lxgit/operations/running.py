"""What runs: signals, the end, the output, and going to it."""

from __future__ import annotations

import contextlib
import signal
import time

from lxgit.errors import LxgitError
from lxgit.locks import Waiting
from lxgit.operations.finding import not_running
from lxgit.operations.lookup import find_container
from lxgit.operations.signals import signal_number
from lxgit.runtime import containers as records
from lxgit.runtime.attach import NotRunning, SupervisorLost, connect
from lxgit.runtime.index import NoSuchContainer, is_locked
from lxgit.runtime.network.freeing import see_ports_free
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.operations.values import Streams
    from lxgit.repository import Repository
    from lxgit.runtime.attach import Session
    from lxgit.runtime.containers import Container

_PATIENCE = 10  # seconds, as Docker's
_LAST_MOMENTS = 0.5  # seconds, for a command whose output nobody takes
_MOMENT = 0.005  # seconds, for a supervisor to begin or to end


class EndUnknown(LxgitError):
    """A container has ended, and what its command ended with is not known."""


def kill(repository: Repository, name: str, number: int) -> None:
    """Send a running container a signal; with SIGKILL, until it has ended.

    A paused one hears it when it goes on: at once for SIGKILL, and for its stop signal.
    NoSuchContainer, NotRunning.
    """
    container = find_container(repository, name)
    with _session(container) as session:
        asks_to_end = number == _stop_signal(container)
        if number == signal.SIGKILL or asks_to_end:
            _end_for_good(session)
        _send(session, number)
        container.tell("kill", signal=str(number))
        if asks_to_end and container.state.paused:
            session.pause(paused=False)
        if number == signal.SIGKILL:
            _wait_for_end(session, None)
    if number == signal.SIGKILL:
        end(container)  # a policy may start it again that ended just before by itself
        see_ports_free(container)


class Stop(NamedTuple):
    """How containers are to end."""

    patience: float | None = None  # seconds until they are killed, below 0 never; None: its own
    signal: int | None = None  # None: each one's own
    by_user: bool = True  # else the next boot starts it again, if that is its policy
    stays: bool = False  # also if it is to go when it has ended


_AT_ONCE = Stop(patience=0)


class Stopping(NamedTuple):
    """A container that has been asked to end."""

    container: Container
    how: Stop
    session: Session | None  # of one that ran
    deadline: float | None  # time.monotonic; None for none


def stop(repository: Repository, name: str, how: Stop) -> None:
    """Ask a container to end by a signal; then kill it. One that does not run is none the worse.

    NoSuchContainer.
    """
    finish_stop(begin_stop(repository, name, how))


def begin_stop(repository: Repository, name: str, how: Stop) -> Stopping:
    """The first half of `stop`: for several, which then end at the same time."""
    return _asked(find_container(repository, name), how)


def _asked(container: Container, how: Stop) -> Stopping:
    try:
        session = _session(container)
    except NotRunning:
        return Stopping(container, how, None, 0)
    _end_for_good(session, by_user=how.by_user, stays=how.stays)
    _send(session, how.signal or _asks_to_end(container))
    with contextlib.suppress(SupervisorLost):
        session.pause(paused=False)
    return Stopping(container, how, session, _deadline(_patience(container, how)))


def _patience(container: Container, how: Stop) -> float:
    """Seconds; when the machine goes down, no container's own wish holds that up without end."""
    own = container.config.stop_timeout
    if how.patience is not None:
        return how.patience
    return _PATIENCE if own is None or (own < 0 and not how.by_user) else own


def _deadline(patience: float) -> float | None:
    """When so many seconds have passed (time.monotonic); None for less than none, as in Docker."""
    return time.monotonic() + patience if patience >= 0 else None


def finish_stop(stopping: Stopping) -> None:
    """The second half of `stop`: wait until it has ended, however."""
    _see_ended(stopping)
    # Nobody listens to what is about to start, by its restart policy, nor just after its end.
    while stopping.container.is_running:
        time.sleep(_MOMENT)
        _see_ended(_asked(stopping.container, stopping.how))
    see_ports_free(stopping.container)


def _see_ended(stopping: Stopping) -> None:
    if stopping.session is None:
        return
    with stopping.session as session:
        _end_by(session, stopping.deadline)
    stopping.container.tell("stop")


def end(container: Container, *, stays: bool = False) -> None:
    """Kill a container, until it has ended for good; with `stays` see `Stop`."""
    while container.is_running:
        with contextlib.suppress(NotRunning), _session(container) as session:
            _end_for_good(session, stays=stays)
            _kill(session)
        time.sleep(_MOMENT)


class StoppingDamaged(NamedTuple):
    """As `Stopping`, of one whose record cannot be read, by its directory."""

    path: Path
    how: Stop
    session: Session | None  # of one that a supervisor listens for
    deadline: float | None  # time.monotonic; None for none
    waiting: Waiting  # for whoever else has its lock


def end_damaged(path: Path) -> None:
    """`end` for a container whose record cannot be read. LockHeld, as of `finish_damaged`."""
    finish_damaged(begin_damaged(path, _AT_ONCE))


def begin_damaged(path: Path, how: Stop) -> StoppingDamaged:
    """`begin_stop` for a container whose record cannot be read: it is asked by SIGTERM."""
    return StoppingDamaged(path, how, *_asked_damaged(path, how), _waiting_for(path))


def _asked_damaged(path: Path, how: Stop) -> tuple[Session | None, float | None]:
    try:
        session = connect(path)
    except NotRunning:
        return None, 0
    _end_for_good(session, by_user=how.by_user)
    patience = _PATIENCE if how.patience is None else how.patience
    if patience:
        _send(session, signal.SIGTERM)
        with contextlib.suppress(SupervisorLost):
            session.pause(paused=False)
    return session, _deadline(patience)


def finish_damaged(stopping: StoppingDamaged) -> None:
    """Wait until it has ended, however. Who else has its lock is not waited for without end.

    LockHeld.
    """
    path, how, session, deadline, waiting = stopping
    while session is not None or is_locked(path):
        if session is not None:
            with session:
                _end_by(session, deadline)
            waiting = _waiting_for(path)
        if not waiting.goes_on():
            raise waiting.fault()
        session, deadline = _asked_damaged(path, how)


def _waiting_for(path: Path) -> Waiting:
    return Waiting(records.LAST_STEPS, (path / "lock", f"container {path.name[:12]}"))


def _end_by(session: Session, deadline: float | None) -> None:
    """Wait for the end of what has been asked to end, and kill it at the `deadline`, if any."""
    if not _wait_for_end(session, deadline):
        _kill(session)


def _kill(session: Session) -> None:
    _send(session, signal.SIGKILL)
    _wait_for_end(session, None)


def _session(container: Container) -> Session:
    try:
        return connect(container.path)
    except NotRunning:
        raise not_running(container.config.name) from None


def _end_for_good(session: Session, *, by_user: bool = True, stays: bool = False) -> None:
    """Have no restart policy start again what is about to end."""
    with contextlib.suppress(SupervisorLost):
        session.end_for_good(by_user=by_user, stays=stays)


def _send(session: Session, number: int | None) -> None:
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


def wait(repository: Repository, name: str) -> int:
    """The exit code of a container, when it has ended. NoSuchContainer, EndUnknown."""
    container = find_container(repository, name)
    code = _told_at_the_end(container)
    see_ports_free(container)
    return _recorded_code(container) if code is None else code


def _told_at_the_end(container: Container) -> int | None:
    """The exit code of one that runs, when it has ended; None of one that nobody tells it of."""
    while container.is_running:
        with contextlib.suppress(NotRunning, SupervisorLost), connect(container.path) as session:
            return session.wait()
        time.sleep(_MOMENT)  # nobody listens just before it starts, nor just after its end
    return None


def _recorded_code(container: Container) -> int:
    state = container.state
    if state.exit_code is None and not container.path.exists():
        raise NoSuchContainer(
            f"container '{container.config.name}' has just ended, and was deleted",
            hint="without --rm it would have stayed",
        )
    if state.exit_code is None and state.error is not None:
        raise EndUnknown(
            f"container '{container.config.name}': {state.error}",
            hint=f"'lxgit logs {container.config.name}' has what it wrote",
        )
    return state.exit_code or 0


def rename(repository: Repository, name: str, new: str) -> None:
    """Give a container another name. NameTaken, InvalidContainerName, NoSuchContainer."""
    from lxgit.operations.naming import check_container_name
    from lxgit.runtime.registering import rename as rename_record

    container = find_container(repository, name)
    renamed = rename_record(container, new, lambda wanted: check_container_name(repository, wanted))
    renamed.tell("rename", oldName=container.config.name)
    if container.is_running and container.config.attachments:
        from lxgit.runtime.network import joining

        joining.rename(container.id, container.config.name, new)


def attach(repository: Repository, name: str, streams: Streams) -> int | None:
    """Connect to a running container until it ends: its exit code; None after the detach keys.

    Without `streams.stdin` output alone. NotRunning, NoSuchContainer, IsPaused.
    """
    from lxgit.operations.pausing import require_unpaused
    from lxgit.runtime import streams as client
    from lxgit.runtime.attachment import OutputLost

    container = find_container(repository, name)
    require_unpaused(container)
    with _session(container) as session:
        session.wait_started()
        out, err, tty = streams.stdout, streams.stderr, container.config.tty
        stdin, keys, keeps = streams.stdin, streams.detach_keys, streams.keeps_signals
        try:
            code = session.attach(client.Streams(stdin, out, err, tty, keys, keeps))
        except OutputLost as error:
            tell_that_it_runs(error, container)
            raise
    if code is not None:
        see_ports_free(container)
    return code


def tell_that_it_runs(error: LxgitError, container: Container) -> None:
    """Have a fault of ours, for which we leave a container alone, say how that is ended.

    One that is about to end by itself has a moment for it.
    """
    deadline = time.monotonic() + _LAST_MOMENTS
    while container.is_running:
        if time.monotonic() > deadline:
            name = container.config.name
            error.hint = f"container '{name}' runs on; 'lxgit stop {name}' ends it"
            return
        time.sleep(_MOMENT)
