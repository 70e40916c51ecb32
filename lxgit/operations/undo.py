"""Undoing what moved refs, one command at a time, and doing it again.

An undo moves every ref of an operation back to what it was, HEAD among them, and puts containers
back where they stood: after the undo of a commit the container has its changes again, over the
commit that it is mounted on. Nothing is undone when one of the refs is elsewhere by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.operationlog import container_value
from lxgit.objects.refnames import BRANCHES, short_name
from lxgit.operations.attached import containers_on, detach, pin_commit, record_container
from lxgit.operations.branches import BranchInUse
from lxgit.operations.lookup import image_of
from lxgit.operations.values import RefMove, Undone
from lxgit.records import replace
from lxgit.runtime.containers import BrokenContainer, edited, load
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.operationlog import Moved, Operation
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class NothingToUndo(LxgitError):
    """No operation is left that was not undone, or to be done again."""


class MovedSince(LxgitError):
    """A ref is not where the operation left it."""


class _Step(NamedTuple):
    """A name, what it is, and what it is to be; as `operationlog` has values."""

    moved: Moved
    now: str | None
    wanted: str | None


def undo(
    repository: Repository, *, redo: bool = False, dry_run: bool = False, identity: Identity
) -> Undone:
    """Undo the last operation that was not undone, or with `redo` do again what was undone last.

    Operations that never came to be, since a crash came first, are passed over. NothingToUndo;
    MovedSince, BranchInUse, and then nothing has been done.
    """
    done, undone = repository.operations.read()
    operations = undone if redo else done
    while operations:
        operation = operations.pop()
        steps = _steps(repository, operation, redo=redo)
        if steps:
            break
    else:
        raise NothingToUndo(
            "there is nothing to do again" if redo else "there is nothing to undo",
            hint="'lxgit reflog' lists where HEAD was",
        )
    _check_head(repository, steps)
    if not dry_run:
        _take(repository, operation, steps, redo=redo, identity=identity)
    return _told(operation, steps)


def _steps(repository: Repository, operation: Operation, *, redo: bool) -> list[_Step]:
    """What is to be done; MovedSince where a ref is neither what it was nor what it became."""
    steps = []
    for moved in operation.net() if redo else reversed(operation.net()):
        expected, wanted = (moved.old, moved.new) if redo else (moved.new, moved.old)
        now = _now(repository, moved)
        if now == wanted:
            continue
        if now == expected:
            steps.append(_Step(moved, now, wanted))
        elif moved.container is None:
            raise MovedSince(
                f"'{short_name(moved.name)}' has moved since '{operation.message}',"
                " by something that lxgit did not do",
                hint=f"'lxgit reflog {short_name(moved.name)}' lists where it was",
            )
    return steps


def _now(repository: Repository, moved: Moved) -> str | None:
    """What a name is now."""
    if moved.container is not None:
        container = _container(repository, moved.container)
        if container is None:
            return None
        return container_value(container.config.commit, container.config.branch)
    if moved.name == "HEAD":
        head = repository.refs.head()
        return head if isinstance(head, str) else hex_id(head)
    oid = repository.refs.read(moved.name)
    return None if oid is None else hex_id(oid)


def _container(repository: Repository, identity: str) -> Container | None:
    try:
        return load(repository.containers_dir, identity)
    except (FileNotFoundError, BrokenContainer):
        return None


def _check_head(repository: Repository, steps: Sequence[_Step]) -> None:
    """Raise BranchInUse when HEAD would name a branch that goes."""
    wanted = {step.moved.name: step.wanted for step in steps}
    head = wanted.get("HEAD", repository.refs.head())
    if isinstance(head, str) and head in wanted and wanted[head] is None and "HEAD" not in wanted:
        raise BranchInUse(
            f"HEAD is on the branch '{short_name(head)}', which would go",
            hint="'lxgit checkout' goes to another one first",
        )


def _take(
    repository: Repository,
    operation: Operation,
    steps: Sequence[_Step],
    *,
    redo: bool,
    identity: Identity,
) -> None:
    log = repository.operations
    log.next_operation("redo" if redo else "undo", operation.id)
    verb = "redo" if redo else "undo"
    for step in steps:
        message = f"{verb}: {operation.message}"
        if step.moved.container is not None:
            _put_back(repository, step, identity)
        elif step.moved.name == "HEAD":
            assert step.wanted is not None
            repository.refs.set_head(_head(step.wanted), message=message, who=identity.committer)
        else:
            _move(repository, step, message, identity)
    log.finish(identity.committer.time)


def _head(value: str) -> str | ObjectID:
    return value if value.startswith(BRANCHES) else from_hex(value)


def _move(repository: Repository, step: _Step, message: str, identity: Identity) -> None:
    name = step.moved.name
    if step.wanted is None and name.startswith(BRANCHES):
        detach(repository, containers_on(repository, name.removeprefix(BRANCHES)), identity)
    repository.refs.update(
        name,
        from_hex(step.wanted) if step.wanted is not None else None,
        old=from_hex(step.now) if step.now is not None else None,
        message=message,
        who=identity.committer,
    )


def _put_back(repository: Repository, step: _Step, identity: Identity) -> None:
    """Have a container stand on another commit; what it is mounted on stays.

    So a container whose commit is undone has the same changes to commit again.
    """
    assert step.moved.container is not None
    assert step.wanted is not None
    container = _container(repository, step.moved.container)
    if container is None:
        return
    with edited(container) as now:
        _stand_on(repository, now, step.wanted, identity)


def _stand_on(
    repository: Repository, container: Container, wanted: str, identity: Identity
) -> None:
    commit, _, branch = wanted.partition(",")
    below = container.mounted
    config = replace(
        container.config,
        commit=commit,
        branch=branch or None,
        base=None if below == commit else below,
    )
    pin_commit(repository, container.id, commit, identity, base=below)
    _have_upper(repository, container)
    record_container(repository, container, config, identity)
    container.configured(config)
    pin_commit(repository, container.id, commit, identity, base=config.base)


def _have_upper(repository: Repository, container: Container) -> None:
    """Make the upper directory, empty: without one, a container stands on its own commit."""
    if container.upper.exists():
        return
    from lxgit.runtime.starting import make_upper

    root = image_of(repository, from_hex(container.mounted)).root()
    make_upper(container, root.metadata)


def _told(operation: Operation, steps: Sequence[_Step]) -> Undone:
    moves = tuple(
        RefMove(short_name(step.moved.name), step.now, step.wanted)
        for step in steps
        if step.moved.container is None
    )
    containers = tuple(step.moved.container for step in steps if step.moved.container is not None)
    return Undone(operation.message, operation.time, moves, containers)
