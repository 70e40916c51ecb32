"""Names of branches and tags: which are free, and which ref one means.

A branch and a tag never share a name, nor either with a container.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.refnames import BRANCHES, LATEST, TAGS, InvalidName, check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository


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
    """Raise InvalidName or NameTaken unless a branch may have this name."""
    check_name(name)
    _check_free(repository, name, TAGS, "tag")


def check_tag_name(repository: Repository, name: str) -> None:
    """Raise InvalidName or NameTaken unless a tag may have this name, `base/v1` or `base:v1`."""
    written, name = name, tag_ref(name).removeprefix(TAGS)
    check_name(name if ":" not in name else written)  # one with two colons is told as it is typed
    image, slash, tag = name.rpartition("/")
    if slash and tag == LATEST:
        raise InvalidName(
            f"'{image}:{LATEST}' is the branch '{image}', and no tag",
            hint=f"'lxgit branch {image} REV' makes it, -f moves it",
        )
    _check_free(repository, name, BRANCHES, "branch")


def check_container_name(repository: Repository, name: str) -> None:
    """Raise NameTaken when a branch or a tag has the name that a container is to have."""
    for prefix, word in ((BRANCHES, "branch"), (TAGS, "tag")):
        if repository.refs.read(prefix + name) is not None:
            raise NameTaken(
                f"'{name}' is a {word}",
                hint="a container shares its name with none: choose another",
            )


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


def _check_free(repository: Repository, name: str, others: str, word: str) -> None:
    if repository.refs.read(others + name) is not None:
        raise NameTaken(
            f"'{name}' is a {word}", hint="a branch and a tag never share a name: choose another"
        )
    _check_containers(repository, name)


def _check_containers(repository: Repository, name: str) -> None:
    from lxgit.runtime.index import container_names

    if name in container_names(repository.containers_dir):
        raise NameTaken(f"'{name}' is a container", hint="choose another name")
