"""A root filesystem comes in: until it is durable in Git, and a container can start of it."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.inputs import LARGE, read_once
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.inputs import Debian
    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench


def rows(bench: Workbench) -> list[Row]:
    about = f"`import` of a tar into an empty store, {LARGE.about}"
    setup = partial(_import, bench, LARGE)
    return [Row("import", about, "podman", setup, reach=1.0, rounds=5, warm_up=0)]


@contextmanager
def _import(bench: Workbench, debian: Debian) -> Iterator[Contest]:
    archive = debian.archive()

    def seconds(program: Program) -> float:
        bench.settle()
        read_once(archive)
        return program.seconds("import", str(archive), IMAGE)

    def ours() -> float:
        store = bench.empty_store()
        elapsed = seconds(store.program)
        store.check_ready()
        return elapsed

    yield Contest(ours, lambda: seconds(bench.empty_podman().program))
