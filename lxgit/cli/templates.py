r"""Go templates as Docker's users write them: `{{.Names}}`, `table {{.ID}}\t{{.Names}}`.

The language is that of Go's text/template: fields, variables, pipes, `if`, `with`, `range`, `else`,
`break`, `continue`, without templates in templates; `templatefuncs` has what can be called. A
library for it was looked for: those on PyPI want a Go compiler, or have one release (gotpl 0.1.0).
"""

from __future__ import annotations

from contextlib import contextmanager

from lxgit.cli.templatelex import InvalidTemplate
from lxgit.cli.templatenodes import Frame, run
from lxgit.cli.templateparse import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lxgit.cli.output import Output

_TABLE = "table "


def write_templated(
    out: Output,
    template: str,
    rows: Iterable[Mapping[str, object]],
    head: Mapping[str, str] | None = None,
) -> None:
    """Each row by the template, on a line; `table TEMPLATE` as a table under its `head`.

    InvalidTemplate, before anything is written if the template itself is wrong.
    """
    compiled = Template(template)
    if head is None or not template.startswith(_TABLE):
        for row in rows:
            out.line(compiled.render(row))
        return
    from lxgit.cli.tables import write_table

    lines = [compiled.render(head, heading=True), *map(compiled.render, rows)]
    cells = [line.removeprefix(_TABLE).strip(" ").split("\t") for line in lines]
    width = max(map(len, cells))
    filled = [line + [""] * (width - len(line)) for line in cells]
    write_table(out, filled[0], filled[1:])


class Template:
    """A template that has been read. InvalidTemplate, here and by `render`."""

    def __init__(self, text: str) -> None:
        with _bounded():
            self._nodes = Parser(text).template()

    def render(self, data: Mapping[str, object], *, heading: bool = False) -> str:
        """The text for these data; of a `heading`, functions only hand on what they are given."""
        frame = Frame(data, heading=heading)
        with _bounded():
            run(self._nodes, frame)
        return "".join(frame.out)


@contextmanager
def _bounded() -> Iterator[None]:
    """What is nested deeper than Python's own calls may be is a fault of the template."""
    try:
        yield
    except RecursionError:
        raise InvalidTemplate("--format: the template is nested too deep") from None
