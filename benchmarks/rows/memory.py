"""The memory that one big file takes: it must pass through in pieces, both ways."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from benchmarks import memory
from benchmarks.harness import Contest, Row, Unit
from benchmarks.store import TRUE
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.store import Store
    from benchmarks.workbench import Workbench

_LIMIT = 250 << 20  # bytes


def rows(bench: Workbench) -> list[Row]:
    store = cache(lambda: bench.new_store(bench.inputs.big))

    def row(name: str, what: str, play: Callable[[Workbench, Callable[[], Store]], float]) -> Row:
        about = f"peak memory of all processes, {what} {bench.inputs.big.about}"
        setup = partial(_contest, partial(play, bench, store))
        return Row(f"memory-{name}", about, "", setup, None, _LIMIT, Unit.BYTES, 1, 0)

    return [
        row("import", "`import` of", _import),
        row("materialise", "`run` from Git alone of", _materialise),
        row("export", "`export` of", _export),
    ]


@contextmanager
def _contest(play: Callable[[], float]) -> Iterator[Contest]:
    yield Contest(play)


def _import(bench: Workbench, _: Callable[[], Store]) -> float:
    archive = bench.inputs.big.archive()
    return memory.peak(bench.empty_store().program, "import", str(archive), IMAGE)


def _materialise(_: Workbench, store: Callable[[], Store]) -> float:
    store().lose_layers()
    return memory.peak(store().program, *TRUE, IMAGE, "true")


def _export(bench: Workbench, store: Callable[[], Store]) -> float:
    return memory.peak(store().program, "export", IMAGE, "-o", str(bench.place("exported")))
