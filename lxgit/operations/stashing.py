"""Stashes: what a container has changed is put away, and brought back on whatever it is then.

A stash is a commit of what the container was, over the one that it stood on, kept by a ref of the
container's own. It is brought back path by path, as `checkout --merge` carries changes over: onto
other changes, too, if none is in the way. It stays until that has worked.
"""

from __future__ import annotations

import re

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.merging import changes_of, conflicts
from lxgit.objects.messages import subject
from lxgit.operations.changed import NothingChanged, only_changed
from lxgit.operations.containerrows import row_of
from lxgit.operations.lookup import find_container, image_of, read_commit
from lxgit.operations.pins import set_stash, stashed
from lxgit.operations.placing import Aim, Conflicts, carried, place, show, taken, written
from lxgit.operations.values import DroppedStash, Popped, Stash, stash_name
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.index import container_names
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.packwriter import PackWriter
    from lxgit.operations.values import Identity
    from lxgit.operations.worktree import WorkTree
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_NAME = re.compile(r"stash@\{([0-9]{1,9})\}|([0-9]{1,9})", re.ASCII)


class NoStash(LxgitError):
    """The container has no such stash."""


class SeveralStashed(LxgitError):
    """More than one container has a stash."""


def push(
    repository: Repository,
    name: str | None,
    message: str | None,
    *,
    identity: Identity,
    progress: Progress,
) -> Stash:
    """Put away what a stopped container has changed: it is as its commit is then.

    With no name the only changed container of HEAD's branch. NothingChanged, ContainerRuns.
    """
    if name is None:
        name = only_changed(repository, "stash push").id
    with taken(repository, name) as (tree, writer):
        config = tree.container.config
        if not tree.is_changed:
            raise NothingChanged(f"container '{config.name}' has not changed")
        why = f"stash push: {config.name}"
        stash = put_aside(repository, tree, writer, message, why, identity)
        aim = Aim(from_hex(config.commit), config.branch, config.image, None)
        was = from_hex(stash.oid)
        place(repository, tree, aim, was, why, identity=identity, progress=progress)
    return stash


def put_aside(
    repository: Repository,
    tree: WorkTree,
    writer: PackWriter,
    message: str | None,
    why: str,
    identity: Identity,
) -> Stash:
    """Make a stash of what a container has changed, its files are as they were; `why` for undo."""
    container = tree.container
    told = _message(repository, container, message)
    over = from_hex(container.config.commit)
    kept = stashed(repository, container.id)
    number = max(kept, default=0)
    if number and _is_stash_of(repository, tree, kept[number], told):
        return _told(repository, container, 0, kept[number])
    oid = written(writer, container, tree.image, over, told, identity)
    with writer.finish():
        set_stash(repository, container.id, number + 1, oid, identity, old=None, message=why)
    return _told(repository, container, 0, oid)


def _is_stash_of(repository: Repository, tree: WorkTree, oid: ObjectID, message: str) -> bool:
    """Whether a push that did not come to its end, on a full disk for example, has made it."""
    try:
        commit = read_commit(repository, oid)
    except LxgitError:
        return False  # it is damaged
    over, told = (from_hex(tree.container.config.commit),), subject(commit.message)
    return (commit.tree, commit.parents, told) == (tree.image.tree, over, message)


def _message(repository: Repository, container: Container, given: str | None) -> str:
    """As Git words it, on one line."""
    config = container.config
    where = config.branch or "(no branch)"
    if given is not None:
        return f"On {where}: {' '.join(given.split())}"
    commit = read_commit(repository, from_hex(config.commit))
    return f"WIP on {where}: {config.commit[:12]} {subject(commit.message)}".rstrip()


def pop(
    repository: Repository,
    name: str | None,
    which: str | None = None,
    *,
    identity: Identity,
    progress: Progress,
) -> Popped:
    """Bring a stash back, the youngest or the one that `which` names, and drop it.

    Errors as `find_stash`; ContainerRuns; Conflicts where the container has other changes in the
    way, and then nothing has been done.
    """
    name, which = _meant(repository, name, which)
    with taken(repository, name) as (tree, writer):
        kept = _find(repository, tree.container, which)
        over = read_commit(repository, kept.oid).parents[0]
        old, new = image_of(repository, over), image_of(repository, kept.oid)
        still = f"{stash_name(kept.position)} is still there; "
        try:
            shown = carried(tree, old, new, tree.image, f"{still}{_IN_THE_WAY}")
        except Conflicts as error:
            if conflicts(changes_of(old, new), new, changes_of(old, tree.parent), tree.parent):
                back = f"lxgit checkout {hex_id(over)[:12]} {tree.container.config.name}"
                error.hint = f"{still}the commit differs there from the stash's: '{back}' first"
            raise
        count = len(changes_of(tree.image, shown))
        if count:
            show(repository, tree, writer, shown, "stash pop", identity, progress)
        return Popped(_drop(repository, tree.container, kept, "stash pop", identity), count)


_IN_THE_WAY = "'lxgit commit' or 'lxgit restore' what is in its way first"


def drop(
    repository: Repository, name: str | None, which: str | None, *, identity: Identity
) -> DroppedStash:
    """Let go of a stash, as `find_stash` finds it; gc may take it."""
    name, which = _meant(repository, name, which)
    with edited(find_container(repository, name)) as container:
        kept = _find(repository, container, which)
        return _drop(repository, container, kept, "stash drop", identity)


def list_stashes(repository: Repository, name: str | None = None) -> list[Stash]:
    """The stashes of a container or of all, the youngest of each first, damaged ones among them."""
    if name is not None:
        return _stashes(repository, find_container(repository, name))
    containers = all_containers(repository.containers_dir)
    return [stash for container in containers for stash in _stashes(repository, container)]


def find_stash(repository: Repository, name: str | None, which: str | None = None) -> Stash:
    """A container's youngest stash, or the one that `which` names: `stash@{1}` or `1`.

    With no name, and with that of a stash alone, of the only container that has one. NoStash,
    SeveralStashed.
    """
    name, which = _meant(repository, name, which)
    container = find_container(repository, name)
    kept = _find(repository, container, which)
    return _told(repository, container, kept.position, kept.oid)


def _meant(repository: Repository, name: str | None, which: str | None) -> tuple[str, str | None]:
    """The container, and the stash of it, where either may have been left out.

    `1` alone is a container only where that is one's name: what an id begins with is chance.
    """
    if name is not None and which is None and _NAME.fullmatch(name):
        named = container_names(repository.containers_dir).get(name)
        if named is not None:
            return named, None
        name, which = None, name
    return _only_stashed(repository) if name is None else name, which


def _only_stashed(repository: Repository) -> str:
    names = container_names(repository.containers_dir)
    found = {name: one for name, one in names.items() if stashed(repository, one)}
    if not found:
        raise NoStash("no container has a stash", hint="'lxgit stash push' makes one")
    if len(found) > 1:
        raise SeveralStashed(
            f"several containers have stashes: {', '.join(sorted(found))}",
            hint="'lxgit stash list' lists them; name the container, too",
        )
    return found.popitem()[1]


class _Kept(NamedTuple):
    """Where a stash is among those of its container, the number of its ref, and its id."""

    position: int
    number: int
    oid: ObjectID


def _find(repository: Repository, container: Container, which: str | None) -> _Kept:
    match = _NAME.fullmatch("0" if which is None else which)
    if match is None:
        raise UsageError(f"'{which}' is no stash", hint="stash@{1}, or 1")
    position = int(match[1] or match[2])
    kept = [*stashed(repository, container.id).items()][::-1]
    if position >= len(kept):
        shown = container.config.name
        if kept:
            fault, hint = stash_name(position), f"'lxgit stash list {shown}' lists what it has"
        else:
            fault, hint = "stash", f"'lxgit stash push {shown}' makes one of its changes"
        raise NoStash(f"container '{shown}' has no {fault}", hint=hint)
    return _Kept(position, *kept[position])


def _stashes(repository: Repository, container: Container) -> list[Stash]:
    kept = [*stashed(repository, container.id).values()][::-1]
    return [_told_anyway(repository, container, number, oid) for number, oid in enumerate(kept)]


def _told_anyway(
    repository: Repository, container: Container, position: int, oid: ObjectID
) -> Stash:
    """Also of one that is damaged, which can be dropped."""
    try:
        return _told(repository, container, position, oid)
    except LxgitError as error:
        told = f"damaged: {error.message}"
        return Stash(row_of(container), position, hex_id(oid), "", 0, told, is_damaged=True)


def _told(repository: Repository, container: Container, position: int, oid: ObjectID) -> Stash:
    commit = read_commit(repository, oid)
    return Stash(
        container=row_of(container),
        number=position,
        oid=hex_id(oid),
        parent=hex_id(commit.parents[0]),
        created=commit.committer.time,
        message=subject(commit.message),
    )


def _drop(
    repository: Repository, container: Container, kept: _Kept, verb: str, identity: Identity
) -> DroppedStash:
    """Without a look at it, which may be damaged."""
    why = f"{verb}: {container.config.name}"
    set_stash(repository, container.id, kept.number, None, identity, old=kept.oid, message=why)
    return DroppedStash(row_of(container), stash_name(kept.position), hex_id(kept.oid))
