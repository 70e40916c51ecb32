"""The results for people, as one Markdown table, and for programs, as JSON."""

from __future__ import annotations

from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.harness import Unit, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.harness import Result, Row

_HEAD = ("operation", "lxgit", "peer", "ratio", "reach", "")
_SIZES = ("B", "KiB", "MiB", "GiB")


def table(results: Sequence[Result]) -> str:
    """A Markdown table, its columns aligned for whoever reads it as it is."""
    return _markdown(_HEAD, [line for r in results for line in (_line(r), *_listed(r))])


def spread(results: Sequence[Result]) -> str:
    """A second table: between which quartiles the rounds of each side lie."""
    body = [
        (f"`{r.row.name}`", _quartiles(r.ours, r.row), _quartiles(r.peer, r.row))
        for r in results
        if len(r.ours) > 1
    ]
    return _markdown(("row", "lxgit", "peer"), body)


def _quartiles(figures: Sequence[float], row: Row) -> str:
    if len(figures) < 2:
        return ""
    low, _, high = quantiles(figures, method="inclusive")
    return f"{amount(low, row.unit)} to {amount(high, row.unit)}"


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ("",) * len(head), *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    fills = (" ", "-", *" " * len(body))
    padded = [
        [cell.ljust(width, fill) for cell, width in zip(line, widths, strict=True)]
        for line, fill in zip(lines, fills, strict=True)
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def _line(result: Result) -> tuple[str, ...]:
    row = result.row
    peer = f"{amount(median(result.peer), row.unit)} {row.peer}" if result.peer else row.peer
    verdict = f"{result.verdict.value}: {result.reason}" if result.reason else result.verdict.value
    return (
        row.about,
        amount(median(result.ours), row.unit) if result.ours else "",
        peer,
        _ratio(result.ratio),
        _reach(row),
        _cell(verdict),
    )


def _listed(result: Result) -> Iterator[tuple[str, ...]]:
    """A line for each further peer."""
    for peer in result.listed:
        figure = f"{amount(median(peer.figures), result.row.unit)} " if peer.figures else ""
        verdict = f"void: {peer.reason}" if peer.reason else "listed"
        ratio = _ratio(result.against(peer.figures))
        yield ("", "", figure + peer.name, ratio, "", _cell(verdict))


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} ×"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def _reach(row: Row) -> str:
    parts = []
    if row.reach is not None:
        parts.append(f"≤ {row.reach:g} ×")
    if row.limit is not None:
        parts.append(f"≤ {amount(row.limit, row.unit).replace('.0 ', ' ')}")
    return ", ".join(parts)


def amount(figure: float, unit: Unit) -> str:
    """A figure as people write it: `12.3 ms`, `4.56 s`, `7.8 MiB`."""
    if unit is Unit.SECONDS:
        return f"{figure:.2f} s" if figure >= 1 else f"{figure * 1000:.1f} ms"
    size = 0
    while figure >= 1024 and size < len(_SIZES) - 1:
        figure, size = figure / 1024, size + 1
    return f"{figure:.1f} {_SIZES[size]}"


def document(results: Sequence[Result], machine: Mapping[str, object]) -> dict[str, object]:
    """All that was measured, round by round, in values that JSON knows."""
    return {"machine": dict(machine), "rows": [_entry(result) for result in results]}


def _entry(result: Result) -> dict[str, object]:
    row = result.row
    return {
        "name": row.name,
        "about": row.about,
        "unit": row.unit.value,
        "reach": row.reach,
        "limit": row.limit,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "ratio": result.ratio,
        "lxgit": _figures(result.ours),
        "peer": {"name": row.peer, **_figures(result.peer)},
        "listed": [
            {"name": peer.name, "reason": peer.reason, **_figures(peer.figures)}
            for peer in result.listed
        ],
    }


def _figures(rounds: tuple[float, ...]) -> dict[str, object]:
    return {"median": median(rounds) if rounds else None, "rounds": list(rounds)}


def summary(results: Sequence[Result]) -> str:
    """How many rows ended how, in words."""
    counts = {verdict: sum(r.verdict is verdict for r in results) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
