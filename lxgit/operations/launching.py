"""Containers are started: `run` and `start`, whose caller stays, or leaves them running."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from lxgit.errors import LxgitError
from lxgit.locks import LockHeld
from lxgit.objects.ids import from_hex
from lxgit.operations.creating import make, materialised, plan, require_host
from lxgit.operations.discarding import discard, remover
from lxgit.operations.lookup import AlreadyRunning, find_container, image_of
from lxgit.operations.ordinary import become_root
from lxgit.operations.pins import settle
from lxgit.records import replace
from lxgit.runtime import containers as records
from lxgit.runtime import interrupts
from lxgit.runtime.containers import LostUpper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.image import Image
    from lxgit.operations.creating import RunRequest
    from lxgit.operations.running import Stop
    from lxgit.operations.values import Identity, Streams
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.attach import Session
    from lxgit.runtime.containers import Container
    from lxgit.runtime.layers import Stack


class NoTerminal(LxgitError):
    """A container that was given a terminal, and a user who has none to offer."""


def run(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    *,
    identity: Identity,
    progress: Progress,
) -> int | None:
    """Make a container of an image, HEAD's by default, run it, and return its exit code.

    None when the user typed the keys to detach. Errors before the command runs have Docker's exit
    codes: 125, or 126 and 127 for the command.
    """
    container, session = _run(repository, request, streams, identity, progress)
    return _attached(session, container, streams, with_input=request.interactive)


@contextmanager
def run_detached(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    *,
    identity: Identity,
    progress: Progress,
) -> Iterator[str]:
    """Make a container and let it run by itself; its id. Errors as `run` has them.

    Ctrl-C is not heard within the context: it comes too late, and the user shall be told the id.
    """
    container, session = _run(repository, request, streams, identity, progress, detached=True)
    with session:
        yield container.id
        interrupts.forget()


@contextmanager
def ran(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    *,
    identity: Identity,
    progress: Progress,
) -> Iterator[tuple[Container, int]]:
    """A container of the caller's own, which `request.owner` names, and its command's exit code.

    Its command has ended by then, and it goes with the context. Errors as `run` has them.
    """
    container, session = _run(repository, request, streams, identity, progress)
    try:
        code = _attached(session, container, streams, with_input=False)
        assert code is not None  # nobody can detach
        yield container, code
    finally:
        session.close()
        if container.is_running:
            from lxgit.operations.running import end

            end(container)
        discard(repository, container)


@contextmanager
def created(
    repository: Repository, request: RunRequest, *, identity: Identity, progress: Progress
) -> Iterator[str]:
    """Make a container, and do not start it; its id. Errors as `run` has them.

    Ctrl-C is not heard within the context: it comes too late, and the user shall be told the id.
    """
    become_root()
    with repository.layers_lock(shared=True):
        container = make(repository, plan(repository, request, progress), identity)
    try:
        settle(repository, container, identity.committer)
        yield container.id
        interrupts.forget()
    except BaseException:
        discard(repository, container, request.cidfile)
        raise
    finally:
        interrupts.let_through()


def _run(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    identity: Identity,
    progress: Progress,
    *,
    detached: bool = False,
) -> tuple[Container, Session]:
    require_host(repository, host_ids=request.host_ids or request.privileged)
    with repository.layers_lock(shared=True):
        planned = plan(repository, request, progress)
        container = None
        try:
            container = make(repository, planned, identity)
            interrupts.let_through()
            _warn_of_firewalls(container, progress)
            session = _started(
                repository,
                container,
                planned.stack,
                planned.image,
                streams.window,
                progress,
                detached=detached,
            )
        except BaseException:
            if container is not None and container.config.passes:
                with suppress(LockHeld):  # by its supervisor, which deletes it
                    discard(repository, container, request.cidfile)
            raise
    if not container.config.passes:
        settle(repository, container, identity.committer)  # while its command runs
    return container, session


def _warn_of_firewalls(container: Container, progress: Progress) -> None:
    if container.config.attachments:
        from lxgit.operations.closedchains import warn_of_closed_chains

        warn_of_closed_chains(progress)


def _warn_of_strangers(container: Container, progress: Progress) -> None:
    from lxgit.runtime.idranges import strangers

    if owners := strangers(container.config.idmap):
        name = container.config.name
        progress.warn(
            f"{' and '.join(owners)} may have ids of the host (subuid(5)) that '{name}' has, and"
            " reach what runs in it: a container of a commit of it gets others"
        )


def _started(
    repository: Repository,
    container: Container,
    stack: Stack,
    image: Image,
    window: tuple[int, int] | None,
    progress: Progress,
    *,
    detached: bool = False,
    record_is_locked: bool = False,
) -> Session:
    from lxgit.runtime import probe
    from lxgit.runtime.protocol import StartFailed
    from lxgit.runtime.security import UNCONFINED
    from lxgit.runtime.setup import Task
    from lxgit.runtime.starting import start_container

    security = container.config.security
    free = container.config.privileged or security.apparmor == UNCONFINED
    task = Task(
        container,
        tuple(stack.lowers),
        apparmor=None if free else probe.apparmor_profile(security.apparmor),
        window=window if container.config.tty else None,
        detached=detached,
        after_exit=remover(repository, container),
        record_is_locked=record_is_locked,
    )
    try:
        return start_container(task, image.root().metadata, progress.warn)
    except StartFailed:
        _see_ports_free(container)
        raise


def _attached(
    session: Session, container: Container, streams: Streams, *, with_input: bool
) -> int | None:
    from lxgit.runtime import streams as client
    from lxgit.runtime.attachment import OutputLost

    stdin = streams.stdin if with_input else None
    out, err, tty = streams.stdout, streams.stderr, container.config.tty
    keeps = streams.keeps_signals or bool(container.config.owner)
    try:
        with session:
            code = session.attach(client.Streams(stdin, out, err, tty, streams.detach_keys, keeps))
    except OutputLost as error:
        if not container.config.owner:  # else it goes with the command that wanted it
            from lxgit.operations.running import tell_that_it_runs

            tell_that_it_runs(error, container)
        raise
    if code is not None:
        _see_ports_free(container)
    return code


def _see_ports_free(container: Container) -> None:
    if container.config.publishes:
        from lxgit.runtime.network.freeing import see_ports_free  # few containers have any

        see_ports_free(container)


def start(
    repository: Repository, name: str, streams: Streams, *, interactive: bool, progress: Progress
) -> int | None:
    """Go back into a stopped container until it ends: its exit code; None after the detach keys.

    AlreadyRunning when it runs; NoSuchContainer; NoTerminal, since a terminal has no end of input
    as a pipe has.
    """
    container = find_container(repository, name)
    at_terminal = streams.stdin is not None and os.isatty(streams.stdin)
    if interactive and container.config.tty and not at_terminal:
        raise NoTerminal(
            f"container '{container.config.name}' has a terminal, and standard input is none",
            hint=f"'lxgit start -a {name}' shows its output alone",
        )
    session = _start(repository, container, streams.window, progress, detached=False)
    return _attached(session, container, streams, with_input=interactive)


def start_detached(repository: Repository, name: str, *, progress: Progress) -> None:
    """Run a stopped container's command again, by itself. AlreadyRunning, NoSuchContainer."""
    container = find_container(repository, name)
    _start(repository, container, None, progress, detached=True).close()


def restart(repository: Repository, name: str, how: Stop, progress: Progress) -> None:
    """Stop a container as `stop` does, and start it again, detached."""
    from lxgit.operations.running import stop

    stop(repository, name, how._replace(stays=True))
    start_detached(repository, name, progress=progress)
    find_container(repository, name).tell("restart")


def _start(
    repository: Repository,
    container: Container,
    window: tuple[int, int] | None,
    progress: Progress,
    *,
    detached: bool,
) -> Session:
    with records.edited(container) as now:
        return _start_now(repository, now, window, progress, detached=detached)


def stacked(
    repository: Repository, container: Container, progress: Progress
) -> tuple[Container, Stack, Image]:
    """What a container that is to be mounted lies on, and it with a record that says so.

    The caller keeps the layers, and is the only one to change the record. LostUpper, before that
    tells nobody any more what it would lie over, should a backup have it.
    """
    if container.has_lost_upper:
        raise LostUpper(container)
    if container.config.base not in (None, container.mounted):
        container = container.configured(replace(container.config, base=None))
    image = image_of(repository, from_hex(container.mounted))
    stack = materialised(repository, from_hex(container.mounted), image, progress)
    if stack.ids != container.config.stack:
        container = container.configured(replace(container.config, stack=stack.ids))
    return container, stack, image


def _start_now(
    repository: Repository,
    container: Container,
    window: tuple[int, int] | None,
    progress: Progress,
    *,
    detached: bool,
) -> Session:
    if container.is_running:
        raise AlreadyRunning(
            f"container '{container.config.name}' is running", hint="'lxgit ps' lists what runs"
        )
    require_host(repository, host_ids=container.config.idmap is None)
    with repository.layers_lock(shared=True):
        container, stack, image = stacked(repository, container, progress)
        _warn_of_firewalls(container, progress)
        _warn_of_strangers(container, progress)
        return _started(
            repository,
            container,
            stack,
            image,
            window,
            progress,
            detached=detached,
            record_is_locked=True,
        )
