"""A container is made: what was asked for, and what its image says."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES
from lxgit.operations.healthwishes import WantedHealth
from lxgit.operations.limiting import WantedLimits, WantedSecurity, checked_score
from lxgit.operations.lookup import find_commit, image_of, read_commit
from lxgit.operations.naming import check_container_name
from lxgit.operations.ordinary import check
from lxgit.operations.pins import pinned_commit
from lxgit.operations.values import Program
from lxgit.operations.wantednetwork import WantedNetwork
from lxgit.runtime import interrupts, rootless
from lxgit.runtime.config import Request
from lxgit.runtime.creating import create
from lxgit.runtime.idranges import ids_beyond
from lxgit.runtime.limits import DEFAULT_LOG, DEFAULT_SHM
from lxgit.runtime.restarts import RestartPolicy
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.image import Image
    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.operations.values import Identity
    from lxgit.operations.volumes import Mount, StorageRequest
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.layers import FileSystem, Stack


_LONGEST_WORD = 1 << 17  # bytes, with the NUL behind it


class NoCommand(LxgitError):
    """Neither the command line nor the image says what to run."""

    exit_code = 125


class CidfileExists(LxgitError):
    """A file for a container's id that is there already: nobody else's id is overwritten."""


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
    groups: tuple[str, ...] = ()
    hostname: str | None = None
    networking: WantedNetwork = WantedNetwork()
    entrypoint: str | None = None
    host_ids: bool = False
    privileged: bool = False
    storage: StorageRequest | None = None
    shm_size: int = DEFAULT_SHM  # bytes
    limits: WantedLimits = WantedLimits()
    oom_score: int = 0
    security: WantedSecurity = WantedSecurity()
    init: bool = False
    system: bool = False
    restart: str = "no"
    health: WantedHealth = WantedHealth()
    stop_signal: str | None = None
    stop_timeout: int | None = None  # seconds
    labels: tuple[tuple[str, str], ...] = ()  # names and values
    cidfile: str | None = None
    log_size: int | None = DEFAULT_LOG  # bytes
    owner: str = ""  # whom it ends with (runtime/lifetime.py); the image's volumes are left out


class Plan(NamedTuple):
    """A container that only has to be made."""

    request: RunRequest
    record: Request
    stack: Stack
    image: Image


class _Found(NamedTuple):
    """What a container begins with; `label` is the image as `ps` shows it."""

    commit: str
    branch: str | None
    label: str
    image: Image
    stack: Stack


def plan(repository: Repository, request: RunRequest, progress: Progress) -> Plan:
    """Look up all that a container needs, and make its layers, which the caller keeps."""
    if rootless.is_active():
        check(request)
    if request.name is not None:
        check_container_name(repository, request.name)
    found = _found(repository, request.image, progress)
    return Plan(request, _record(repository, request, found), found.stack, found.image)


def _found(repository: Repository, name: str | None, progress: Progress) -> _Found:
    revision = "HEAD" if name is None else name
    commit = find_commit(repository, revision)
    image = image_of(repository, commit)
    branch, label = image_label(repository, revision, hex_id(commit))
    stack = materialised(repository, commit, image, progress)
    return _Found(hex_id(commit), branch, label, image, stack)


def _record(repository: Repository, request: RunRequest, found: _Found) -> Request:
    """The container's record: what was asked for, and else what the image says.

    Raises what those say who check a part of it.
    """
    image = found.image
    mounts = _mounts(repository, request, () if request.owner else image.config.volumes)
    how = _program(request, image)
    environment = (*image.config.env, *request.environment)
    _check_lengths((*how.command, *environment))
    network = request.networking.checked(image.config, repository)
    user = request.user or image.config.user
    return Request(
        image=found.label,
        command=how.command,
        commit=found.commit,
        branch=found.branch,
        stack=found.stack.ids,
        outside_range=(*found.stack.outside_range, *ids_beyond(user, request.groups)),
        name=request.name,
        hostname=request.hostname,
        environment=environment,
        working_dir=request.working_dir or image.config.working_dir or "/",
        user=user,
        tty=request.tty or request.system,
        stdin_open=request.interactive,
        **network,
        privileged=request.privileged,
        read_only=request.storage is not None and request.storage.read_only,
        mounts=mounts,
        host_ids=request.host_ids or request.privileged,
        groups=request.groups,
        shm_size=request.shm_size,
        limits=request.limits.applied(),
        oom_score=checked_score(request.oom_score),
        security=request.security.checked(network["network"]),
        init=request.init,
        system=request.system,
        halt=() if request.stop_signal else how.halt,
        stop_signal=_stop_signal(request.stop_signal or how.stop_signal),
        stop_timeout=request.stop_timeout,
        restart=_policy(request),
        health=request.health.applied(image.config),
        labels=_labels(image.config, request),
        log_size=request.log_size,
        remove=request.remove,
        owner=request.owner,
    )


def make(repository: Repository, wanted: Plan, identity: Identity) -> Container:
    """Make a container, with all that it needs beside its directory, or nothing of it.

    Ctrl-C is held back (interrupts.py) from before it shows: the caller lets it through when it
    can undo this.
    """
    try:
        return create(
            repository.containers_dir,
            wanted.record,
            lambda container: _kept(repository, container, wanted, identity),
            lambda name: check_container_name(repository, name),
        )
    except BaseException:
        interrupts.let_through()
        raise


def _mounts(
    repository: Repository, request: RunRequest, image_volumes: tuple[str, ...]
) -> tuple[Mount, ...]:
    if request.storage is None and not image_volumes and not request.system:
        return ()
    from lxgit.operations.volumes import StorageRequest, planned

    wanted = request.storage or StorageRequest()
    if request.system:
        from lxgit.operations.systems import with_memory

        wanted = wanted._replace(mounts=with_memory(wanted.mounts))
    return planned(repository, wanted, image_volumes)


@contextmanager
def _kept(
    repository: Repository, container: str, wanted: Plan, identity: Identity
) -> Iterator[None]:
    """What a container needs beside its directory is there while that is made."""
    with ExitStack() as kept:
        if wanted.record.mounts:
            from lxgit.operations.volumes import existing

            kept.enter_context(existing(repository, wanted.record.mounts))
        if own := wanted.request.networking.named:
            from lxgit.operations.networks import kept_networks

            kept.enter_context(kept_networks(repository, own))
        kept.enter_context(pinned_commit(repository, container, wanted.record.commit, identity))
        if wanted.request.cidfile is not None:
            kept.enter_context(_id_written(wanted.request.cidfile, container))
        interrupts.hold_back()
        yield


@contextmanager
def _id_written(path: str, container: str) -> Iterator[None]:
    """A container's id in a file of its own, unless the container comes to nothing."""
    if not path:
        raise UsageError("--cidfile: the name of the file is empty", hint="--cidfile FILE")
    try:
        file = open(path, "x", encoding="ascii")  # noqa: SIM115
    except FileExistsError:
        raise CidfileExists(
            f"--cidfile: '{path}' exists already", hint="it may hold another container's id"
        ) from None
    try:
        with file:
            file.write(container)
        yield
    except BaseException:
        os.unlink(path)
        raise


def image_label(repository: Repository, revision: str, commit: str) -> tuple[str | None, str]:
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


def _program(request: RunRequest, image: Image) -> Program:
    config = image.config
    if not request.system:
        return Program(_command(request, config), config.stop_signal)
    from lxgit.operations.systems import system_of

    host_ids = request.host_ids or request.privileged
    found = system_of(image, request.command, host_ids=host_ids)
    return found._replace(stop_signal=config.stop_signal or found.stop_signal)


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


def _check_lengths(words: tuple[str, ...]) -> None:
    """CommandTooLong where the kernel would not take a word (MAX_ARG_STRLEN of execve(2))."""
    if max(map(len, words), default=0) * 4 < _LONGEST_WORD:
        return
    if any(len(os.fsencode(word)) >= _LONGEST_WORD for word in words):
        from lxgit.runtime.attach import CommandTooLong

        raise CommandTooLong(
            "an argument or a variable of the command takes more than 128 KiB",
            hint="Linux takes none of those: have it in a file",
        )


def _policy(request: RunRequest) -> RestartPolicy:
    """When it is started again. InvalidPolicy, UsageError."""
    policy = RestartPolicy.of(request.restart)
    if policy.keeps and request.remove:
        raise UsageError("--rm deletes what --restart would start again", hint="leave one out")
    return policy


def _stop_signal(name: str) -> str:
    """A signal's name or number if it is one. UnknownSignal."""
    from lxgit.operations.signals import signal_number

    if name:
        signal_number(name)
    return name


def _labels(config: ImageConfig, request: RunRequest) -> tuple[str, ...]:
    """The image's, and those of the command line, which win."""
    labels = {**dict(config.labels), **dict(request.labels)}
    return tuple(f"{name}={value}" for name, value in labels.items())


def require_host(repository: Repository, *, host_ids: bool) -> None:
    """Raise unless containers can run here; clear up after those that were killed."""
    from lxgit.runtime.probe import check_host
    from lxgit.runtime.sweep import sweep

    check_host(repository.path, host_ids=host_ids)
    sweep()


def materialised(
    repository: Repository, commit: ObjectID, image: Image, progress: Progress
) -> Stack:
    """The layers that show a commit's image, made where they are missing; the caller keeps them."""
    from lxgit.runtime.materialise import Materialiser

    stack = Materialiser(repository, progress).stack(image, _parents(repository, commit))
    progress.phase("")  # the terminal is the container's from now on
    return stack


def _parents(repository: Repository, commit: ObjectID) -> Iterator[FileSystem]:
    """What the parents of a commit show, those that are there and images."""
    from lxgit.objects.database import MissingObject
    from lxgit.objects.image import NotAnImage

    for parent in read_commit(repository, commit).parents:
        with suppress(MissingObject, NotAnImage):
            yield image_of(repository, parent).filesystem
