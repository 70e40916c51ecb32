"""Undoing what moved refs or containers, one command at a time, and doing it again.

An undo moves every ref of an operation back to what it was, HEAD among them, and puts containers
back where they stood (`standing`). Nothing is undone when one of the refs is elsewhere by now, or
when a container whose files were moved has changed since, or when a branch goes that containers are
on.
"""

from __future__ import annotations

from contextlib import ExitStack

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.operationlog import Stand
from lxgit.objects.refnames import BRANCHES, TAGS, short_name
from lxgit.objects.refs import RefMoved
from lxgit.operations.attached import containers_on, detach
from lxgit.operations.branches import BranchInUse, detached_at, has_containers
from lxgit.operations.containerrows import row_of
from lxgit.operations.lookup import find_container
from lxgit.operations.naming import set_ref
from lxgit.operations.pins import stash_owner
from lxgit.operations.room import check_room
from lxgit.operations.standing import changed_since, container_of, put_back, show_again
from lxgit.operations.undosteps import MovedSince, all_steps, fault_of, owner_of, steps_of
from lxgit.operations.values import PutBack, RefMove, Undone
from lxgit.runtime.containers import edited
from lxgit.runtime.index import NoSuchContainer
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.operationlog import Operation
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.undosteps import Step
    from lxgit.operations.values import Identity
    from lxgit.progress import Progress
    from lxgit.repository import Repository


class NothingToUndo(LxgitError):
    """No operation is left that was not undone, or to be done again."""


class _Undoing(NamedTuple):
    """What the steps of one undo have in common, or of one redo."""

    repository: Repository
    message: str
    identity: Identity
    logs: Mapping[str, tuple[ReflogEntry, ...]]
    """Those of branches and tags that come back, by their names."""


def undo(
    repository: Repository,
    *,
    redo: bool = False,
    dry_run: bool = False,
    force: bool = False,
    identity: Identity,
    progress: Progress,
) -> Undone:
    """Undo the last operation that was not undone, or with `redo` do again what was undone last.

    Operations that never came to be, since a crash came first, are passed over; an undo that a
    crash cut short is gone on with. With `force`, a container that has changed since is put back,
    too; that is kept; those on a branch that goes are on none; and what cannot be undone is passed
    over, for good. NothingToUndo; MovedSince, ChangedSince, ContainerRuns, LostUpper, GoneSince,
    BranchInUse, RefConflict, NameTaken, and then nothing has been done.
    """
    verb = "redo" if redo else "undo"
    passed: list[Operation] = []

    def pass_over() -> None:
        if not dry_run:
            for one in passed:
                _finish(repository, one, verb, identity)

    try:
        operation, steps = _next(
            repository, redo=redo, passed=passed if force else None, progress=progress
        )
    except NothingToUndo:
        pass_over()
        raise
    if not steps:
        pass_over()
        if not dry_run:
            _finish(repository, operation, verb, identity)
        return _told(repository, operation, list(all_steps(repository, operation, redo=redo)), {})
    check_room(repository, [each.moved.name for each in steps if _comes_back(each)])
    detached = _detached(repository, steps, force=force)
    kept: dict[str, str] = {}
    pass_over()
    if not dry_run:
        repository.operations.next_operation(verb, operation.id)
        logs = _logs(repository, operation, steps)
        undoing = _Undoing(repository, f"{verb}: {operation.message}", identity, logs)
        kept, gone = _take_all(undoing, steps, progress, force=force)
        steps = [step for step in steps if owner_of(step.moved) not in gone]
        repository.operations.finish(identity.committer.time)
    return _told(repository, operation, steps, kept)._replace(detached=detached)


def _next(
    repository: Repository,
    *,
    redo: bool,
    passed: list[Operation] | None,
    progress: Progress,
) -> tuple[Operation, list[Step]]:
    """The operation whose turn it is, and what is to be done: nothing where but its end is missing.

    What is passed over that did come to be is told; `passed` gets what cannot be undone, too.
    NothingToUndo; without such a list GoneSince, MovedSince, ChangedSince; BranchInUse, whatever is
    passed over; errors as `steps_of`.
    """
    done, undone = repository.operations.read()
    operations = undone if redo else done
    while operations:
        operation = operations.pop()
        option, there = ("--redo ", "after") if redo else ("", "before")
        steps: list[Step] = []
        fault: LxgitError | None
        try:
            steps += steps_of(repository, operation, redo=redo)
            fault = fault_of(repository, operation, steps, there)
            if fault is None and steps:
                _check_head(repository, operation, steps)
        except MovedSince as error:
            fault = error
        if fault is not None:
            if passed is None:
                back = f"'lxgit undo {option}--force' goes on to the one {there}"
                fault.hint = f"{fault.hint}; {back}" if fault.hint else back
                raise fault
            progress.warn(f"passed over: {fault.message}")
            passed.append(operation)
        elif steps or operation.begun == ("redo" if redo else "undo"):
            if passed is None:
                _check_unchanged(repository, steps)
            return operation, steps
        elif (container := _gone(repository, operation)) is not None:
            progress.warn(f"passed over '{operation.message}': container {container[:12]} is gone")
    raise NothingToUndo(
        "there is nothing to do again" if redo else "there is nothing to undo",
        hint="'lxgit reflog' lists where HEAD was",
    )


def _gone(repository: Repository, operation: Operation) -> str | None:
    """The id of a container that it moved, and that is there no more."""
    ids = map(owner_of, operation.net())
    return next((one for one in ids if one and container_of(repository, one) is None), None)


def _check_unchanged(repository: Repository, steps: Sequence[Step]) -> None:
    """Raise ChangedSince where the files of a container are not as the operation left them."""
    for step in steps:
        owner = step.moved.container
        if owner is not None and step.places and step.now != step.expected:
            container = container_of(repository, owner)
            if container is not None:  # else it has just been deleted
                raise changed_since(container)


def _finish(repository: Repository, operation: Operation, verb: str, identity: Identity) -> None:
    repository.operations.next_operation(verb, operation.id)
    repository.operations.finish(identity.committer.time)


def _comes_back(step: Step) -> bool:
    """Whether it makes a branch or a tag that is not there."""
    is_new = step.now is None and step.wanted is not None
    return is_new and step.moved.name.startswith((BRANCHES, TAGS))


def _check_head(repository: Repository, operation: Operation, steps: Sequence[Step]) -> None:
    """Raise BranchInUse when HEAD is on a branch that goes, MovedSince when on one that is gone.

    Back to where it named one that was not there yet, it names that.
    """
    wanted = {step.moved.name: step.wanted for step in steps}
    head = wanted.get("HEAD", repository.refs.head())
    values = {**repository.refs.list(BRANCHES), **wanted}
    left = {ref for ref in values if ref.startswith(BRANCHES) and values[ref] is not None}
    if not isinstance(head, str) or not head.startswith(BRANCHES) or head in left:
        return
    if "HEAD" in wanted and left and not _was_unborn(repository, operation, steps):
        from lxgit.objects.shellwords import shell_line  # rare

        branch = shell_line(("branch", short_name(head)))
        raise MovedSince(
            f"HEAD would be on the branch '{short_name(head)}', which is gone,"
            " by something that lxgit did not do",
            hint=f"'git -C STORE/git {branch} ID' has it back ('lxgit reflog' lists ids)",
        )
    if "HEAD" not in wanted and head in wanted:
        raise BranchInUse(
            f"HEAD is on the branch '{short_name(head)}', which would go",
            hint="'lxgit checkout' goes to another one first",
        )


def _was_unborn(repository: Repository, operation: Operation, steps: Sequence[Step]) -> bool:
    """Whether the branch that HEAD is put back on was not there when HEAD left it.

    Its reflog has the commit that it left. No entry is left of what an old log had, and there need
    not be one: HEAD may name a branch that is not there.
    """
    head = next(step for step in steps if step.moved.name == "HEAD")
    left = (head.moved.message, operation.time)
    return head.wanted == head.moved.old and all(
        entry.old is None
        for entry in repository.refs.reflog("HEAD")
        if (entry.message, entry.who.time) == left
    )


def _detached(
    repository: Repository, steps: Sequence[Step], *, force: bool
) -> tuple[ContainerRow, ...]:
    """The containers that lose their branch, and get none. BranchInUse unless `force`."""
    placed = {step.moved.container for step in steps}
    rows: list[ContainerRow] = []
    for step in steps:
        if step.wanted is not None or not step.moved.name.startswith(BRANCHES):
            continue
        branch = step.moved.name.removeprefix(BRANCHES)
        found = [one for one in containers_on(repository, branch) if one.id not in placed]
        if found and not force:
            raise has_containers(branch, found, "--force detaches")
        rows += map(row_of, found)
    return tuple(rows)


def _logs(
    repository: Repository, operation: Operation, steps: Sequence[Step]
) -> dict[str, tuple[ReflogEntry, ...]]:
    """What the logs of branches and tags had that come back, by their names.

    A name may have been at the same commit in other lives: what counts is how it went this time.
    """
    back = {step.moved.name: step.wanted for step in steps if step.now is None}
    if not any(name.startswith((BRANCHES, TAGS)) for name in back):
        return {}
    went = repository.operations.went(operation)
    found = [one for one in repository.refs.deleted() if hex_id(one.oid) == back.get(one.ref)]
    found.sort(key=lambda one: (one.ref, one.message, one.who.time) not in went)
    return {one.ref: one.log for one in reversed(found)}


def _take_all(
    undoing: _Undoing, steps: Sequence[Step], progress: Progress, *, force: bool
) -> tuple[dict[str, str], set[str]]:
    """What is kept of containers that had changed, by their ids; and which have gone meanwhile."""
    kept: dict[str, str] = {}
    gone: set[str] = set()
    # What is to go goes last: HEAD has left a branch before that is deleted.
    for step in sorted(steps, key=lambda step: step.wanted is None):
        owner = owner_of(step.moved)
        try:
            if step.places:
                kept |= _place(undoing, step, progress, force=force)
            else:
                _take(undoing, step)
        except (NoSuchContainer, RefMoved):  # its stashes go with it
            if owner is None or container_of(undoing.repository, owner) is not None:
                raise
            gone.add(owner)
    for one in sorted(gone):
        progress.warn(f"passed over container {one[:12]}: it is gone")
    return kept, gone


def _take(undoing: _Undoing, step: Step) -> None:
    repository, message, identity, _ = undoing
    if step.moved.container is not None:
        assert step.now is not None
        assert step.wanted is not None
        before, wanted = Stand.parse(step.now), Stand.parse(step.wanted)
        put_back(repository, step.moved.container, before, wanted, identity)
    elif step.moved.name == "HEAD":
        assert step.now is not None
        assert step.wanted is not None
        now, target = _head(step.now), _head(step.wanted)
        repository.refs.set_head(
            target, old=now, message=message, who=identity.committer, unborn=True
        )
    else:
        _move(undoing, step)


def _place(undoing: _Undoing, step: Step, progress: Progress, *, force: bool) -> dict[str, str]:
    """What is kept of the container, by its id, if it has changed since."""
    repository, message, identity, _ = undoing
    container = step.moved.container
    assert container is not None
    before, wanted = (Stand.parse(value or "") for value in (step.expected, step.wanted))
    kept = show_again(
        repository, container, before, wanted, message, force=force, who=identity, progress=progress
    )
    return {} if kept is None else {container: kept}


def _head(value: str) -> str | ObjectID:
    return value if value.startswith(BRANCHES) else from_hex(value)


def _move(undoing: _Undoing, step: Step) -> None:
    repository, message, identity, logs = undoing
    name, who = step.moved.name, identity.committer
    if step.wanted is None and name.startswith(BRANCHES):
        detach(repository, containers_on(repository, name.removeprefix(BRANCHES)), identity)
    with ExitStack() as stays:
        if (owner := stash_owner(name)) is not None:
            stays.enter_context(edited(find_container(repository, owner)))
            repository.operations.record(name, step.now, step.wanted, message, who.time)
        old = from_hex(step.now) if step.now is not None else None
        log = repository.refs.not_in_log(name, logs.get(name, ()))
        if step.wanted is None:
            repository.refs.update(name, None, old=old, message=message, who=who, log=log)
        else:
            oid = from_hex(step.wanted)
            set_ref(repository, name, oid, old=old, message=message, who=who, log=log)


def _told(
    repository: Repository, operation: Operation, steps: Sequence[Step], kept: Mapping[str, str]
) -> Undone:
    moves = tuple(
        RefMove(_shown(repository, step.moved.name), step.now, step.wanted)
        for step in steps
        if step.moved.container is None
    )
    back = tuple(
        PutBack(each, _name_of(repository, each), kept.get(each))
        for step in steps
        if (each := step.moved.container) is not None
    )
    words = _checked_out(repository, steps)
    message = operation.message
    for oid, told in words.items():
        message = message.replace(oid, told)
    return Undone(message, operation.time, moves, back, words)


def _checked_out(repository: Repository, steps: Sequence[Step]) -> dict[str, str]:
    """The commits that HEAD was or is at by itself, and what was checked out then."""
    values = {
        value for step in steps for value in (step.now, step.wanted) if step.moved.name == "HEAD"
    }
    words = {value: detached_at(repository, value) for value in values if value is not None}
    return {oid: told for oid, told in words.items() if told is not None}


def _shown(repository: Repository, name: str) -> str:
    owner = stash_owner(name)
    return short_name(name) if owner is None else f"a stash of {_name_of(repository, owner)}"


def _name_of(repository: Repository, identity: str) -> str:
    container = container_of(repository, identity)
    return identity[:12] if container is None else container.config.name
