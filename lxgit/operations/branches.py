"""Branches and HEAD."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.lean import suppress
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refnames import BRANCHES, TAGS, image_and_tag
from lxgit.operations.logvalues import RefKind
from lxgit.operations.lookup import find_commit, find_image, read_commit
from lxgit.operations.naming import (
    NoSuchRef,
    RefExists,
    branch_name,
    branch_ref,
    check_branch_name,
    left_without_a_name,
    set_ref,
    tag_ref,
)
from lxgit.operations.values import BranchRow, HeadMoved, RemovedRef

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.commits import Signature
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


_MOVING = "checkout: moving from "


class BranchInUse(LxgitError):
    """HEAD or a container is on the branch."""


class NotMerged(LxgitError):
    """The branch has commits that HEAD's history has not."""


class WouldDetach(LxgitError):
    """`switch` to something that is no branch, without `--detach`."""


def list_branches(
    repository: Repository, patterns: tuple[str, ...] = (), *, subjects: bool = True
) -> list[BranchRow]:
    """Every branch by name, after a row without name for a detached HEAD.

    With shell patterns, those alone that match one. Without `subjects`, which stay empty then, no
    commit is read. Of one that cannot be read the row has the `fault`.
    """
    head = repository.refs.head()
    found: list[tuple[str | None, ObjectID]] = [] if isinstance(head, str) else [(None, head)]
    found += [
        (ref.removeprefix(BRANCHES), oid) for ref, oid in repository.refs.list(BRANCHES).items()
    ]
    if patterns:
        from fnmatch import fnmatchcase

        found = [row for row in found if any(fnmatchcase(row[0] or "", one) for one in patterns)]
    current = head.removeprefix(BRANCHES) if isinstance(head, str) else None
    rows = [BranchRow(name, hex_id(oid), name == current, "") for name, oid in found]
    return [_with_subject(repository, row) for row in rows] if subjects else rows


def _with_subject(repository: Repository, row: BranchRow) -> BranchRow:
    try:
        return row._replace(subject=_subject(repository, from_hex(row.oid)))
    except LxgitError as error:
        return row._replace(fault=error.message)


def _subject(repository: Repository, oid: ObjectID) -> str:
    """That of a commit."""
    from lxgit.objects.messages import subject

    return subject(read_commit(repository, oid).message)


def create_branch(
    repository: Repository, name: str, start: str | None, *, force: bool, identity: Identity
) -> str | None:
    """A branch at `start`, HEAD by default; `force` moves one that is there.

    Returns the commit that a moved one was at, if no name has that any more.
    """
    present = _put_branch(repository, name, start, force=force, identity=identity)
    return left_without_a_name(repository, present)


def _put_branch(
    repository: Repository, name: str, start: str | None, *, force: bool, identity: Identity
) -> ObjectID | None:
    """The same, and where it was before, if it was there."""
    name = branch_name(name)
    check_branch_name(repository, name)
    ref = branch_ref(name)
    start = "HEAD" if start is None else start
    oid = find_image(repository, start)
    present = repository.refs.read(ref)
    if present is not None and not force:
        raise RefExists(f"the branch '{name}' is there already", hint="-f moves it")
    message = f"branch: {'Created from' if present is None else 'Reset to'} {start}"
    set_ref(repository, ref, oid, old=present, message=message, who=identity.committer)
    return present


def delete_branch(
    repository: Repository, name: str, *, force: bool, identity: Identity
) -> RemovedRef:
    """Delete a branch, but never HEAD's.

    Without `force` (`-D`) neither one that a container is on, nor one whose commits HEAD's history
    has not; with it, the containers become detached.
    """
    name = branch_name(name)
    oid = branch_tip(repository, name)
    _check_deletable(repository, name, oid, force=force)
    return drop_branch(repository, name, oid, identity)


def drop_branch(repository: Repository, name: str, oid: ObjectID, identity: Identity) -> RemovedRef:
    """Delete a branch that is still there, whose containers become detached, whatever it has."""
    from lxgit.operations.attached import containers_on, detach

    containers = containers_on(repository, name)
    repository.refs.update(
        branch_ref(name), None, old=oid, message="branch: deleted", who=identity.committer
    )
    return RemovedRef(RefKind.BRANCH, name, hex_id(oid), detach(repository, containers, identity))


def branch_tip(repository: Repository, name: str) -> ObjectID:
    """The commit that a branch names. NoSuchRef."""
    oid = repository.refs.read(branch_ref(name))
    if oid is None:
        is_tag = repository.refs.read(tag_ref(name)) is not None
        hint = f"'{name}' is a tag: see 'lxgit tag'" if is_tag else "'lxgit branch' lists them"
        raise NoSuchRef(f"there is no branch '{name}'", hint=hint)
    return oid


def check_not_head(repository: Repository, name: str) -> None:
    """Raise RefInUse when HEAD names the branch: that one is never deleted."""
    from lxgit.objects.refs import RefInUse

    if repository.refs.head() == branch_ref(name):
        raise RefInUse(branch_ref(name))


def has_containers(name: str, containers: Sequence[Container], hint: str) -> BranchInUse:
    """That a branch is not to go while these are on it."""
    told = ", ".join(container.config.name for container in containers)
    return BranchInUse(f"the branch '{name}' has containers: {told}", hint=hint)


def _check_deletable(repository: Repository, name: str, oid: ObjectID, *, force: bool) -> None:
    from lxgit.objects.git import GitFailed
    from lxgit.objects.history import is_ancestor
    from lxgit.operations.attached import containers_on
    from lxgit.operations.hiding import check_not_hidden

    check_not_head(repository, name)
    if force:
        return
    containers = containers_on(repository, name)
    if containers:
        raise has_containers(name, containers, f"'lxgit branch -D {name}' detaches")
    head = find_commit(repository, "HEAD")
    try:
        merged = is_ancestor(repository.git, oid, head)
    except GitFailed as error:
        anyway = f"'lxgit branch -D {name}' deletes it all the same"
        error.hint = f"{error.hint}; {anyway}" if error.hint else anyway
        raise
    # Whatever is hidden, what Git reaches is merged, but where it is told of other parents.
    check_not_hidden(repository, ["--all"] if merged else [hex_id(head)])
    if not merged:
        raise NotMerged(
            f"the branch '{name}' is not merged into HEAD",
            hint=f"'lxgit branch -D {name}' deletes it; the reflog keeps {hex_id(oid)[:12]}",
        )


def rename_branch(
    repository: Repository, old: str | None, new: str, *, force: bool, identity: Identity
) -> str | None:
    """Give a branch, HEAD's by default, another name; HEAD, its containers and its log follow.

    A rename that did not come to its end, on a full disk for example, is gone on with. Returns the
    commit that a branch was at which had the new name, if no name has that any more.
    """
    from lxgit.objects.refs import HeadElsewhere
    from lxgit.operations.attached import containers_on, detach

    head = repository.refs.head()
    if old is None:
        if not isinstance(head, str):
            raise NoSuchRef("HEAD is on no branch", hint="name the branch: 'branch -m OLD NEW'")
        old = head.removeprefix(BRANCHES)
    old, new = branch_name(old), branch_name(new)
    oid = branch_tip(repository, old)
    if new == old:
        return None
    check_branch_name(repository, new)
    if repository.refs.beside(branch_ref(new)) == (branch_ref(old),):
        from lxgit.objects.filelock import RefConflict

        raise RefConflict(
            f"'{new}' cannot be beside '{old}'",
            hint=f"over a third name it can follow: 'lxgit branch -m {old} NAME', then"
            f" 'lxgit branch -m NAME {new}'",
        )
    present = repository.refs.read(branch_ref(new))
    message = f"Branch: renamed {branch_ref(old)} to {branch_ref(new)}"
    last = repository.refs.reflog(branch_ref(new))[:1]
    begun = present == oid and any(entry.message == message for entry in last)
    if present is not None and not begun and not force:
        raise RefExists(f"the branch '{new}' is there already", hint="-M replaces it")
    containers = containers_on(repository, old)
    who = identity.committer
    if not begun:
        log = repository.refs.not_in_log(branch_ref(new), repository.refs.reflog(branch_ref(old)))
        set_ref(repository, branch_ref(new), oid, old=present, message=message, who=who, log=log)
    with suppress(HeadElsewhere):
        repository.refs.set_head(branch_ref(new), old=branch_ref(old), message=message, who=who)
    detach(repository, containers, identity, onto=new)
    _delete_renamed(repository, branch_ref(old), branch_ref(new), oid, message, who)
    return left_without_a_name(repository, present)


def _delete_renamed(
    repository: Repository, old: str, new: str, oid: ObjectID, message: str, who: Signature
) -> None:
    """Delete the ref that has another name now; what was committed to it meanwhile comes along."""
    from lxgit.objects.refs import RefMoved

    while True:
        try:
            repository.refs.update(old, None, old=oid, message=message, who=who)
        except RefMoved as error:
            if error.current is None:  # deleted meanwhile
                return
            repository.refs.update(new, error.current, old=oid, message=message, who=who)
            oid = error.current
        else:
            return


def checkout(
    repository: Repository,
    target: str,
    *,
    detach: bool = False,
    only_branch: bool = False,
    identity: Identity,
) -> HeadMoved:
    """Move HEAD to a branch, or to a commit: a detached HEAD. `-` is where it was before.

    `only_branch` refuses a commit, as `switch` does without `--detach`. HEAD itself is where it is.
    No container is touched.
    """
    if target in {"HEAD", "@"} and not detach and not only_branch and (here := _stay(repository)):
        return here
    if target == "-":
        target = _previous(repository)
    ref = branch_ref(target)
    tip = repository.refs.read(ref)
    if tip is not None and not detach:
        return _move_head(repository, ref, tip, target, created=False, identity=identity)
    oid = find_image(repository, target)
    if only_branch and not detach:
        raise WouldDetach(
            f"'{target}' is no branch", hint=f"'lxgit switch --detach {target}' goes there"
        )
    return _move_head(repository, oid, oid, target, created=False, identity=identity)


def _stay(repository: Repository) -> HeadMoved | None:
    """Where HEAD is; None while it has no commit."""
    head, oid = _here(repository)
    if oid is None:
        return None
    branch = head.removeprefix(BRANCHES) if isinstance(head, str) else None
    digits, told = hex_id(oid), _subject(repository, oid)
    return HeadMoved(branch, digits, branch, digits, created=False, subject=told, left_behind=())


def checkout_new(
    repository: Repository, name: str, start: str | None, *, force: bool, identity: Identity
) -> HeadMoved:
    """Create a branch at `start`, HEAD by default, and move HEAD to it."""
    name = branch_name(name)
    present = _put_branch(repository, name, start, force=force, identity=identity)
    ref = branch_ref(name)
    oid = branch_tip(repository, name)
    is_new = present is None
    moved = _move_head(repository, ref, oid, name, created=is_new, identity=identity)
    return moved._replace(reset=not is_new, dropped=left_without_a_name(repository, present))


def _previous(repository: Repository) -> str:
    """What HEAD named before it was last moved: `@{-1}` of Git."""
    for before, _, _ in _checkouts(repository):
        return before
    raise NoSuchRef("HEAD has not been moved yet")


def detached_at(repository: Repository, oid: str) -> str | None:
    """What was checked out, in the words of who did, when HEAD last came to be at this commit.

    None where that was the commit's id. A branch is passed over: HEAD named that then.
    """
    for _, words, came_to in _checkouts(repository):
        if hex_id(came_to) == oid and repository.refs.read(branch_ref(words)) is None:
            return None if oid.startswith(words) else words
    return None


def _checkouts(repository: Repository) -> Iterator[tuple[str, str, ObjectID]]:
    """How HEAD was moved, the last time first: what it named, what was asked for, what that was."""
    for entry in repository.refs.reflog("HEAD"):
        before, arrow, words = entry.message.removeprefix(_MOVING).partition(" to ")
        if arrow and entry.message.startswith(_MOVING) and entry.new is not None:
            yield before, words, entry.new


def _move_head(
    repository: Repository,
    target: str | ObjectID,
    oid: ObjectID,
    told: str,
    *,
    created: bool,
    identity: Identity,
) -> HeadMoved:
    from lxgit.operations.changed import changed_containers_of

    head, before = _here(repository)
    old_branch = head.removeprefix(BRANCHES) if isinstance(head, str) else None
    moved_from = old_branch or (hex_id(before) if before is not None else "nothing")
    left = () if head in (target, None) else changed_containers_of(repository, old_branch)
    subject = _subject(repository, oid)  # before HEAD is on a commit that cannot be read
    repository.refs.set_head(
        target, message=f"{_MOVING}{moved_from} to {told}", who=identity.committer
    )
    return HeadMoved(
        old_branch,
        hex_id(before) if before is not None else None,
        target.removeprefix(BRANCHES) if isinstance(target, str) else None,
        hex_id(oid),
        created,
        subject,
        left,
    )


def _here(repository: Repository) -> tuple[str | ObjectID | None, ObjectID | None]:
    """What HEAD names, and its commit; neither when it is damaged: it is about to be mended."""
    from lxgit.objects.refs import CorruptRef

    try:
        return repository.refs.head(), repository.refs.read("HEAD")
    except CorruptRef:
        return None, None


def complete_names(repository: Repository) -> tuple[list[str], list[str], list[str]]:
    """Branches, tags, and tags as Docker has them, from the refs alone: for completion."""
    refs = repository.refs.list()
    branches = [ref.removeprefix(BRANCHES) for ref in refs if ref.startswith(BRANCHES)]
    tags = [ref.removeprefix(TAGS) for ref in refs if ref.startswith(TAGS)]
    return branches, tags, [f"{image}:{tag}" for image, tag in map(image_and_tag, tags) if image]
