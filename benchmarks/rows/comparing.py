"""Two images compared."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.store import CHANGE, CHANGED
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.workbench import Workbench

_CHANGED = "changed"


def rows(bench: Workbench) -> list[Row]:
    about = f"`diff --stat` of two images that differ in {len(CHANGED)} paths"
    return [
        Row(
            "diff",
            f"{about}, {bench.inputs.large.about}",
            "`podman diff IMAGE1 IMAGE2`",
            partial(_diff, bench),
            reach=0.1,
            rounds=9,
        )
    ]


@contextmanager
def _diff(bench: Workbench) -> Iterator[Contest]:
    store, podman = bench.store(bench.inputs.large), bench.podman(bench.inputs.large).program
    store.keep(IMAGE, "compared", *CHANGE)
    store.program.run("commit", "-m", "Change some files", "compared", _CHANGED)
    podman.run("run", "--network=none", "--name=compared", IMAGE, *CHANGE)
    podman.run("commit", "--quiet", "compared", _CHANGED)
    bench.settle()
    yield Contest(
        partial(store.program.seconds, "diff", "--stat", IMAGE, _CHANGED),
        partial(podman.seconds, "diff", IMAGE, _CHANGED),
    )
