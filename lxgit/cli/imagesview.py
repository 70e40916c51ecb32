"""Images as `images` shows them: a table, JSON, the tree and the graph of 2013."""

from __future__ import annotations

from lxgit.cli.human import ago, iso_date, size, utc_date
from lxgit.cli.report import printable
from lxgit.cli.tables import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.cli.output import Output
    from lxgit.operations.imagegraph import Node
    from lxgit.operations.values import ImageRow

HEAD = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Digest": "DIGEST",
}
"""What a template can ask for, and the head of its column."""

COLUMNS = ("Repository", "Tag", "ID", "CreatedSince")


def template_fields(row: ImageRow, *, no_trunc: bool) -> dict[str, str]:
    """An image for a template: the names of Docker's, as in HEAD."""
    return {
        "Repository": row.repository or "<none>",
        "Tag": row.tag,
        "ID": short_id(row.oid, whole=no_trunc),
        "CreatedSince": "damaged" if row.fault else ago(row.created),
        "CreatedAt": "" if row.fault else utc_date(row.created),
        "Size": "" if row.size is None else size(row.size),
        "Digest": "<none>",
    }


def name(row: ImageRow) -> str:
    """What people call it."""
    return row.tag if row.repository is None else f"{row.repository}:{row.tag}"


def image_fields(row: ImageRow) -> dict[str, object]:
    """An image for JSON."""
    return {
        "repository": row.repository,
        "tag": row.tag,
        "id": row.oid,
        "created": None if row.fault else iso_date(row.created, 0),
    }


def write_tree(out: Output, nodes: Sequence[Node], *, no_trunc: bool) -> None:
    """Commits under their first parents, with sizes and names, as `images --tree` of 2013."""
    children: dict[str | None, list[Node]] = {}
    for node in nodes:
        children.setdefault(node.parents[0] if node.parents else None, []).append(node)
    pending = [("", child, last) for child, last in _marked(children.get(None, []))]
    while pending:
        indent, node, last = pending.pop()
        below = children.get(node.oid, [])
        names = f" Tags: {', '.join(node.names)}" if node.names else ""
        told = f"{short_id(node.oid, whole=no_trunc)} Virtual Size: {size(node.size or 0)}{names}"
        out.line(printable(f"{indent}{'└─' if last else '├─'}{told}"))
        inner = indent + ("  " if last else "│ ")
        pending += [(inner, child, is_last) for child, is_last in _marked(below)]


def _marked(nodes: Sequence[Node]) -> list[tuple[Node, bool]]:
    """Nodes, whether each is the last of them, in the order for a stack."""
    return [(node, node is nodes[-1]) for node in reversed(nodes)]


def write_dot(out: Output, nodes: Sequence[Node]) -> None:
    """The commits as a graph in Graphviz's language, drawn as the `images -viz` of 2013.

    A commit's first parent is above it at a full line, those that were merged at a dashed one.
    Names are strangers' words: everything stands in quotes.
    """
    out.line("digraph lxgit {")
    for node in nodes:
        for at, parent in enumerate(node.parents):
            merged = " [style=dashed]" if at else ""
            out.line(f" {_quoted(parent)} -> {_quoted(node.oid)}{merged}")
        if not node.parents:
            out.line(f" base -> {_quoted(node.oid)} [style=invis]")
    for node in nodes:
        label = _quoted(short_id(node.oid), *node.names)
        filled = ',fillcolor="paleturquoise",style="filled,rounded"' if node.names else ""
        out.line(f" {_quoted(node.oid)} [label={label},shape=box{filled}];")
    out.line(" base [style=invisible]")
    out.line("}")


def _quoted(*lines: str) -> str:
    """A string of the dot language (graphviz.org, "The DOT Language"), with its own escapes."""
    escaped = (
        printable(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
        for line in lines
    )
    return '"' + "\\n".join(escaped) + '"'
