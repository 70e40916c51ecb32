"""Containers as the work trees of branches."""

from __future__ import annotations

from contextlib import contextmanager, suppress

from lxgit.lean import NANOSECONDS
from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import PINS
from lxgit.operations.values import ContainerRow, ContainerStatus
from lxgit.records import replace
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.index import NoSuchContainer, container_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.containers import Container

_KEPT = "-kept"
_STASH = "-stash-"


def row_of(container: Container) -> ContainerRow:
    """A container as the command line shows it."""
    config, state = container.config, container.state
    return ContainerRow(
        id=container.id,
        name=config.name,
        image=config.image,
        branch=config.branch,
        commit=config.commit,
        command=config.command,
        created=config.created / NANOSECONDS,
        state=ContainerStatus.PAUSED if state.paused else ContainerStatus(state.status),
        started=state.started / NANOSECONDS if state.started is not None else None,
        finished=state.finished / NANOSECONDS if state.finished is not None else None,
        exit_code=state.exit_code,
        ports=tuple(state.endpoint.shown) if state.endpoint is not None else (),
        labels=config.labels,
        health=state.health.status if state.health is not None else "",
        networks=config.networks,
        mounts=tuple(mount.source for mount in config.mounts if mount.source),
        volumes=tuple(mount.source for mount in config.mounts if mount.kind == "volume"),
    )


def drop_anonymous_volumes(repository: Repository, container: Container) -> None:
    """Delete the unnamed volumes of a container that has gone, unless others have them."""
    if container.config.mounts:
        from lxgit.operations.volumes import remove_anonymous

        remove_anonymous(repository, container)


def complete_containers(repository: Repository) -> list[tuple[str, str]]:
    """Id and name of every container, from their index alone: for completion."""
    names = container_names(repository.containers_dir)
    return [(identity, name) for name, identity in names.items()]


def containers_on(repository: Repository, branch: str | None) -> list[Container]:
    """The containers that a branch has; for None, those of no branch."""
    return [
        container
        for container in all_containers(repository.containers_dir)
        if container.config.branch == branch
    ]


def detach(
    repository: Repository,
    containers: Iterable[Container],
    identity: Identity,
    *,
    onto: str | None = None,
) -> tuple[ContainerRow, ...]:
    """Take containers off their branch, or put them on another of the same commit.

    One that has gone meanwhile, or is on another branch, is left alone.
    """
    rows = []
    for container in containers:
        with suppress(NoSuchContainer), edited(container) as now:
            if now.config.branch != container.config.branch:
                continue
            config = replace(now.config, branch=onto)
            record_container(repository, now, config, identity)
            rows.append(row_of(now.configured(config)))
    return tuple(rows)


def record_container(
    repository: Repository, container: Container, config: ContainerConfig, identity: Identity
) -> None:
    """Have `undo` know where a container stood, before it stands where `config` says."""
    from lxgit.objects.operationlog import Stand

    before = container.config
    repository.operations.record_container(
        container.id,
        Stand(before.commit, before.branch),
        Stand(config.commit, config.branch),
        "container",
        identity.committer.time,
    )


def record_placing(
    repository: Repository,
    container: Container,
    config: ContainerConfig,
    shown: tuple[ObjectID, ObjectID],
    message: str,
    identity: Identity,
) -> None:
    """The same, where it is about to show something else: commits of what, before and after."""
    from lxgit.objects.operationlog import Stand

    before = container.config
    repository.operations.record_container(
        container.id,
        Stand(before.commit, before.branch, hex_id(shown[0])),
        Stand(config.commit, config.branch, hex_id(shown[1])),
        message,
        identity.committer.time,
    )


def pin_commit(
    repository: Repository,
    container: str,
    commit: str,
    identity: Identity,
    *,
    base: str | None = None,
) -> None:
    """Keep from gc what the container of that id stands on: refs of its own under refs/lxgit/.

    Call it before the container's record names the commit, and after it names a base no more: a
    crash between the two may keep too much, which `unpin_leftovers` finds, never too little.
    """
    from lxgit.objects.refs import ANY

    for name, commit_or_none in (("-base", base), ("", commit)):
        ref = _pin(container, name)
        oid = from_hex(commit_or_none) if commit_or_none is not None else None
        if oid != repository.refs.read(ref):
            repository.refs.update(ref, oid, old=ANY, message="container", who=identity.committer)


def keep_commit(
    repository: Repository, container: str, commit: ObjectID, identity: Identity, message: str
) -> None:
    """Keep what a container was until the next such moment, or until it goes."""
    from lxgit.objects.refs import ANY

    ref = _pin(container, _KEPT)
    if commit != repository.refs.read(ref):
        repository.refs.update(ref, commit, old=ANY, message=message, who=identity.committer)


def stashed(repository: Repository, container: str) -> dict[int, ObjectID]:
    """What was put away of the container of that id, by numbers that go up with time."""
    beginning = _pin(container, _STASH)
    refs = repository.refs.list(beginning)
    return dict(sorted((int(ref.removeprefix(beginning)), oid) for ref, oid in refs.items()))


def set_stash(
    repository: Repository,
    container: str,
    number: int,
    commit: ObjectID | None,
    identity: Identity,
    *,
    old: ObjectID | None,
    message: str,
) -> None:
    """Keep a commit as what was put away, or with None keep it no longer. RefMoved."""
    ref = _pin(container, f"{_STASH}{number}")
    before, after = (None if one is None else hex_id(one) for one in (old, commit))
    repository.operations.record(ref, before, after, message, identity.committer.time)
    repository.refs.update(ref, commit, old=old, message=message, who=identity.committer)


def pin_owner(ref: str) -> str:
    """The id of the container that one of PINS keeps a commit for."""
    return ref.removeprefix(PINS).partition("-")[0]


def stash_owner(ref: str) -> str | None:
    """The id of the container that a ref keeps a stash of, if it is such a ref."""
    return pin_owner(ref) if ref.startswith(PINS) and _STASH in ref else None


def pinned(repository: Repository, container: str) -> ObjectID | None:
    """The commit that `pin_commit` keeps for the container of that id."""
    return repository.refs.read(_pin(container, ""))


@contextmanager
def pinned_commit(
    repository: Repository, container: str, commit: str, identity: Identity
) -> Iterator[None]:
    """Keep the commit of a container that is made meanwhile; not when that fails."""
    pin_commit(repository, container, commit, identity)
    try:
        yield
    except BaseException:
        unpin_commit(repository, container)
        raise


def unpinned_commits(repository: Repository, container: Container) -> list[str]:
    """What the container stands on, and no ref of its own keeps from gc."""
    pins = [repository.refs.read(_pin(container.id, name)) for name in ("", "-base")]
    config = container.config
    return [one for one in (config.commit, config.base) if one and from_hex(one) not in pins]


def unpin_commit(repository: Repository, container: str) -> None:
    """Let go of what `pin_commit` keeps, after the container of that id has gone."""
    from lxgit.objects.refs import ANY

    for ref in repository.refs.list(_pin(container, "")):
        repository.refs.update(ref, None, old=ANY, message="container removed", who=ITSELF)


def unpin_leftovers(repository: Repository, living: Collection[str]) -> int:
    """Let go of what is kept for containers that are not among the `living`; how many those are."""
    pinned = {pin_owner(ref) for ref in repository.refs.list(PINS)}
    for container in pinned.difference(living):
        unpin_commit(repository, container)
    return len(pinned.difference(living))


def _pin(container: str, name: str) -> str:
    return f"{PINS}{container}{name}"
