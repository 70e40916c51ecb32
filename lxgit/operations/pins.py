"""The refs of containers: what keeps from gc what they stand on, were, and have in stashes.

What `pinning` makes again where it is missing.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import PINS, STASH, stash_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lxgit.objects.commits import Signature
    from lxgit.objects.filelock import RefLocked
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

    Kept = dict[str, dict[str, ObjectID]]  # refs, and what they name, by their container's id

KEPT = "-kept"
"""How the name of the ref ends that keeps what a container was."""

_PASSING = "passing container"
"""What the reflog says of a commit of a container that goes when it has ended."""

_STAYING = "container"
"""What it says of any other's."""


def pin_commit(
    repository: Repository,
    container: Container,
    commit: str,
    identity: Identity,
    *,
    base: str | None = None,
) -> None:
    """Keep from gc what a container stands on: refs of its own under refs/lxgit/.

    Of one that goes when it has ended, they say so: a power failure may leave nothing else.

    Call it before the container's record names the commit, and after it names a base no more: a
    crash between the two may keep too much, until the next time, never too little. So may somebody
    who has packed-refs locked.
    """
    is_new = pinned(repository, container.id) is None  # to a container that was made long ago
    _pin_commit(repository, container.id, commit, identity, _message(container), base)
    if is_new and container.stays:
        settle(repository, container, identity.committer)


def _pin_commit(
    repository: Repository,
    container: str,
    commit: str,
    identity: Identity,
    message: str,
    base: str | None = None,
) -> None:
    from lxgit.objects.filelock import RefLocked
    from lxgit.objects.refs import ANY

    for name, commit_or_none in (("-base", base), ("", commit)):
        ref = _pin(container, name)
        oid = from_hex(commit_or_none) if commit_or_none is not None else None
        if oid != repository.refs.read(ref):
            try:
                who = identity.committer
                repository.refs.update(ref, oid, old=ANY, message=message, who=who)
            except RefLocked:
                if oid is not None:
                    raise


def _message(container: Container) -> str:
    return _PASSING if container.config.passes else _STAYING


def settle(repository: Repository, container: Container, who: Signature) -> None:
    """Have a container that was just made outlive a power failure, and its refs its absence."""
    from lxgit.objects.reflogs import ReflogEntry

    container.settle()
    ref = _pin(container.id, "")
    pinned, log = repository.refs.read(ref), repository.refs.reflog(ref)
    if pinned is not None:
        last = log[0] if log else ReflogEntry(None, pinned, who, "")
        with suppress(LxgitError, OSError):  # it runs; the next sweep does it
            entries = [last._replace(message=_STAYING), *log[1:]]
            repository.refs.replace_reflog(ref, entries, of=log)


def settle_others(repository: Repository, containers: Iterable[Container]) -> None:
    """The same for those whose maker was killed before, and those that were to go, and stay."""
    logged = frozenset(repository.refs.logged())
    for container in containers:
        with suppress(LxgitError, OSError):  # it goes, or its ref is damaged
            if not _was_made(repository, _pin(container.id, ""), logged) and container.stays:
                settle(repository, container, ITSELF._replace(time=int(time.time())))


def keep_commit(
    repository: Repository, container: str, commit: ObjectID, identity: Identity, message: str
) -> None:
    """Keep what a container was until the next such moment, or until it goes."""
    from lxgit.objects.refs import ANY

    ref = _pin(container, KEPT)
    if commit != repository.refs.read(ref):
        repository.refs.update(ref, commit, old=ANY, message=message, who=identity.committer)


def stashed(repository: Repository, container: str) -> dict[int, ObjectID]:
    """What was put away of the container of that id, by numbers that go up with time."""
    refs = repository.refs.list(_pin(container, STASH))
    numbered = ((stash_number(ref), oid) for ref, oid in refs.items())
    return dict(sorted((number, oid) for number, oid in numbered if number is not None))


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
    ref = _pin(container, f"{STASH}{number}")
    before, after = (None if one is None else hex_id(one) for one in (old, commit))
    repository.operations.record(ref, before, after, message, identity.committer.time)
    repository.refs.update(ref, commit, old=old, message=message, who=identity.committer)


def pin_owner(ref: str) -> str:
    """The id of the container that one of PINS keeps a commit for."""
    return ref.removeprefix(PINS).partition("-")[0]


def stash_owner(ref: str) -> str | None:
    """The id of the container that a ref keeps a stash of, if it is such a ref."""
    return pin_owner(ref) if ref.startswith(PINS) and STASH in ref else None


def pinned(repository: Repository, container: str) -> ObjectID | None:
    """The commit that `pin_commit` keeps for the container of that id."""
    return repository.refs.read(_pin(container, ""))


@contextmanager
def pinned_commit(
    repository: Repository, container: str, commit: str, identity: Identity
) -> Iterator[None]:
    """Keep the commit of a container that is made meanwhile; not when that fails."""
    _pin_commit(repository, container, commit, identity, _STAYING)
    try:
        yield
    except BaseException:
        unpin_commit(repository, container)
        raise


def unpinned_commits(repository: Repository, container: Container) -> list[str]:
    """What the container stands on, and no ref of its own keeps from gc.

    One that is about to stand on another commit has that pinned, over the one of before, say.
    """
    pins = [repository.refs.read(_pin(container.id, name)) for name in ("", "-base")]
    config = container.config
    left = [one for one in (config.commit, config.base) if one and from_hex(one) not in pins]
    return left and _beyond(repository, container, left)


def _beyond(repository: Repository, container: Container, commits: list[str]) -> list[str]:
    """Those of some commits that no ref of the container reaches, as far as histories are whole."""
    from lxgit.operations.garbage import unreached

    refs = repository.refs.list(_pin(container.id, ""))
    tips = [hex_id(oid) for oid in refs.values() if oid in repository.objects]
    try:
        lost = unreached(repository, tips, set(map(from_hex, commits)))
    except LxgitError:
        return commits
    return [one for one in commits if from_hex(one) in lost]


def let_go(repository: Repository, container: str | None = None) -> None:
    """Let go of what is left of a container that was deleted, and of what is kept for it.

    Then of those whose deletion was killed, as far as that works. While a ref is locked it stays,
    and with it what says that the container was deleted: whoever comes by here next goes on.
    """
    from lxgit.objects.filelock import RefLocked
    from lxgit.runtime import erasing

    containers = repository.containers_dir
    own = () if container is None else (container,)
    for one in dict.fromkeys((*own, *erasing.gone(containers))):
        erasing.empty_gone(containers, one)  # on a full disk no ref can go before
        try:
            if not (containers / one).exists():  # else a backup has brought it back
                unpin_commit(repository, one)
            erasing.drop_gone(containers, one)
        except RefLocked:
            return  # waited for once is enough
        except (LxgitError, OSError):
            if one == container:
                raise


def unpin_commit(repository: Repository, container: str) -> None:
    """Let go of all that is kept for the container of that id."""
    from lxgit.objects.refs import ANY

    # What is said of them all in the log of the first one holds until the others have gone.
    for ref in reversed(repository.refs.list(_pin(container, ""))):
        repository.refs.update(ref, None, old=ANY, message="container removed", who=ITSELF)
    for ref in repository.refs.damaged(_pin(container, "")):
        repository.refs.drop(ref)


def unpin_leftovers(repository: Repository, living: Collection[str], held: list[RefLocked]) -> int:
    """Let go of what is kept for containers that came to nothing; how many those are.

    They are not among the `living`. While a ref is locked it stays; `held` gets that.
    """
    from lxgit.objects.filelock import RefLocked

    count = 0
    try:
        for container in _kept_without(repository, living)[0]:
            unpin_commit(repository, container)
            count += 1
    except RefLocked as error:
        held.append(error)  # waited for once is enough
    return count


def lost_pins(repository: Repository, living: Collection[str]) -> dict[str, ObjectID]:
    """The refs of containers that are not among the `living`, though nobody deleted them."""
    refs: dict[str, ObjectID] = {}
    for lost in _kept_without(repository, living)[1].values():
        refs.update(lost)
    return refs


def _kept_without(repository: Repository, living: Collection[str]) -> tuple[Kept, Kept]:
    """What is kept for containers that came to nothing, and for those that are lost.

    Neither are among these, nor deleted: those are `let_go`'s. Came to nothing has who was never
    made, or was to pass. Any other is perhaps to be back, on its disk or from a backup: nothing
    else has its stashes, nor perhaps its commits.
    """
    from lxgit.runtime import erasing

    there = {*living, *erasing.gone(repository.containers_dir)}
    found: Kept = {}
    for ref, oid in repository.refs.list(PINS).items():
        if (container := pin_owner(ref)) not in there:
            found.setdefault(container, {})[ref] = oid
    if not found:
        return {}, {}
    logged = frozenset(repository.refs.logged())  # also without any entry, when those are old
    nothing: Kept = {}
    lost: Kept = {}
    for container, refs in found.items():
        has_stash = any(stash_number(ref) is not None for ref in refs)
        came = has_stash or _was_made(repository, _pin(container, ""), logged)
        (lost if came else nothing)[container] = refs
    return nothing, lost


def _was_made(repository: Repository, pin: str, logged: Collection[str]) -> bool:
    log = repository.refs.reflog(pin)
    return log[0].message != _PASSING if log else pin in logged


def _pin(container: str, name: str) -> str:
    return f"{PINS}{container}{name}"
