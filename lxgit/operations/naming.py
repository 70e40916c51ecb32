"""Names of branches and tags: which are free, who gets one, and which ref one means.

A branch and a tag never share a name, nor either with a container: whoever gives a name out looks
whether it is free while nobody else gives out any.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.refnames import (
    BRANCHES,
    LATEST,
    TAGS,
    InvalidName,
    check_name,
    is_valid_ref,
    short_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.repository import Repository


_OF_A_CONTAINER = "a container shares its name with none"


class NameTaken(LxgitError):
    """The name means something else already."""


class NoSuchRef(LxgitError):
    """There is no branch or tag of that name."""


class RefExists(LxgitError):
    """The branch or tag is there already."""


def branch_name(name: str) -> str:
    """A branch's name as lxgit keeps it: `base:latest` is the branch `base`."""
    return name.removesuffix(f":{LATEST}")


def branch_ref(name: str) -> str:
    """The full name of a branch's ref; `base:latest` is the branch `base`."""
    return BRANCHES + branch_name(name)


def tag_ref(name: str) -> str:
    """The full name of a tag's ref; `base:v1` is the tag `base/v1`."""
    return TAGS + name.replace(":", "/", 1)


def check_branch_name(repository: Repository, name: str) -> None:
    """Raise InvalidName or NameTaken unless a branch may have this name, or has it."""
    ref = branch_ref(name)
    if not _is_there(repository, ref):
        check_name(name)
    _check_free(ref, namesake(repository, ref))


def check_tag_name(repository: Repository, name: str) -> None:
    """Raise InvalidName or NameTaken unless a tag may have this name, `base/v1` or `base:v1`."""
    written, name = name, tag_ref(name).removeprefix(TAGS)
    if not _is_there(repository, TAGS + name):
        check_name(name if ":" not in name else written)  # with two colons told as it is typed
    image, slash, tag = name.rpartition("/")
    if slash and tag == LATEST:
        raise InvalidName(
            f"'{image}:{LATEST}' is the branch '{image}', and no tag",
            hint=f"'lxgit branch {image} REV' makes it, -f moves it",
        )
    _check_free(TAGS + name, namesake(repository, TAGS + name))


def _is_there(repository: Repository, ref: str) -> bool:
    """Whether somebody has given that name: stock Git, which takes some more, or an older lxgit."""
    return is_valid_ref(ref) and repository.refs.read(ref) is not None


def check_container_name(repository: Repository, name: str) -> None:
    """Raise NameTaken when a branch or a tag has the name that a container is to have."""
    for prefix, word in ((BRANCHES, "branch"), (TAGS, "tag")):
        if repository.refs.read(prefix + name) is not None:
            raise _taken(name, word, _OF_A_CONTAINER)


def left_without_a_name(repository: Repository, oid: ObjectID | None) -> str | None:
    """The commit that a branch or a tag was at which has been moved, if no name leads to it now."""
    from lxgit.objects.git import GitFailed
    from lxgit.objects.history import has_a_name
    from lxgit.objects.ids import hex_id
    from lxgit.objects.packedrefs import CorruptRef

    if oid is None:
        return None
    try:
        head = repository.refs.head()
        if has_a_name(repository.git, oid, None if isinstance(head, str) else head):
            return None
    except (GitFailed, CorruptRef):  # its history is damaged, which may be why it was moved
        return None
    commit = repository.revisions.peeled(oid)
    return None if commit is None else hex_id(commit)


def namesake_ref(ref: str) -> str:
    """The tag that has a branch's name, or the branch that has a tag's."""
    return (TAGS if ref.startswith(BRANCHES) else BRANCHES) + short_name(ref)


def namesake(repository: Repository, ref: str) -> str | None:
    """What else has the name of a branch or tag: a `branch`, a `tag` or a `container`."""
    from lxgit.runtime.index import has_name

    return _namesake(repository, ref, has_name)


def _namesake(
    repository: Repository, ref: str, is_container: Callable[[Path, str], bool]
) -> str | None:
    if repository.refs.read(namesake_ref(ref)) is not None:
        return "tag" if ref.startswith(BRANCHES) else "branch"
    return "container" if is_container(repository.containers_dir, short_name(ref)) else None


def _check_free(ref: str, other: str | None) -> None:
    """Raise NameTaken where something else has the name of a branch or a tag."""
    if other is not None:
        rule = _OF_A_CONTAINER if other == "container" else "a branch and a tag never share a name"
        raise _taken(short_name(ref), other, rule)


def _taken(name: str, other: str, rule: str) -> NameTaken:
    return NameTaken(f"'{name}' is a {other}", hint=f"{rule}: choose another")


def set_ref(
    repository: Repository,
    ref: str,
    oid: ObjectID,
    *,
    old: ObjectID | None,
    message: str,
    who: Signature,
    log: Sequence[ReflogEntry] = (),
) -> None:
    """Have a branch or a tag name a commit, as `RefStore.update` does; a new one if it is free.

    That it was free the caller has seen by `namesake`, which reads every container's record where
    it is; here only what somebody has given out since is looked for. NameTaken, and what that
    raises.
    """
    if old is not None or not ref.startswith((BRANCHES, TAGS)):
        repository.refs.update(ref, oid, old=old, message=message, who=who, log=log)
        return
    from lxgit.runtime.index import is_linked, list_lock

    with repository.writing(), list_lock(repository.containers_dir):
        _check_free(ref, _namesake(repository, ref, is_linked))
        repository.refs.update(ref, oid, old=None, message=message, who=who, log=log)


def shared_names(repository: Repository) -> list[tuple[str, str, str]]:
    """The names that two things have, which stock Git can bring about: each with what these are."""
    from lxgit.runtime.index import container_names, list_lock, names_as_they_stand

    registry = repository.containers_dir
    found = list(_shared(repository, container_names(registry)))
    if found:  # perhaps one was given up, and given to another, meanwhile: now nobody gives out any
        with list_lock(registry, reading=True):
            found = list(_shared(repository, names_as_they_stand(registry)))
    return found


def _shared(
    repository: Repository, containers: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    tags = {short_name(ref) for ref in repository.refs.list(TAGS)}
    for name in map(short_name, repository.refs.list(BRANCHES)):
        if name in tags:
            yield name, "branch", "tag"
        if name in containers:
            yield name, "branch", "container"
    for name in sorted(tags.intersection(containers)):
        yield name, "tag", "container"
