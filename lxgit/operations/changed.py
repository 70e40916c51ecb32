"""Which containers of a branch have changed: all of them, or the one that no name has to say."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.lean import suppress
from lxgit.objects.refnames import BRANCHES
from lxgit.operations.attached import containers_on
from lxgit.operations.containerrows import ContainerRow, row_of
from lxgit.operations.lookup import find_container
from lxgit.operations.values import ContainerChanges, Status
from lxgit.operations.worktree import open_work_tree
from lxgit.runtime.containers import LostUpper
from lxgit.runtime.index import NoSuchContainer, container_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class SeveralChanged(LxgitError):
    """More than one container could be meant."""


class NothingChanged(LxgitError):
    """No container has anything to show or to commit."""


def is_changed(repository: Repository, container: Container) -> bool:
    """Whether the container has anything to commit, or had before it was lost."""
    if container.has_lost_upper:
        return True
    if not container.upper.exists() and container.config.base is None:
        return False
    with open_work_tree(repository, container, unread=True) as tree:
        return tree.is_changed


def status(repository: Repository, container: str | None = None) -> Status:
    """HEAD, and the containers of its branch that changed or run, or the one that was named."""
    head = repository.refs.head()
    branch = head.removeprefix(BRANCHES) if isinstance(head, str) else None
    commit = repository.refs.read("HEAD")
    if container is not None:
        shown = [_changes(repository, find_container(repository, container))]
    else:
        shown = []
        for one in containers_on(repository, branch):
            with suppress(NoSuchContainer):  # it has just been deleted
                changes = _changes(repository, one)
                if changes.changes or changes.container.runs or changes.lost:
                    shown.append(changes)
    return Status(branch, commit.hex() if commit is not None else None, tuple(shown))


def _changes(repository: Repository, container: Container) -> ContainerChanges:
    places = tuple(mount.target for mount in container.config.mounts)
    try:
        with open_work_tree(repository, container, unread=True) as tree:
            return ContainerChanges(row_of(container), tree.listed(), places)
    except LostUpper:
        return ContainerChanges(row_of(container), (), places, lost=True)


def only_changed(repository: Repository, purpose: str, named: str = "CONTAINER") -> Container:
    """The one changed container of HEAD's branch; SeveralChanged, NothingChanged otherwise.

    `purpose` is the command that wants it, `named` how it takes the name of one: for the hint.
    """
    head = repository.refs.head()
    branch = head.removeprefix(BRANCHES) if isinstance(head, str) else None
    changed = _changed_on(repository, branch)
    if len(changed) == 1:
        return changed[0]
    if not changed:
        raise NothingChanged(
            f"no container of {branch or 'the detached HEAD'} has changed",
            hint="'lxgit run -it' starts one; 'lxgit ps -a' lists those of other branches",
        )
    names = ", ".join(f"{one.id[:12]} ({one.config.name})" for one in changed)
    raise SeveralChanged(
        f"several containers have changed: {names}", hint=f"'lxgit {purpose} {named}' names one"
    )


def changed_containers_of(repository: Repository, branch: str | None) -> tuple[ContainerRow, ...]:
    """What `checkout` leaves behind on a branch: its containers with something to commit."""
    if not container_names(repository.containers_dir):
        return ()
    return tuple(row_of(container) for container in _changed_on(repository, branch))


def _changed_on(repository: Repository, branch: str | None) -> list[Container]:
    """The containers of a branch that have something to commit."""
    changed = []
    for container in containers_on(repository, branch):
        with suppress(NoSuchContainer):  # it has just been deleted
            if is_changed(repository, container):
                changed.append(container)
    return changed
