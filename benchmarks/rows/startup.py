"""What a command costs before it does anything: against Python's own start."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.programs import Program, environment
from benchmarks.store import CHANGE
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.store import Store
    from benchmarks.workbench import Workbench

_PYTHON = Path(sys.executable).resolve()
"""The interpreter that runs lxgit, without the environment that lxgit is installed in."""

_COMMITS = 6


def rows(bench: Workbench) -> list[Row]:
    """`--version` needs no store; the others look at one with a short history."""
    history = cache(partial(_history, bench))

    def row(reach: float, prepare: Callable[[], Store], *command: str) -> Row:
        words = " ".join(command)
        setup = partial(_contest, bench, prepare, command)
        name = command[0].lstrip("-")
        return Row(name, f"`{words}`", "`python3 -c pass`", setup, reach, rounds=31)

    return [
        row(6, bench.empty_store, "--version"),
        row(12, history, "ps", "-a"),
        row(12, history, "branch"),
        row(12, history, "log", "-n", "5"),
    ]


def _history(bench: Workbench) -> Store:
    """A store with a few commits, and the stopped containers that they were made of."""
    store = bench.new_store(bench.inputs.small)
    for number in range(_COMMITS):
        store.keep(IMAGE, f"worker-{number}", *CHANGE)
        store.program.run("commit", "-m", f"Change {number}", f"worker-{number}")
    return store


@contextmanager
def _contest(
    bench: Workbench, prepare: Callable[[], Store], command: tuple[str, ...]
) -> Iterator[Contest]:
    lxgit = prepare().program
    python = Program((str(_PYTHON),), environment(bench.directory))
    yield Contest(partial(lxgit.seconds, *command), partial(python.seconds, "-c", "pass"))
