"""The history of all images, for `images --tree` and `--viz`."""

from __future__ import annotations

from lxgit.objects.history import EVERYWHERE, walk
from lxgit.objects.ids import hex_id
from lxgit.operations.history import LogRequest, log
from lxgit.operations.images import names_by_id
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository


class Node(NamedTuple):
    """A commit: its parents, and its names as `images` lists them, `base:latest`."""

    oid: str
    parents: tuple[str, ...]
    names: tuple[str, ...]
    size: int | None = None
    """The contents of its files in bytes, where that was asked for."""


def graph(repository: Repository) -> list[Node]:
    """Every commit that a branch or a tag reaches, parents before their children."""
    names = names_by_id(repository)
    return [
        Node(hex_id(oid), tuple(map(hex_id, commit.parents)), tuple(names.get(hex_id(oid), ())))
        for oid, commit in walk(repository.git, ("--topo-order", "--reverse", *EVERYWHERE))
    ]


def sized_graph(repository: Repository) -> list[Node]:
    """The same with sizes: a commit's is its first parent's, and what it changed."""
    changed = {
        entry.oid: sum(change.new_size - change.old_size for change in entry.changes or ())
        for entry in log(repository, LogRequest(all=True, changes=True, names=False))
    }
    sizes: dict[str, int] = {}
    sized = []
    for node in graph(repository):
        before = sizes[node.parents[0]] if node.parents else 0
        sizes[node.oid] = before + changed[node.oid]
        sized.append(node._replace(size=sizes[node.oid]))
    return sized
