"""Containers from start to end."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.inputs import LARGE
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.workbench import Workbench

_RUN = ("run", "--rm", "--network", "none", IMAGE, "true")


def rows(bench: Workbench) -> list[Row]:
    about = f"`run --rm --network none IMAGE true`, {LARGE.about}, warm"
    peer = "podman `--runtime runc`"
    return [Row("run", about, peer, partial(_run, bench), reach=1.0, warm_up=3)]


@contextmanager
def _run(bench: Workbench) -> Iterator[Contest]:
    lxgit, podman = bench.store(LARGE).program, bench.podman(LARGE).program
    bench.settle()
    yield Contest(partial(lxgit.seconds, *_RUN), partial(podman.seconds, *_RUN))
