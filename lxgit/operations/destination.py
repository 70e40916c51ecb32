"""Where a commit of a container goes: a branch, its own or another, or a tag."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.history import is_ancestor
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.messages import trailers
from lxgit.objects.refnames import TAGS
from lxgit.operations.lookup import read_commit
from lxgit.operations.naming import (
    branch_name,
    branch_ref,
    check_branch_name,
    check_tag_name,
    tag_ref,
)
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class BranchMoved(LxgitError):
    """The branch has commits that the container does not stand on."""


class NeedsName(LxgitError):
    """A container of no branch: where the commit goes must be said."""


@dataclass(frozen=True, slots=True)
class Destination:
    """The ref that the commit goes to, what it is now, and the branch of the container then."""

    ref: str
    tip: ObjectID | None
    branch: str | None

    @property
    def is_tag(self) -> bool:
        return self.ref.startswith(TAGS)


def destination_of(
    repository: Repository, container: Container, wanted: str | None, *, force: bool
) -> Destination:
    """Where a commit goes, `wanted` being NAME or NAME:TAG. BranchMoved, NeedsName, NameTaken."""
    parent = from_hex(container.config.commit)
    name = branch_name(wanted) if wanted is not None else None
    if name is not None and ":" in name:
        check_tag_name(repository, name)
        ref = tag_ref(name)
        destination = Destination(ref, repository.refs.read(ref), container.config.branch)
        if destination.tip is not None and not force:
            raise BranchMoved(f"the tag '{name}' is there already", hint="--force moves it")
        return destination
    if name is not None:
        check_branch_name(repository, name)
    branch = name or container.config.branch
    if branch is None:
        raise NeedsName(
            f"container '{container.config.name}' is on no branch",
            hint=f"'lxgit commit {container.config.name} NAME' says where the commit goes",
        )
    ref = branch_ref(branch)
    tip = repository.refs.read(ref)
    fits = tip is None or is_ancestor(repository.git, tip, parent) or force
    if not fits and not is_own(repository, container, tip):
        its_name = container.config.name
        raise BranchMoved(
            f"'{branch}' has moved on to {hex_id(tip)[:12]} since the container was started"
            if name is None and tip is not None
            else f"'{branch}' is not where the container stands",
            hint=f"'lxgit commit {its_name} NEWNAME' makes a branch of it; "
            + (
                f"'lxgit checkout --merge {branch} {its_name}' takes its changes there"
                if name is None
                else "--force moves it"
            ),
        )
    return Destination(ref, tip, branch)


def is_own(repository: Repository, container: Container, tip: ObjectID | None) -> bool:
    """Whether a commit was made of this container as it was, by an attempt that did not end."""
    if tip is None:
        return False
    made = read_commit(repository, tip)
    parent = from_hex(container.config.commit)
    return made.parents == (parent,) and ("Container", container.id) in trailers(made.message)
