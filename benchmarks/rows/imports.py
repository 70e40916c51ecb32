"""A root filesystem comes in: until it is durable in Git, and a container can start of it."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import cache, partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.inputs import read_once
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.inputs import Image
    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench

_LATER = 3
"""So many later runs are compared with the first: by their median."""


def rows(bench: Workbench) -> list[Row]:
    large, small, icons = bench.inputs.large, bench.inputs.small, bench.inputs.icons
    arrivals = cache(partial(_Arrivals, bench))

    def row(name: str, image: Image, reach: float | None, rounds: int) -> Row:
        about = f"`import` of a tar into an empty store, {image.about}"
        setup = partial(_import, bench, arrivals, image)
        return Row(name, about, "podman", setup, reach, rounds=rounds, warm_up=0)

    first = Row(
        "first-run",
        f"the first `run` after an `import`, {large.about}",
        "a later one",
        partial(_first_run, arrivals, large),
        reach=1.1,
        rounds=7,
        warm_up=0,
    )
    return [
        row("import", large, 0.35, 5),
        first,
        row("import-small", small, 0.5, 7),
        row("import-icons", icons, None, 3),
    ]


class _Arrivals:
    """Imports into new stores; each gives a figure to the row of imports, and two to first runs."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._imports: dict[Image, deque[float]] = {}
        self._runs: deque[tuple[float, float]] = deque()

    def import_seconds(self, image: Image) -> float:
        waiting = self._imports.setdefault(image, deque())
        if not waiting:
            self._import(image)
        return waiting.popleft()

    def runs(self, image: Image) -> tuple[float, float]:
        """How long the first run in a new store took, and later ones."""
        if not self._runs:
            self._import(image)
        return self._runs.popleft()

    def _import(self, image: Image) -> None:
        store = self._bench.empty_store()
        seconds = import_seconds(self._bench, store.program, image)
        store.check_ready()
        self._imports.setdefault(image, deque()).append(seconds)
        if image == self._bench.inputs.large:
            first, *later = [store.run_true(IMAGE) for _ in range(1 + _LATER)]
            self._runs.append((first, median(later)))


def import_seconds(bench: Workbench, program: Program, image: Image) -> float:
    """The time of an import, by whoever has such a command."""
    archive = image.archive()
    bench.settle()
    read_once(archive)
    return program.seconds("import", str(archive), IMAGE)


@contextmanager
def _import(bench: Workbench, arrivals: Callable[[], _Arrivals], image: Image) -> Iterator[Contest]:
    yield Contest(
        lambda: arrivals().import_seconds(image),
        lambda: import_seconds(bench, bench.empty_podman().program, image),
    )


@contextmanager
def _first_run(arrivals: Callable[[], _Arrivals], image: Image) -> Iterator[Contest]:
    """Both sides of a round are of the same store; whoever is asked first has it made."""
    ours: deque[float] = deque()
    peer: deque[float] = deque()

    def take(figures: deque[float]) -> float:
        if not figures:
            first, later = arrivals().runs(image)
            ours.append(first)
            peer.append(later)
        return figures.popleft()

    yield Contest(partial(take, ours), partial(take, peer))
