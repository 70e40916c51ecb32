"""Containers as the work trees of branches."""

from __future__ import annotations

from contextlib import suppress

from lxgit.objects.ids import hex_id
from lxgit.records import replace
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.index import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxgit.objects.ids import ObjectID
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.containers import Container


def drop_anonymous_volumes(repository: Repository, container: Container) -> None:
    """Delete the unnamed volumes of a container that has gone, unless others have them."""
    if container.config.mounts:
        from lxgit.operations.volumes import remove_anonymous

        remove_anonymous(repository, container)


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
    from lxgit.operations.containerrows import row_of

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
