"""`container diff`: the paths that a container changed, with Docker's letters."""

from __future__ import annotations

from lxgit.objects.changes import ChangeKind
from lxgit.objects.diff import diff_images
from lxgit.operations.lookup import find_container
from lxgit.operations.worktree import open_work_tree
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository

CHANGED = "C"
_LETTERS = {ChangeKind.ADDED: "A", ChangeKind.REMOVED: "D"}


class PathChange(NamedTuple):
    """A line of `container diff`; `path` has no leading slash."""

    kind: str
    path: bytes


def container_diff(repository: Repository, name: str) -> list[PathChange]:
    """What differs from the container's commit, sorted by path.

    As Docker has it since 2013: directories above a change are changed, what was in a directory
    that is gone is not told, and the root is not told either.
    """
    with open_work_tree(repository, find_container(repository, name)) as tree:
        changes = diff_images(tree.parent, tree.image)
    found: dict[bytes, str] = {}
    gone: set[bytes] = set()
    for change in changes:  # what is above comes first
        above = change.path.rpartition(b"/")[0]
        if change.kind is ChangeKind.REMOVED:
            gone.add(change.path)
            if above in gone:
                continue
        found[change.path] = _LETTERS.get(change.kind, CHANGED)
        while above and above not in found:
            found[above] = CHANGED
            above = above.rpartition(b"/")[0]
    return [PathChange(kind, path) for path, kind in sorted(found.items()) if path]
