"""The history of all images, for `images --tree` and `--viz`."""

from __future__ import annotations

from lxgit.objects.ids import from_hex, hex_id
from lxgit.operations.images import history_of, names_by_id
from lxgit.operations.showing import changed
from lxgit.operations.sizes import counted_sizes
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.operations.values import ImageRow
    from lxgit.repository import Repository


class Node(NamedTuple):
    """A commit: its parents, and its names as `images` lists them, `base:latest`."""

    oid: str
    parents: tuple[str, ...]
    names: tuple[str, ...]
    size: int | None = None
    """The contents of its files in bytes, where that was asked for."""


def graph(repository: Repository, rows: Sequence[ImageRow]) -> list[Node]:
    """Every commit that a branch or a tag reaches, parents before their children.

    `rows` are what `list_images` found; those of them that are damaged are left out.
    """
    names = names_by_id(rows)
    return [
        Node(hex_id(oid), tuple(map(hex_id, commit.parents)), tuple(names.get(hex_id(oid), ())))
        for oid, commit in history_of(repository, rows, "--topo-order", "--reverse")
    ]


def sized_graph(repository: Repository, rows: Sequence[ImageRow]) -> list[Node]:
    """The same with sizes: a commit's is its first parent's, and what it changed."""
    sizes: dict[str, int] = {}
    sized = []
    for node in graph(repository, rows):
        before = sizes[node.parents[0]] if node.parents else 0
        comparison = changed(repository, from_hex(node.oid), ())
        changes = comparison.changes if comparison is not None else ()
        sizes[node.oid] = before + sum(new - old for old, new in map(counted_sizes, changes))
        sized.append(node._replace(size=sizes[node.oid]))
    return sized
