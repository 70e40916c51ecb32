"""What is told of a commit: who, when and why, its names, and what it changed."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.lean import suppress
from lxgit.objects.ids import ObjectType, hex_id
from lxgit.objects.refnames import BRANCHES, TAGS
from lxgit.operations.logvalues import Decoration, LogEntry, RefKind
from lxgit.operations.lookup import (
    IsContainer,
    IsPath,
    clean_path,
    find_commit,
    image_of,
    paths_apart,
    read_commit,
)
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.objects.commits import Commit, Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.comparison import Comparison
    from lxgit.operations.logvalues import Drawing
    from lxgit.repository import Repository


def log_entry(
    oid: ObjectID,
    commit: Commit,
    names: dict[str, tuple[Decoration, ...]],
    comparison: Comparison | None,
    drawing: Drawing | None = None,
) -> LogEntry:
    """A commit as it is told, with its name among `names`, if it has one there."""
    return LogEntry(
        hex_id(oid),
        hex_id(commit.tree),
        tuple(hex_id(parent) for parent in commit.parents),
        commit.author,
        commit.committer,
        commit.message,
        names.get(hex_id(oid), ()),
        comparison.changes if comparison is not None else None,
        comparison,
        drawing,
    )


def decorations(repository: Repository) -> dict[str, tuple[Decoration, ...]]:
    """The names of each commit that has one, by id: HEAD, branches, tags."""
    found: dict[str, list[Decoration]] = {}
    head = repository.ref_reader.head()
    if not isinstance(head, str):
        found[hex_id(head)] = [Decoration(RefKind.HEAD, "HEAD", current=True)]
    for ref, oid in repository.ref_reader.list(BRANCHES).items():
        branch = Decoration(RefKind.BRANCH, ref.removeprefix(BRANCHES), current=ref == head)
        found.setdefault(hex_id(oid), []).insert(0 if ref == head else 99, branch)
    for ref, oid in repository.ref_reader.list(TAGS).items():
        tag = Decoration(RefKind.TAG, ref.removeprefix(TAGS))
        with suppress(LxgitError):  # a damaged one is no name of what can be shown
            if (commit := repository.revisions.peeled(oid)) is not None:
                found.setdefault(hex_id(commit), []).append(tag)
    return {oid: tuple(names) for oid, names in found.items()}


def against_parent(
    repository: Repository, oid: ObjectID, paths: Sequence[bytes] = ()
) -> Comparison:
    """A commit compared with its first parent; a root commit, with nothing."""
    from lxgit.operations.comparison import Comparison, empty_image, stored_side

    parents = read_commit(repository, oid).parents
    new = stored_side(repository, image_of(repository, oid))
    if parents:
        old = stored_side(repository, image_of(repository, parents[0]))
    else:
        old = stored_side(repository, empty_image(repository, new.image))
    return Comparison(old, new, [clean_path(path) for path in paths])


def changed(repository: Repository, oid: ObjectID, paths: Sequence[bytes]) -> Comparison | None:
    """What a commit changed; None for one of another tool's, which has no image."""
    from lxgit.objects.image import NotAnImage

    try:
        return against_parent(repository, oid, paths)
    except NotAnImage:
        return None


def check_shown(repository: Repository, specs: Sequence[str]) -> None:
    """Raise what is wrong with one of several things to show, before any of them is shown."""
    from lxgit.operations.views import has_path, view_path

    try:
        for spec in specs:
            if has_path(spec):
                with view_path(repository, spec):
                    pass
            else:
                _find_shown(repository, spec)
    except IsPath as error:
        if not any(map(has_path, specs)):
            error.hint = paths_apart("show", specs)
        raise


def _find_shown(repository: Repository, revision: str) -> ObjectID:
    try:
        return find_commit(repository, revision)
    except IsContainer as error:
        error.hint = (
            f"'lxgit diff {revision}' shows what it has changed, 'lxgit inspect {revision}' what"
            " it is"
        )
        raise


def show_commit(
    repository: Repository, revision: str, paths: Sequence[bytes] = ()
) -> tuple[LogEntry, Comparison]:
    """A commit, and what it changed, at these paths alone."""
    oid = _find_shown(repository, revision)
    comparison = against_parent(repository, oid, paths)
    commit = read_commit(repository, oid)
    entry = log_entry(oid, commit, decorations(repository), comparison)
    return entry, comparison


class AnnotatedTag(NamedTuple):
    """What an annotated tag says; `tagger` may be missing in old ones."""

    name: str
    tagger: Signature | None
    message: str


def annotated_tag(repository: Repository, text: str) -> AnnotatedTag | None:
    """The annotated tag of that name, if it is one."""
    from lxgit.objects.commits import decode_tag

    name = repository.revisions.ref_name(text)
    oid = repository.ref_reader.read(name) if name is not None else None
    if oid is None or repository.objects.describe(oid)[0] is not ObjectType.TAG:
        return None
    tag = decode_tag(repository.objects.read(oid)[1])
    return AnnotatedTag(tag.name, tag.tagger, tag.message)
