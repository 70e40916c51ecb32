"""Containers: a commit, running."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import BRANCHES
from lxgit.operations.attached import pinned_commit, row_of, unpin_commit
from lxgit.operations.lookup import find_commit, find_container, image_of
from lxgit.operations.values import ContainerRow, ContainerState, RemovedContainer
from lxgit.runtime import containers as records
from lxgit.runtime.containers import Container, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.attach import Session
    from lxgit.runtime.layers import Stack

_RESOLV_CONF = "/etc/resolv.conf"


class NoCommand(LxgitError):
    """Neither the command line nor the image says what to run."""

    exit_code = 125


class NoTerminal(LxgitError):
    """A container that was given a terminal, and a user who has none to offer."""


class AlreadyRunning(LxgitError):
    """The container runs."""


class RunRequest(NamedTuple):
    """What `run` asks for; see `lxgit run --help`. `environment` items are `NAME=VALUE`."""

    image: str | None = None
    command: tuple[str, ...] = ()
    name: str | None = None
    remove: bool = False
    interactive: bool = False
    tty: bool = False
    environment: tuple[str, ...] = ()
    working_dir: str | None = None
    user: str | None = None
    hostname: str | None = None
    network: str = "none"
    entrypoint: str | None = None
    host_ids: bool = False
    privileged: bool = False


class Streams(NamedTuple):
    """The user's descriptors; `window` is the size of their terminal in rows and columns.

    `detach_keys`, typed in a row at the terminal of a container, leave it running.
    """

    stdin: int | None
    stdout: int
    stderr: int
    window: tuple[int, int] | None = None
    detach_keys: bytes = b""


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


def run_detached(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    *,
    identity: Identity,
    progress: Progress,
) -> str:
    """Make a container and let it run by itself; its id. Errors as `run` has them."""
    container, session = _run(repository, request, streams, identity, progress, detached=True)
    session.close()
    return container.id


def _run(
    repository: Repository,
    request: RunRequest,
    streams: Streams,
    identity: Identity,
    progress: Progress,
    *,
    detached: bool = False,
) -> tuple[Container, Session]:
    _require_host(repository, host_ids=request.host_ids or request.privileged)
    if request.name is not None:
        from lxgit.operations.naming import check_container_name

        check_container_name(repository, request.name)
    with _layers_kept(repository):
        container, stack, image = _created(repository, request, identity, progress)
        after_exit = _remover(repository, container, identity) if request.remove else None
        try:
            session = _started(
                container, stack, image, streams.window, after_exit, detached=detached
            )
        except LxgitError:
            if request.remove:
                _discard(repository, container, identity)
            raise
    return container, session


def _created(
    repository: Repository, request: RunRequest, identity: Identity, progress: Progress
) -> tuple[Container, Stack, Image]:
    revision = request.image or "HEAD"
    commit = find_commit(repository, revision)
    image = image_of(repository, commit)
    branch, label = _label(repository, revision, hex_id(commit))
    stack = _materialised(repository, image, progress)
    container = records.create(
        repository.containers_dir,
        Request(
            image=label,
            command=_command(request, image.config),
            commit=hex_id(commit),
            branch=branch,
            stack=stack.ids,
            outside_range=stack.outside_range,
            name=request.name,
            hostname=request.hostname,
            environment=(*image.config.env, *request.environment),
            working_dir=request.working_dir or image.config.working_dir or "/",
            user=request.user or image.config.user,
            tty=request.tty,
            stdin_open=request.interactive,
            network=request.network,
            privileged=request.privileged,
            host_ids=request.host_ids or request.privileged,
        ),
        lambda made: pinned_commit(repository, made, hex_id(commit), identity),
    )
    return container, stack, image


def _require_host(repository: Repository, *, host_ids: bool) -> None:
    """Raise unless containers can run here; clear up after those that were killed."""
    from lxgit.runtime.probe import check_host
    from lxgit.runtime.sweep import sweep

    check_host(repository.path, host_ids=host_ids)
    sweep()


def _label(repository: Repository, revision: str, commit: str) -> tuple[str | None, str]:
    """The branch that a revision names, if it names one; the image as `ps` shows it."""
    ref = repository.revisions.ref_name(revision)
    if ref == "HEAD":
        head = repository.refs.head()
        ref = head if isinstance(head, str) else None
        revision = commit[:12]
    if ref is not None and ref.startswith(BRANCHES):
        branch = ref.removeprefix(BRANCHES)
        return branch, f"{branch}:latest"
    return None, revision


def _command(request: RunRequest, config: ImageConfig) -> tuple[str, ...]:
    """Entrypoint and arguments by Docker's rules."""
    if request.entrypoint is not None:
        command = (*([request.entrypoint] if request.entrypoint else []), *request.command)
    else:
        command = (*config.entrypoint, *(request.command or config.cmd))
    if not command:
        raise NoCommand(
            "the image says no command, and none was given", hint="lxgit run IMAGE COMMAND"
        )
    return command


def _layers_kept(repository: Repository) -> AbstractContextManager[int]:
    """Keep `prune` away until the layers are mounted."""
    return repository.lock("layers", shared=True, what="the cache of layers")


def _materialised(repository: Repository, image: Image, progress: Progress) -> Stack:
    from lxgit.runtime.materialise import Materialiser

    stack = Materialiser(repository, progress).stack(image)
    progress.phase("")  # the terminal is the container's from now on
    return stack


def _started(
    container: Container,
    stack: Stack,
    image: Image,
    window: tuple[int, int] | None,
    after_exit: Callable[[], None] | None = None,
    *,
    detached: bool = False,
) -> Session:
    from lxgit.runtime import probe
    from lxgit.runtime.starting import start_container

    return start_container(
        container,
        stack.lowers,
        image.root().metadata,
        apparmor=None if container.config.privileged else probe.apparmor_profile(),
        resolv_conf=_resolv_conf() if container.config.network == "host" else b"",
        window=window if container.config.tty else None,
        detached=detached,
        after_exit=after_exit,
    )


def _resolv_conf() -> bytes:
    try:
        with open(_RESOLV_CONF, "rb") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return b""


def _attached(
    session: Session, container: Container, streams: Streams, *, with_input: bool
) -> int | None:
    from lxgit.runtime import attach

    stdin = streams.stdin if with_input else None
    out, err, tty = streams.stdout, streams.stderr, container.config.tty
    try:
        return session.attach(attach.Streams(stdin, out, err, tty, streams.detach_keys))
    finally:
        session.close()


def _remover(
    repository: Repository, container: Container, identity: Identity
) -> Callable[[], None]:
    """What the supervisor does at the end of a container that was run with --rm."""

    def remove() -> None:
        records.erase(container)
        unpin_commit(repository, container.id, identity)

    return remove


def _discard(repository: Repository, container: Container, identity: Identity) -> None:
    """Remove a container that could not be started."""
    if container.path.exists():
        records.remove(container)
    unpin_commit(repository, container.id, identity)


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


def _start(
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
    _require_host(repository, host_ids=container.config.idmap is None)
    if container.config.base not in (None, container.mounted):
        container = container.configured(replace(container.config, base=None))
    image = image_of(repository, from_hex(container.mounted))
    with _layers_kept(repository):
        stack = _materialised(repository, image, progress)
        if stack.ids != container.config.stack:
            container = container.configured(replace(container.config, stack=stack.ids))
        return _started(container, stack, image, window, detached=detached)


def list_containers(repository: Repository, *, everything: bool = False) -> list[ContainerRow]:
    """The running containers, or with `everything` the stopped too; the newest first."""
    found = records.all_containers(repository.containers_dir)
    return [row_of(one) for one in found if everything or one.is_running]


def remove_containers(
    repository: Repository, names: Sequence[str], *, force: bool, identity: Identity
) -> list[RemovedContainer]:
    """Delete containers with what they have not committed; nothing when one may not go.

    A running one is refused, or with `force` killed; so is one that is damaged, or with `force`
    deleted as it is.
    """
    found, damaged = [], []
    for name in names:
        try:
            found.append(find_container(repository, name))
        except records.BrokenContainer as error:
            if not force:
                raise
            damaged.append(error.id)
    for container in found:
        if container.is_running and not force:
            raise AlreadyRunning(
                f"container '{container.config.name}' is running", hint="-f kills it first"
            )
    removed = [_remove(repository, container, identity) for container in found]
    return removed + [_remove_damaged(repository, one, identity) for one in damaged]


def _remove_damaged(repository: Repository, container: str, identity: Identity) -> RemovedContainer:
    records.erase_broken(repository.containers_dir, container)
    unpin_commit(repository, container, identity)
    unknown = ContainerRow(
        id=container,
        name=container[:12],
        image="",
        branch=None,
        commit="",
        command=(),
        created=0,
        state=ContainerState.EXITED,
        started=None,
        finished=None,
        exit_code=None,
    )
    return RemovedContainer(unknown, 0)


def _remove(repository: Repository, container: Container, identity: Identity) -> RemovedContainer:
    if container.is_running:
        _kill(container)
    with container.lock():
        removed = RemovedContainer(row_of(container), _uncommitted(repository, container))
        records.erase(container)
    unpin_commit(repository, container.id, identity)
    return removed


def _kill(container: Container) -> None:
    import signal

    from lxgit.runtime.attach import NotRunning, connect

    try:
        session = connect(container.id)
    except NotRunning:
        return
    try:
        session.send_signal(signal.SIGKILL)
        session.wait()
    finally:
        session.close()


def _uncommitted(repository: Repository, container: Container) -> int:
    """How many listed paths go with the container; 0 where they cannot be read."""
    from lxgit.operations.worktree import open_work_tree

    if not container.upper.exists() and container.config.base is None:
        return 0
    try:
        with open_work_tree(repository, container) as tree:
            return len(tree.compare().changes)
    except (LxgitError, OSError):
        return 0
