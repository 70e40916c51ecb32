"""An image that was pulled, loaded or built gets its name: a branch, or a tag.

A name that is there moves forward as long as nobody has committed on it: where the new commit
descends from the old one, or where the old one came the same way, as an entry of the ref's reflog
says (gc keeps the last one for that). Another move wants to be forced, and is kept in the reflog as
any other.
"""

from __future__ import annotations

from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.history import is_ancestor
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES, TAGS, image_and_tag, short_name
from lxgit.objects.refs import RefMoved
from lxgit.operations.naming import (
    branch_name,
    branch_ref,
    check_branch_name,
    check_tag_name,
    left_without_a_name,
    set_ref,
    tag_ref,
)
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository

PULL, LOAD, BUILD = "pull", "load", "build"
"""The ways that an image can come: what its entry in the reflog begins with."""

_WAYS = tuple(f"{way}:" for way in (PULL, LOAD, BUILD))


class NameHasCommits(LxgitError):
    """The name is at a commit that somebody made, and that would be left behind."""


class Arrival(NamedTuple):
    """What a name was and is; `old` is None for a new one.

    `dropped` is where it was that was made to move, if no name leads to that now.
    """

    ref: str
    old: ObjectID | None
    new: ObjectID
    dropped: str | None = None

    @property
    def unchanged(self) -> bool:
        """Whether the name was at this very commit."""
        return self.old == self.new


def ref_for(repository: Repository, name: str) -> str:
    """The ref that NAME or NAME:TAG stands for, there or not. InvalidName, NameTaken."""
    name = branch_name(name)
    if ":" in name:
        check_tag_name(repository, name)
        return tag_ref(name)
    check_branch_name(repository, name)
    return branch_ref(name)


def arrive(
    repository: Repository,
    ref: str,
    commit: ObjectID,
    *,
    way: str,
    source: str,
    force: bool = False,
    identity: Identity,
) -> Arrival:
    """Have a ref of `ref_for` name a commit, which is durable; the first branch becomes HEAD.

    `way` is PULL, LOAD or BUILD, `source` what the reflog says behind it. NameHasCommits unless it
    may move, also where somebody else has just moved it; RefConflict.
    """
    while True:
        with suppress(RefMoved):  # whoever was faster has come to an end: so does this
            return _arrive(repository, ref, commit, f"{way}: {source}", identity, force=force)


def _arrive(
    repository: Repository,
    ref: str,
    commit: ObjectID,
    message: str,
    identity: Identity,
    *,
    force: bool,
) -> Arrival:
    value = repository.refs.read(ref)
    old = None if value is None else repository.revisions.peel(value)
    if old != commit:
        if old is not None and not force:
            _check_movable(repository, Arrival(ref, old, commit), value)
        adopt_as_head(repository, ref, identity)  # HEAD names no other then
        set_ref(repository, ref, commit, old=value, message=message, who=identity.committer)
        if force:
            return Arrival(ref, old, commit, left_without_a_name(repository, old))
    return Arrival(ref, old, commit)


def _check_movable(repository: Repository, move: Arrival, value: ObjectID | None) -> None:
    """`value` is the ref's: the old commit, or an annotated tag of it."""
    entries = repository.refs.reflog(move.ref)
    if any(entry.new == value and entry.message.startswith(_WAYS) for entry in entries):
        return
    assert move.old is not None
    if not is_ancestor(repository.git, move.old, move.new):
        raise NameHasCommits(
            f"'{_shown(move.ref)}' has commits that the new image does not descend from",
            hint="another name keeps both; --force moves it, and the reflog keeps"
            f" {hex_id(move.old)[:12]}",
        )


def _shown(ref: str) -> str:
    """A ref as `images` has it: `base`, `base:v1`."""
    image, tag = image_and_tag(short_name(ref))
    return f"{image}:{tag}" if image and ref.startswith(TAGS) else short_name(ref)


def adopt_as_head(repository: Repository, ref: str, identity: Identity) -> None:
    """Have HEAD name the first branch of a store."""
    head = repository.refs.head()
    if not isinstance(head, str) or repository.refs.read(head) is not None:
        return
    if not ref.startswith(BRANCHES):
        return
    message, who = f"checkout: first branch {ref}", identity.committer
    repository.refs.set_head(ref, message=message, who=who, unborn=True)
