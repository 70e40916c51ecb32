"""Looking at history: log, show, rev-parse. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from lxgit.objects.history import EVERYWHERE, walk
from lxgit.objects.ids import ObjectID, ObjectType, hex_id
from lxgit.objects.refnames import BRANCHES, TAGS
from lxgit.operations.lookup import clean_path, find_commit, image_of, read_commit
from lxgit.operations.values import Decoration, LogEntry, RefKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.commits import Commit, Signature
    from lxgit.objects.image import Image
    from lxgit.operations.comparison import Comparison
    from lxgit.operations.values import SizedChange
    from lxgit.repository import Repository


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which commits `log` shows: see `lxgit log --help`. `paths` without leading slash."""

    revisions: tuple[str, ...] = ()
    all: bool = False
    paths: tuple[bytes, ...] = ()
    limit: int | None = None
    skip: int = 0
    reverse: bool = False
    first_parent: bool = False
    stat: bool = False


def log(repository: Repository, request: LogRequest) -> Iterator[LogEntry]:
    """The commits, the newest first, as they are found: a reader may stop when it has enough.

    With paths, those that changed one of them, or what is below, in content or metadata.
    """
    names = decorations(repository)
    commits = _commits(repository, request)
    end = None if request.limit is None else request.skip + request.limit
    shown = islice(commits, request.skip, end)
    if request.reverse:
        shown = reversed(list(shown))  # type: ignore[assignment]  # an iterator as well
    for oid, commit in shown:
        changes = _changes(repository, oid, request.paths) if request.stat else None
        yield _log_entry(oid, commit, names, changes)


def _commits(repository: Repository, request: LogRequest) -> Iterator[tuple[ObjectID, Commit]]:
    arguments = list(EVERYWHERE) if request.all else []
    arguments += rev_parse(repository, request.revisions)
    if not arguments:
        arguments = [hex_id(find_commit(repository, "HEAD"))]
    paths = [clean_path(path) for path in request.paths]
    limit = None
    if not paths and request.limit is not None:
        limit = request.skip + request.limit
    found = walk(
        repository.git,
        repository.objects,
        arguments,
        limit=limit,
        first_parent=request.first_parent,
        paths=[stored for path in paths for stored in _stored(path)],
    )
    return (item for item in found if not paths or _touches(repository, item, paths))


def _stored(path: bytes) -> Iterator[bytes]:
    """Where in a commit's tree a change of a path must show: its entry, or its line of metadata."""
    from lxgit.objects.image import ROOTFS
    from lxgit.objects.names import META_NAME, encode_path

    if not path:
        yield ROOTFS
        return
    parent = path.rpartition(b"/")[0]
    yield ROOTFS + b"/" + encode_path(path)
    yield b"/".join(part for part in (ROOTFS, encode_path(parent), META_NAME) if part)
    yield b"links"


def _touches(repository: Repository, item: tuple[ObjectID, Commit], paths: Sequence[bytes]) -> bool:
    """Whether a commit has one of the paths otherwise than each of its parents."""
    oid, commit = item
    here = _states(image_of(repository, oid), paths)
    if not commit.parents:
        return any(state is not None for state, _ in here)
    return all(_states(image_of(repository, parent), paths) != here for parent in commit.parents)


def _states(image: Image, paths: Sequence[bytes]) -> list[tuple[object, object]]:
    """What stands at each path, with its hard links."""
    return [(image.entry(path), image.links.group(path)) for path in paths]


def _log_entry(
    oid: ObjectID,
    commit: Commit,
    names: dict[str, tuple[Decoration, ...]],
    changes: tuple[SizedChange, ...] | None,
) -> LogEntry:
    return LogEntry(
        hex_id(oid),
        hex_id(commit.tree),
        tuple(hex_id(parent) for parent in commit.parents),
        commit.author,
        commit.committer,
        commit.message,
        names.get(hex_id(oid), ()),
        changes,
    )


def decorations(repository: Repository) -> dict[str, tuple[Decoration, ...]]:
    """The names of each commit that has one, by id: HEAD, branches, tags."""
    found: dict[str, list[Decoration]] = {}
    head = repository.refs.head()
    if not isinstance(head, str):
        found[hex_id(head)] = [Decoration(RefKind.HEAD, "HEAD", current=True)]
    for ref, oid in repository.refs.list(BRANCHES).items():
        branch = Decoration(RefKind.BRANCH, ref.removeprefix(BRANCHES), current=ref == head)
        found.setdefault(hex_id(oid), []).insert(0 if ref == head else 99, branch)
    for ref, oid in repository.refs.list(TAGS).items():
        tag = Decoration(RefKind.TAG, ref.removeprefix(TAGS))
        found.setdefault(hex_id(repository.revisions.peel(oid)), []).append(tag)
    return {oid: tuple(names) for oid, names in found.items()}


def against_parent(
    repository: Repository, oid: ObjectID, paths: Sequence[bytes] = ()
) -> Comparison:
    """A commit compared with its first parent; a root commit, with nothing."""
    from lxgit.operations.comparison import Comparison, empty_image, stored_side

    parents = read_commit(repository, oid).parents
    new = stored_side(repository, hex_id(oid), image_of(repository, oid))
    if parents:
        before = image_of(repository, parents[0])
        old = stored_side(repository, hex_id(parents[0]), before)
    else:
        old = stored_side(repository, "nothing", empty_image(repository, new.image))
    return Comparison(old, new, [clean_path(path) for path in paths])


def _changes(
    repository: Repository, oid: ObjectID, paths: Sequence[bytes]
) -> tuple[SizedChange, ...] | None:
    """The changes of a commit; None for one of another tool's, which has no image."""
    from lxgit.objects.image import NotAnImage

    try:
        return against_parent(repository, oid, paths).changes
    except NotAnImage:
        return None


def show_commit(repository: Repository, revision: str) -> tuple[LogEntry, Comparison]:
    """A commit, and what it changed."""
    oid = find_commit(repository, revision)
    comparison = against_parent(repository, oid)
    entry = _log_entry(
        oid, read_commit(repository, oid), decorations(repository), comparison.changes
    )
    return entry, comparison


@dataclass(frozen=True, slots=True)
class AnnotatedTag:
    """What an annotated tag says; `tagger` may be missing in old ones."""

    name: str
    tagger: Signature | None
    message: str


def annotated_tag(repository: Repository, text: str) -> AnnotatedTag | None:
    """The annotated tag of that name, if it is one."""
    from lxgit.objects.commits import decode_tag

    name = repository.revisions.ref_name(text)
    oid = repository.refs.read(name) if name is not None else None
    if oid is None or repository.objects.describe(oid)[0] is not ObjectType.TAG:
        return None
    tag = decode_tag(repository.objects.read(oid)[1])
    return AnnotatedTag(tag.name, tag.tagger, tag.message)


def rev_parse(repository: Repository, texts: Sequence[str]) -> list[str]:
    """The ids that names stand for; a range gives two, the excluded with `^` in front."""
    return repository.revisions.range_arguments(texts, partial(find_commit, repository))
