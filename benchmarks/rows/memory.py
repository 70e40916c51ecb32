"""The memory that one big file takes: it must pass through in pieces, both ways."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
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
    big = _Big(bench)

    def row(name: str, what: str, play: Callable[[], float]) -> Row:
        about = f"peak memory of all processes, {what} {bench.inputs.big.about}"
        setup = partial(_contest, play)
        return Row(f"memory-{name}", about, "", setup, None, _LIMIT, Unit.BYTES, 1, 0)

    return [
        row("import", "`import` of", big.import_peak),
        row("materialise", "`run` from Git alone of", big.materialise_peak),
        row("export", "`export` of", big.export_peak),
    ]


@contextmanager
def _contest(play: Callable[[], float]) -> Iterator[Contest]:
    yield Contest(play)


class _Big:
    """The image with the big file; one store serves all rows, whoever imports it."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._store: Store | None = None

    def import_peak(self) -> float:
        archive = self._bench.inputs.big.archive()
        self._store = self._bench.empty_store()
        return memory.peak(self._store.program, "import", str(archive), IMAGE)

    def materialise_peak(self) -> float:
        self._imported().lose_layers()
        return memory.peak(self._imported().program, *TRUE, IMAGE, "true")

    def export_peak(self) -> float:
        place = self._bench.place("exported")
        return memory.peak(self._imported().program, "export", IMAGE, "-o", str(place))

    def _imported(self) -> Store:
        if self._store is None:
            self._store = self._bench.new_store(self._bench.inputs.big)
        return self._store
