"""What is done with a container's changes costs what changed, not what the image holds."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.store import CHANGE, CHANGED
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.store import Store
    from benchmarks.workbench import Workbench


def rows(bench: Workbench) -> list[Row]:
    inputs = bench.inputs

    def row(name: str, contest: Callable[[Workbench], AbstractContextManager[Contest]]) -> Row:
        return Row(
            name,
            f"`{name}` of a container with {len(CHANGED)} changes, {inputs.large.about}",
            f"the same, {inputs.small.about}",
            partial(contest, bench),
            reach=1.2,
            limit=0.150,
            rounds=15,
        )

    return [row("status", _status), row("commit", _commit)]


@contextmanager
def _status(bench: Workbench) -> Iterator[Contest]:
    large, small = bench.store(bench.inputs.large), bench.store(bench.inputs.small)
    for store in (large, small):
        store.keep(IMAGE, "looked-at", *CHANGE)
    bench.settle()
    status = ("status", "looked-at")
    yield Contest(
        partial(large.program.seconds, *status),
        partial(small.program.seconds, *status),
        {f"`docker diff`, {bench.inputs.large.about}": _docker_diff(bench)},
    )
    for store in (large, small):
        store.program.run("rm", "looked-at")


def _docker_diff(bench: Workbench) -> Callable[[], float]:
    """The container is made with the first round."""
    made: list[str] = []

    def play() -> float:
        program = bench.docker(bench.inputs.large).program
        if not made:
            program.run("run", "--network=none", "--name=looked-at", IMAGE, *CHANGE)
            made.append("looked-at")
        return program.seconds("diff", "looked-at")

    return play


@contextmanager
def _commit(bench: Workbench) -> Iterator[Contest]:
    large, small = bench.store(bench.inputs.large), bench.store(bench.inputs.small)
    bench.settle()
    containers = (f"changed-{number}" for number in count())
    yield Contest(
        lambda: _seconds(large, next(containers)),
        lambda: _seconds(small, next(containers)),
        {
            f"`docker commit`, {bench.inputs.large.about}": lambda: _docker_commit(
                bench, next(containers)
            )
        },
    )


def _seconds(store: Store, container: str) -> float:
    """The time to commit a container that has just been changed; it goes on from the last one."""
    store.keep(IMAGE, container, *CHANGE)
    elapsed = store.program.seconds("commit", "-m", f"Commit {container}", container)
    store.program.run("rm", container)
    return elapsed


def _docker_commit(bench: Workbench, container: str) -> float:
    program = bench.docker(bench.inputs.large).program
    program.run("run", "--network=none", f"--name={container}", IMAGE, *CHANGE)
    elapsed = program.seconds("commit", container, IMAGE)
    program.run("rm", container)
    return elapsed
