"""Listings: the columns of Docker's in 2013, ids alone, or JSON."""

from __future__ import annotations

from lxgit.cli.report import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lxgit.cli.output import Output

_LEAST_WIDTH = 20  # text/tabwriter as Docker set it: cells of 20 columns or more,
_PADDING = 3  # three of them blank


def write_table(out: Output, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under a head; the last one is as long as it is."""
    shown = [head, *(list(map(_cell, row)) for row in rows)]
    widths = [
        max(_LEAST_WIDTH, max(map(columns, cells)) + _PADDING) for cells in zip(*shown, strict=True)
    ]
    for row in shown:
        padded = (
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        )
        out.line("".join(padded).rstrip())


def _cell(text: str) -> str:
    return printable(text.replace("\n", " ").replace("\t", " "))


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


def write_ids(out: Output, ids: Iterable[str], *, whole: bool) -> None:
    """A listing as `-q` wants it: an id a line, as the ids come."""
    for oid in ids:
        out.line(short_id(oid, whole=whole))


def short_id(oid: str, *, whole: bool = False) -> str:
    """An id as listings show it: 12 digits, all with `--no-trunc`."""
    return oid if whole else oid[:12]
