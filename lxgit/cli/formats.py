"""What `--format` may ask for: a table, JSON, or a template."""

from __future__ import annotations

from lxgit.cli.report import Faults
from lxgit.cli.tables import write_json, write_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lxgit.cli.output import Output
    from lxgit.cli.session import Session


def write_listing(
    out: Output,
    format_: str,
    told: Iterable[Mapping[str, object]],
    *,
    head: Mapping[str, str],
    columns: Sequence[str],
    fields: Iterable[Mapping[str, object]],
) -> None:
    """A listing as `--format` wants it.

    `columns` of what is `told` as a table, `fields` as JSON, or what is told by a template. `head`
    has the title of every column that there could be.
    """
    if format_ == "json":
        write_json(out, fields)
    elif format_ == "table":
        cells = [[str(row[name]) for name in columns] for row in told]
        write_table(out, [head[name] for name in columns], cells)
    else:
        from lxgit.cli.templates import write_templated

        write_templated(out, format_, told, head)


def wants_sizes(format_: str) -> bool:
    """Whether a `--format` of a listing shows sizes, which take time: by name, or with all else.

    InvalidTemplate.
    """
    if format_ in ("json", "table"):
        return False
    from lxgit.cli.templatelex import tokens

    asked = {token.text for token in tokens(format_) if token.kind != "text"}
    return not asked.isdisjoint((".Size", ".", "$"))


def inspect_each(
    session: Session,
    template: str,
    names: Iterable[str],
    look: Callable[[str], Mapping[str, object]],
) -> int:
    """All about what is named: one JSON array for `json`, else each by the template; the exit code.

    InvalidTemplate.
    """
    faults, found = Faults(session), []
    for name in names:
        with faults:
            found.append(look(name))
    if template == "json":
        from json import dumps

        session.out.line(dumps(found, indent=4))
    else:
        from lxgit.cli.templates import write_templated

        write_templated(session.out, template, found)
    return faults.exit_code
