"""Listings: the columns of Docker's in 2013, ids alone, or JSON."""

from __future__ import annotations

from lxgit.cli.report import Faults, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lxgit.cli.output import Output
    from lxgit.cli.session import Session

_LEAST_WIDTH = 20  # text/tabwriter as Docker set it: cells of 20 columns or more,
_PADDING = 3  # three of them blank


def write_table(out: Output, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under a head; the last one is as long as it is."""
    shown = [head, *([printable(cell).replace("\n", " ") for cell in row] for row in rows)]
    widths = [
        max(_LEAST_WIDTH, max(map(columns, cells)) + _PADDING) for cells in zip(*shown, strict=True)
    ]
    for row in shown:
        padded = (
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        )
        out.line("".join(padded).rstrip())


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


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )


def write_json(out: Output, rows: Iterable[Mapping[str, object]]) -> None:
    r"""One JSON array, an element a line, written as the rows come.

    Bytes that are not UTF-8 are lone surrogates, `\udc80` to `\udcff` (PEP 383).
    """
    from json import dumps

    before = "["
    for row in rows:
        out.write(f"{before}\n{dumps(row)}")
        before = ","
    out.line("[]" if before == "[" else "\n]")


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


def write_ids(out: Output, ids: Iterable[str], *, whole: bool) -> None:
    """A listing as `-q` wants it: an id a line, as the ids come."""
    for oid in ids:
        out.line(short_id(oid, whole=whole))


def short_id(oid: str, *, whole: bool = False) -> str:
    """An id as listings show it: 12 digits, all with `--no-trunc`."""
    return oid if whole else oid[:12]
