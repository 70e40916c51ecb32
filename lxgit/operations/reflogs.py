"""Where refs were."""

from __future__ import annotations

from lxgit.objects.ids import hex_id
from lxgit.objects.lostrefs import LostRefs
from lxgit.objects.packedrefs import CorruptRef
from lxgit.objects.reflogs import ReflogEntry
from lxgit.objects.refnames import short_name
from lxgit.operations.naming import NoSuchRef, branch_ref, tag_ref
from lxgit.operations.values import ReflogRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.deletions import Deletion
    from lxgit.repository import Repository


def reflog(repository: Repository, name: str = "HEAD") -> list[ReflogRow]:
    """What a ref was, the last change first, also one that was deleted.

    UnknownRevision when there never was one, as far as anybody knows.
    """
    ref = _ref(repository, name)
    if ref is not None:
        return list(_rows(name, repository.refs.reflog(ref)))
    entries = _former(repository, name)
    if not entries:
        raise repository.revisions.unknown(name)
    return list(_rows(name, entries))


def _former(repository: Repository, name: str) -> list[ReflogEntry]:
    """What branches and tags of that name were that were deleted."""
    meant = _meant(name)
    gone = [one for one in repository.refs.deleted() if one.ref in meant]
    # One that came back in between has the same again in its log.
    return list(dict.fromkeys(entry for one in gone for entry in (_last(one), *one.log)))


def _last(deletion: Deletion) -> ReflogEntry:
    """The entry that says that it went, with what it was."""
    return ReflogEntry(None, deletion.oid, deletion.who, deletion.message)


def _ref(repository: Repository, name: str) -> str | None:
    """The ref that is meant; of one that is damaged or lost, and of HEAD, the one with a log."""
    name = "HEAD" if name == "@" else name
    logged = repository.refs.logged()
    if name == "HEAD" and name in logged:
        return name
    try:
        if (ref := repository.revisions.ref_name(name)) is not None:
            return ref
        lost = LostRefs(repository.git_dir).lost()
        return next((ref for ref in _meant(name) if ref in lost), None)
    except CorruptRef:
        for ref in _meant(name):
            if ref in logged:
                return ref
        raise


def _meant(name: str) -> tuple[str, ...]:
    """The refs that a name may be the name of: `refs/heads/base`, `heads/base`, `base`."""
    return (name, f"refs/{name}", tag_ref(name), branch_ref(name))


def deleted(repository: Repository, name: str | None = None) -> list[ReflogRow]:
    """The branches and tags that were deleted, with what they were, the last first.

    With a name all that those of it were, also where there is a new one. NoSuchRef.
    """
    if name is not None:
        entries = _former(repository, name)
        if not entries:
            raise NoSuchRef(
                f"no branch or tag '{name}' was deleted, as far as is known",
                hint="'lxgit reflog --deleted' lists those that were",
            )
        return [row._replace(name=name) for row in _rows(name, entries)]
    return [
        ReflogRow(short_name(one.ref), one.ref, hex_id(one.oid), None, one.who, one.message)
        for one in repository.refs.deleted()
    ]


def _rows(name: str, entries: Sequence[ReflogEntry]) -> Iterator[ReflogRow]:
    for number, entry in enumerate(entries):
        if entry.new is None:  # HEAD, when the branch that it named went
            continue
        old = None if entry.old is None else hex_id(entry.old)
        shown = f"{name}@{{{number}}}"
        yield ReflogRow(shown, name, hex_id(entry.new), old, entry.who, entry.message)
