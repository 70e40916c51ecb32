"""Looking at history: log, rev-parse. Nothing here writes."""

from __future__ import annotations

from itertools import islice

from lxgit.objects.history import EVERYWHERE, walk
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES, TAGS
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
    from collections.abc import Iterator, Sequence

    from lxgit.errors import LxgitError
    from lxgit.objects.commits import Commit
    from lxgit.objects.ids import ObjectID
    from lxgit.operations.logvalues import Drawing, LogEntry
    from lxgit.repository import Repository


class LogRequest(NamedTuple):
    """Which commits `log` shows: see `lxgit log --help`. `paths` without leading slash.

    `follow` needs exactly one path. `changes` asks for what each changed, `names` for the names of
    each, `graph` for a drawing, which settles the order: not with `reverse` or `follow`.
    """

    revisions: tuple[str, ...] = ()
    all: bool = False
    paths: tuple[bytes, ...] = ()
    limit: int | None = None
    skip: int = 0
    reverse: bool = False
    first_parent: bool = False
    follow: bool = False
    changes: bool = False
    names: bool = True
    graph: bool = False
    oneline: bool = False
    """For the drawing: commits are not parted by a line."""


class _Found(NamedTuple):
    """A commit that `log` shows, and the paths that it is shown for."""

    oid: ObjectID
    commit: Commit
    paths: tuple[bytes, ...]
    drawing: Drawing | None = None


def log(repository: Repository, request: LogRequest) -> Iterator[LogEntry]:
    """The commits, the newest first, as they are found: a reader may stop when it has enough.

    With paths, those that changed one of them, or what is below, in content or metadata. The
    search has begun when this returns.
    """
    if request.graph:
        return _entries(repository, request, _graph(repository, request))
    end = None if request.limit is None else request.skip + request.limit
    shown = islice(_commits(repository, request), request.skip, end)
    if request.reverse:
        return _entries(repository, request, reversed(list(shown)))
    return _entries(repository, request, shown)


def _entries(
    repository: Repository, request: LogRequest, shown: Iterator[_Found]
) -> Iterator[LogEntry]:
    from lxgit.operations.showing import changed, decorations, log_entry  # while Git walks

    names = decorations(repository) if request.names else {}
    for found in shown:
        comparison = None
        if request.changes:
            comparison = changed(repository, found.oid, found.paths)
        yield log_entry(found.oid, found.commit, names, comparison, found.drawing)


def _arguments(repository: Repository, request: LogRequest) -> list[str]:
    """Where to walk, for Git."""
    arguments = _everywhere(repository) if request.all else []
    try:
        arguments += repository.revisions.range_arguments(
            request.revisions, lambda revision: _find_logged(repository, revision)
        )
    except IsPath as error:
        error.hint = paths_apart("log", request.revisions)
        raise
    return arguments or [hex_id(find_commit(repository, "HEAD"))]


def _everywhere(repository: Repository) -> list[str]:
    """From every name, and from a detached HEAD, which may be on a commit that no name has."""
    head = repository.ref_reader.read("HEAD")
    return [*EVERYWHERE, *([] if head is None else [hex_id(head)])]


def _find_logged(repository: Repository, revision: str) -> ObjectID:
    try:
        return find_commit(repository, revision)
    except IsContainer as error:
        error.hint = f"'lxgit logs {revision}' prints what its command has written"
        raise


def _commits(repository: Repository, request: LogRequest) -> Iterator[_Found]:
    arguments = _arguments(repository, request)
    paths = tuple(map(clean_path, request.paths))
    if request.follow:
        return _followed(repository, request, arguments, *paths)
    if paths:
        from lxgit.objects.pathhistory import walk_changing

        found = walk_changing(repository.git, arguments, paths, first_parent=request.first_parent)
    else:
        limit = None if request.limit is None else request.skip + request.limit
        found = walk(repository.git, arguments, limit=limit, first_parent=request.first_parent)
    return (_Found(oid, commit, paths) for oid, commit in found)


def _followed(
    repository: Repository, request: LogRequest, arguments: list[str], path: bytes
) -> Iterator[_Found]:
    """The commits that changed a path, and before it was named so, the file that it was then."""
    from lxgit.objects.pathhistory import walk_changing

    left_out = [argument for argument in arguments if argument.startswith("^")]
    wanted: bytes | None = path
    while wanted is not None:
        path, wanted = wanted, None
        for oid, commit in walk_changing(
            repository.git, arguments, [path], first_parent=request.first_parent
        ):
            wanted = _former_name(repository, oid, commit, path)
            yield _Found(oid, commit, (path,) if wanted is None else (path, wanted))
            if wanted is not None:
                arguments = [*map(hex_id, commit.parents), *left_out]
                break


def _former_name(
    repository: Repository, oid: ObjectID, commit: Commit, path: bytes
) -> bytes | None:
    """The path of the first parent that this commit gave another name, or made this file of.

    Where the file has begun as one more link to another, which may be there still, it is that one.
    """
    from lxgit.objects.pathhistory import renamed_from

    if not commit.parents:
        return None
    before = image_of(repository, commit.parents[0])
    if before.entry(path) is not None:
        return None
    for other in image_of(repository, oid).links.group(path):
        if before.entry(other) is not None:
            return other
    return renamed_from(repository.git, commit.parents[0], oid, path)


def _graph(repository: Repository, request: LogRequest) -> Iterator[_Found]:
    """The commits with the drawing of their history; with paths, of those that changed them."""
    from lxgit.objects.graph import GraphLook, draw
    from lxgit.objects.pathhistory import kept_parents
    from lxgit.operations.logvalues import Drawing

    arguments = _arguments(repository, request)
    paths = tuple(map(clean_path, request.paths))
    look = GraphLook.APART
    if request.oneline:
        look = GraphLook.LINES if request.changes else GraphLook.ONE_LINE
    history = None
    if paths:
        kept = {found.oid for found in _commits(repository, request)}
        history = kept_parents(repository.git, arguments, kept, first_parent=request.first_parent)
    for drawn in draw(
        repository.git,
        arguments,
        limit=request.limit,
        skip=request.skip,
        first_parent=request.first_parent,
        history=history,
        look=look,
    ):
        drawing = Drawing(drawn.lead, drawn.mark, drawn.steps, drawn.padding)
        yield _Found(drawn.oid, read_commit(repository, drawn.oid), paths, drawing)


def rev_parse(repository: Repository, texts: Sequence[str]) -> list[str]:
    """The ids that names stand for; a range gives several, the excluded with `^` in front.

    Of `REV:/PATH` what stands there, and of what is no commit, such as a tree, the object itself.
    """
    return [told for text in texts for told in _ids(repository, text)]


def _ids(repository: Repository, text: str) -> list[str]:
    from lxgit.operations.views import has_path, path_id

    if has_path(text):
        return [hex_id(path_id(repository, text))]
    ranges = repository.revisions.range_arguments
    ids = ranges([text], lambda revision: _find_object(repository, revision))
    if all(told.removeprefix("^").isalnum() for told in ids):
        return ids
    history = ranges([text], lambda revision: find_commit(repository, revision))  # of no tree
    return repository.git.run(["rev-parse", *history]).decode("ascii").split()


def _find_object(repository: Repository, revision: str) -> ObjectID:
    from lxgit.objects.revisions import NotACommit

    try:
        return find_commit(repository, revision)
    except NotACommit as error:
        return error.oid


def says_none(error: LxgitError) -> bool:
    """Whether an error of `rev_parse` says that nothing with an id goes by that name."""
    from lxgit.objects.image import NoSuchPath
    from lxgit.objects.revisions import UnknownRevision
    from lxgit.operations.views import HasNoID

    return isinstance(error, (UnknownRevision, NoSuchPath, IsContainer, IsPath, HasNoID))


def shortened(repository: Repository, oid: str, digits: int) -> str:
    """An id cut to so many digits, 4 at least; to more where others begin with those, too."""
    return repository.git.run(["rev-parse", f"--short={digits}", oid]).decode("ascii").strip()


def ref_name(repository: Repository, text: str) -> str | None:
    """The branch or tag that a name stands for, as Git calls it; of HEAD its branch, if it has one.

    None for what is a commit, and no name.
    """
    name = repository.revisions.ref_name(text)
    if name == "HEAD":
        head = repository.refs.head()
        name = head if isinstance(head, str) else name
    if name is None:
        return None
    return name.removeprefix(BRANCHES).removeprefix(TAGS).removeprefix("refs/remotes/")
