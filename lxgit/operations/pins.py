"""The refs of containers: what keeps from gc what they stand on, were, and have in stashes.

What `pinning` makes again where it is missing.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.refnames import PINS, STASH, stash_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

KEPT = "-kept"
"""How the name of the ref ends that keeps what a container was."""

_PASSING = "passing container"
"""What the reflog says of a commit of a container that goes when it has ended."""


def pin_commit(
    repository: Repository,
    container: str,
    commit: str,
    identity: Identity,
    *,
    base: str | None = None,
    passing: bool = False,
) -> None:
    """Keep from gc what the container of that id stands on: refs of its own under refs/lxgit/.

    One that is `passing` goes when it has ended: a power failure may leave nothing but its refs.

    Call it before the container's record names the commit, and after it names a base no more: a
    crash between the two may keep too much, until the next time, never too little. So may somebody
    who has packed-refs locked.
    """
    from lxgit.objects.filelock import RefLocked
    from lxgit.objects.refs import ANY

    message = _PASSING if passing else "container"
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
    pin_commit(repository, container, commit, identity)
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

    for ref in repository.refs.list(_pin(container, "")):
        repository.refs.update(ref, None, old=ANY, message="container removed", who=ITSELF)


def unpin_leftovers(repository: Repository, living: Collection[str]) -> int:
    """Let go of what is kept for containers that came to nothing; how many those are.

    They are not among the `living`.
    """
    count = 0
    for container, refs in _kept_without(repository, living).items():
        if _came_to_nothing(repository, container, refs):
            unpin_commit(repository, container)
            count += 1
    return count


def lost_pins(repository: Repository, living: Collection[str]) -> dict[str, ObjectID]:
    """The refs of containers that are not among the `living`, though nobody deleted them."""
    return {
        ref: oid
        for container, refs in _kept_without(repository, living).items()
        if not _came_to_nothing(repository, container, refs)
        for ref, oid in refs.items()
    }


def _kept_without(
    repository: Repository, living: Collection[str]
) -> dict[str, dict[str, ObjectID]]:
    """What is kept for containers that are not among these."""
    found: dict[str, dict[str, ObjectID]] = {}
    for ref, oid in repository.refs.list(PINS).items():
        if (container := pin_owner(ref)) not in living:
            found.setdefault(container, {})[ref] = oid
    return found


def _came_to_nothing(repository: Repository, container: str, refs: Mapping[str, ObjectID]) -> bool:
    """Whether a container that is not there never was, or was one that passes.

    Any other is perhaps to be back: on its disk, or from a backup. Nothing else has its stashes,
    nor perhaps its commits. One that never was has none of its own: all that is kept for it, other
    refs keep as well.
    """
    from lxgit.objects.git import GitFailed
    from lxgit.operations import garbage

    pin = _pin(container, "")
    if not refs.keys() <= {pin, _pin(container, "-base")}:
        return False
    log = repository.refs.reflog(pin)
    if log:
        return log[0].message == _PASSING
    others = (f"--exclude={pin}*", *garbage.KEPT)
    words = ("rev-list", "--max-count=1", *map(hex_id, refs.values()), "--not", *others)
    with suppress(GitFailed):  # history is damaged
        return not repository.git.run(words)
    return False


def _pin(container: str, name: str) -> str:
    return f"{PINS}{container}{name}"
