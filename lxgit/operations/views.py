"""What a name shows: the file system of a commit, or of a container as it is now."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

from lxgit.errors import LxgitError, UsageError
from lxgit.objects.history import merge_bases
from lxgit.objects.ids import hex_id
from lxgit.objects.image import NoSuchPath
from lxgit.objects.revisionsyntax import split_path, split_range
from lxgit.operations.changed import only_changed
from lxgit.operations.comparison import Comparison, Side, stored_side
from lxgit.operations.lookup import IsPath, classify, clean_path, find_commit, image_of, paths_apart
from lxgit.operations.worktree import open_work_tree
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.entries import Entry
    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container


class Unrelated(LxgitError):
    """Two commits without a common one in their histories."""


class HasNoID(LxgitError):
    """What stands at a path is no object of its own."""


class Place(NamedTuple):
    """A path of a file system, without leading slash, and what stands there."""

    side: Side
    path: bytes
    entry: Entry


def has_path(spec: str) -> bool:
    """Whether it is `REV:/PATH` rather than a revision alone."""
    return split_path(spec).path is not None


@contextmanager
def view(repository: Repository, name: str) -> Iterator[Side]:
    """The file system that a revision or a container has; it can be read while the context lasts.

    UnknownRevision, AmbiguousRevision, NotAnImage.
    """
    found = classify(repository, name)
    if isinstance(found, bytes):
        yield stored_side(repository, image_of(repository, found))
        return
    with open_work_tree(repository, found) as tree:
        yield tree.side()


@contextmanager
def view_path(repository: Repository, spec: str) -> Iterator[Place]:
    """What stands at `REV[:/PATH]`, also of a container; NoSuchPath when nothing does.

    Links are not followed, as in Git.
    """
    named = split_path(spec)
    revision = named.revision
    path = clean_path(named.path or b"")
    with view(repository, revision) as side:
        entry = side.image.entry(path)
        if entry is None:
            from lxgit.objects.shellwords import shell_line

            raise NoSuchPath(
                f"'{revision}' has no '/{path.decode('utf-8', 'surrogateescape')}'",
                hint=f"'{shell_line(('lxgit', 'ls', f'{revision}:/'))}' lists what it has",
            )
        yield Place(side, path, entry)


def path_id(repository: Repository, spec: str) -> ObjectID:
    """The blob or the tree that stands at `REV:/PATH`; HasNoID, and errors as `view_path`."""
    with view_path(repository, spec) as place:
        oid, kind = place.entry.oid, place.entry.kind.value
    if oid is None:
        from lxgit.objects.shellwords import shell_line

        shown = shell_line(("lxgit", "ls", "-l", spec))
        raise HasNoID(f"'{spec}' is a {kind}: it has no id", hint=f"'{shown}' shows it")
    return oid


@contextmanager
def compare(
    repository: Repository, names: Sequence[str], *, paths: Sequence[bytes] = ()
) -> Iterator[Comparison]:
    """What `diff` shows; contents can be read while the context lasts.

    No name: the only changed container of HEAD's branch. A container: its commit and it. A
    revision: it and HEAD. Two of either; a range, with three dots from its merge base.
    """
    with ExitStack() as stack:
        try:
            old, new = _sides(stack, repository, names)
        except IsPath as error:
            error.hint = paths_apart("diff", names)
            raise
        yield Comparison(old, new, map(clean_path, paths))


def _sides(stack: ExitStack, repository: Repository, names: Sequence[str]) -> tuple[Side, Side]:
    if not names:
        return _work_tree(stack, repository, only_changed(repository, "diff"))
    for name in names:
        if name.startswith("/"):
            classify(repository, name)  # IsPath
    if len(names) > 2 or (len(names) == 2 and any(map(split_range, names))):
        raise UsageError("diff compares two at a time", hint="lxgit diff OLD NEW [-- PATH...]")
    if len(names) == 2:
        old, new = names
    elif ends := split_range(names[0]):
        old, new = ends[0] or "HEAD", ends[2] or "HEAD"
        if ends[1] == "...":
            old = _merge_base(repository, old, new)
    else:
        found = classify(repository, names[0])
        if not isinstance(found, bytes):
            return _work_tree(stack, repository, found)
        old, new = names[0], "HEAD"
    return stack.enter_context(view(repository, old)), stack.enter_context(view(repository, new))


def _work_tree(stack: ExitStack, repository: Repository, container: Container) -> tuple[Side, Side]:
    """A container's commit, and the container."""
    tree = stack.enter_context(open_work_tree(repository, container))
    return tree.parent_side(), tree.side()


def _merge_base(repository: Repository, one: str, other: str) -> str:
    bases = merge_bases(
        repository.git, find_commit(repository, one), find_commit(repository, other)
    )
    if not bases:
        from lxgit.objects.shellwords import shell_line

        raise Unrelated(
            f"'{one}' and '{other}' have no common commit",
            hint=shell_line(("lxgit", "diff", one, other)),
        )
    return hex_id(bases[0])
