"""A commit costs what changed: the same change in a small and in a large image."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.inputs import ESSENTIAL, LARGE
from benchmarks.store import CHANGED
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.store import Store
    from benchmarks.workbench import Workbench


def rows(bench: Workbench) -> list[Row]:
    about = f"`commit` of {len(CHANGED)} changed files, {LARGE.about}"
    peer = f"the same, {ESSENTIAL.about}"
    return [Row("commit", about, peer, partial(_commit, bench), reach=1.2, limit=0.150)]


@contextmanager
def _commit(bench: Workbench) -> Iterator[Contest]:
    large, small = bench.store(LARGE), bench.store(ESSENTIAL)
    bench.settle()
    containers = (f"changed-{number}" for number in count())
    yield Contest(
        lambda: _seconds(large, next(containers)), lambda: _seconds(small, next(containers))
    )


def _seconds(store: Store, container: str) -> float:
    """The time to commit a container that has just been changed; it goes on from the last one."""
    store.change(IMAGE, container)
    elapsed = store.program.seconds("commit", "-m", f"Commit {container}", container)
    store.program.run("rm", container)
    return elapsed
