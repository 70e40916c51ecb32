"""Tags, plain and annotated."""

from __future__ import annotations

from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import Tag, decode_tag, encode_tag
from lxgit.objects.ids import ObjectID, ObjectType, hex_id
from lxgit.objects.messages import clean_message
from lxgit.objects.refnames import BRANCHES, LATEST, TAGS, InvalidName
from lxgit.operations.logvalues import RefKind
from lxgit.operations.lookup import find_image
from lxgit.operations.naming import (
    NameTaken,
    NoSuchRef,
    RefExists,
    branch_name,
    check_branch_name,
    check_tag_name,
    left_without_a_name,
    set_ref,
    tag_ref,
)
from lxgit.operations.values import RemovedRef, TagRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.values import Identity
    from lxgit.repository import Repository


def list_tags(repository: Repository, pattern: str | None = None) -> list[TagRow]:
    """Every tag by name, those that match a shell pattern; an annotated one with its message."""
    from fnmatch import fnmatchcase

    rows = []
    for ref, oid in repository.refs.list(TAGS).items():
        name = ref.removeprefix(TAGS)
        if pattern is None or fnmatchcase(name, pattern):
            rows.append(_row(repository, name, oid))
    return rows


def _row(repository: Repository, name: str, oid: ObjectID) -> TagRow:
    """One tag; of a damaged one no more than its name is known, and the `fault`."""
    try:
        target = repository.revisions.peeled(oid) or oid
        return TagRow(name, hex_id(target), _message(repository, oid))
    except LxgitError as error:
        return TagRow(name, hex_id(oid), "", fault=error.message)


def _message(repository: Repository, oid: ObjectID) -> str:
    """That of an annotated tag."""
    kind, _ = repository.objects.describe(oid)
    return decode_tag(repository.objects.read(oid)[1]).message if kind is ObjectType.TAG else ""


def create_tag(
    repository: Repository,
    name: str,
    revision: str | None,
    *,
    message: str | None = None,
    force: bool = False,
    identity: Identity,
) -> str | None:
    """A tag at `revision`, HEAD by default; with a message, an annotated one.

    Without one, the id of an annotated tag of that name has that back.
    `force` moves one that is there. Returns the commit that this was at, if no name has that now.
    """
    ref = tag_ref(name)
    written, name = name, ref.removeprefix(TAGS)
    try:
        check_tag_name(repository, written)
    except NameTaken as error:
        if revision is not None and repository.refs.read(BRANCHES + name) is not None:
            error.hint = _in_dockers_order(repository, name, revision) or error.hint
        raise
    oid = find_image(repository, "HEAD" if revision is None else revision)
    present = repository.refs.read(ref)
    if present is not None and not force:
        raise RefExists(f"the tag '{name}' is there already", hint="-f moves it")
    value = _annotated(repository, name, revision or "") or oid
    with repository.objects.writer(trusted=True) as writer:
        if message is not None:
            text = clean_message(message)
            tag = Tag(oid, ObjectType.COMMIT, name, identity.committer, text)
            value = writer.add(ObjectType.TAG, encode_tag(tag))
        with writer.finish():
            told, who = f"tag: {hex_id(oid)}", identity.committer
            set_ref(repository, ref, value, old=present, message=told, who=who)
    return left_without_a_name(repository, present)


def _annotated(repository: Repository, name: str, text: str) -> ObjectID | None:
    """The annotated tag whose id begins so, if it was made for that name."""
    found = repository.objects.resolve_prefix(text)
    if len(found) != 1 or repository.revisions.ref_name(text) is not None:
        return None
    kind, data = repository.objects.read(found[0])
    return found[0] if kind is ObjectType.TAG and decode_tag(data).name == name else None


def _in_dockers_order(repository: Repository, image: str, name: str) -> str:
    """What does the same as `docker tag IMAGE NAME`; nothing where no ref can have the name."""
    ways = []
    with suppress(InvalidName, NameTaken):
        check_tag_name(repository, name)
        ways.append(f"'lxgit tag {name} {image}' tags it")
    branch = branch_name(name)
    with suppress(InvalidName, NameTaken):
        check_branch_name(repository, branch)
        ways.append(f"'lxgit branch {branch} {image}' is what Docker calls {branch}:{LATEST}")
    return "; ".join(ways)


def delete_tag(repository: Repository, name: str, *, identity: Identity) -> RemovedRef:
    """Delete a tag. NoSuchRef."""
    ref = tag_ref(name)
    oid = repository.refs.read(ref)
    if oid is None:
        is_branch = repository.refs.read(BRANCHES + name) is not None
        hint = (
            f"'{name}' is a branch: see 'lxgit branch'" if is_branch else "'lxgit tag' lists them"
        )
        raise NoSuchRef(f"there is no tag '{name}'", hint=hint)
    was = None
    with suppress(LxgitError):  # a damaged one can go as well
        was = repository.revisions.peeled(oid)
    repository.refs.update(ref, None, old=oid, message="tag: deleted", who=identity.committer)
    return RemovedRef(RefKind.TAG, ref.removeprefix(TAGS), hex_id(was or oid))
