"""Containers as a user counts them: what there is, and what goes."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.locks import LockHeld
from lxgit.operations.containerrows import ContainerRow, ContainerStatus, row_of
from lxgit.operations.lookup import AlreadyRunning, find_container
from lxgit.operations.values import RemovedContainer
from lxgit.runtime import containers as records
from lxgit.runtime.index import NoSuchContainer, is_locked
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class ListedContainers(NamedTuple):
    """What `ps` shows, and the ids of those that cannot say whether they belong to it."""

    rows: list[ContainerRow]
    damaged: tuple[str, ...]


def list_containers(
    repository: Repository,
    *,
    everything: bool = False,
    last: int | None = None,
    filters: Sequence[str] = (),
    sizes: bool = False,
) -> ListedContainers:
    """The running containers, or with `everything` the stopped too; the newest first.

    `last` are the ones made last, running or not; a filter for a status or an exit code is about
    all of them as well. Filters are those of `selecting`.
    """
    found, damaged = records.read_all(repository.containers_dir)
    if filters:
        from lxgit.operations.selecting import ABOUT_ALL, container_test

        test = container_test(repository, filters)
        found = [one for one in found if test(one)]
        everything = everything or any(text.startswith(ABOUT_ALL) for text in filters)
    if last is None and not everything:
        found = [one for one in found if one.is_running]
        damaged = [one for one in damaged if is_locked(repository.containers_dir / one)]
    if sizes:
        from lxgit.operations.sizes import sized_rows

        return ListedContainers(sized_rows(repository, found[:last]), tuple(damaged))
    return ListedContainers([row_of(one) for one in found[:last]], tuple(damaged))


def remove_container(
    repository: Repository, name: str, *, force: bool, volumes: bool = False
) -> RemovedContainer:
    """Delete a container with what it has not committed.

    A running one is refused, or with `force` killed; so is one that is damaged, or with `force`
    deleted as it is. With `volumes` those of its volumes go that nobody named and no other has.
    """
    try:
        container = find_container(repository, name)
    except records.BrokenContainer as error:
        if not force:
            raise
        return _remove_damaged(repository, error.id)
    if container.is_running:
        if not force:
            raise _runs(container)
        from lxgit.operations.running import end

        end(container, stays=True)  # or what it has not committed could not be counted
    return _remove(repository, container, volumes=volumes)


def _runs(container: Container) -> AlreadyRunning:
    return AlreadyRunning(
        f"container '{container.config.name}' is running", hint="-f kills it first"
    )


def _remove_damaged(repository: Repository, container: str) -> RemovedContainer:
    from lxgit.operations.pins import let_go
    from lxgit.operations.running import end_damaged
    from lxgit.runtime.erasing import erase_broken

    end_damaged(repository.containers_dir / container)
    erase_broken(repository.containers_dir, container)
    let_go(repository, container)
    unknown = ContainerRow(
        id=container,
        name=container[:12],
        image="",
        branch=None,
        commit="",
        command=(),
        created=0,
        state=ContainerStatus.EXITED,
        started=None,
        finished=None,
        exit_code=None,
    )
    return RemovedContainer(unknown, 0)


def _remove(repository: Repository, container: Container, *, volumes: bool) -> RemovedContainer:
    from lxgit.operations.attached import drop_anonymous_volumes
    from lxgit.operations.pins import let_go
    from lxgit.runtime.erasing import erase

    try:
        with records.edited(container) as now, now.lock():
            removed = _with_what_goes(repository, now)
            erase(now)
    except LockHeld:
        if not container.is_running:
            raise
        raise _runs(container) from None  # since just now
    except NoSuchContainer:
        if not container.config.remove:
            raise
        removed = RemovedContainer(row_of(container), 0)  # it has ended just before, and gone
    if volumes or container.config.remove:
        drop_anonymous_volumes(repository, container)
    let_go(repository, container.id)
    return removed


def what_goes(repository: Repository, name: str) -> RemovedContainer:
    """What `remove_container` would delete, and tell of it. Errors as `find_container`."""
    return _with_what_goes(repository, find_container(repository, name))


def _with_what_goes(repository: Repository, container: Container) -> RemovedContainer:
    from lxgit.operations.pins import stashed

    stashes = len(stashed(repository, container.id))
    return RemovedContainer(row_of(container), _uncommitted(repository, container), stashes)


def _uncommitted(repository: Repository, container: Container) -> int:
    """How many listed paths go with the container; 0 where they cannot be read."""
    from lxgit.operations.worktree import open_work_tree

    if not container.upper.exists() and container.config.base is None:
        return 0
    try:
        with open_work_tree(repository, container, unread=True) as tree:
            return len(tree.compare().changes)
    except (LxgitError, OSError):
        return 0
