"""A Dockerfile of five steps: each run in a container, and each found again."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Row
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.workbench import Workbench

STEPS = 5
_RUNS = "".join(f"RUN echo {number} > /made\n" for number in range(STEPS))
_NETWORK = ("--network", "none")
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Podman's own for a build are more than some hosts allow."""


def rows(bench: Workbench) -> list[Row]:
    about = f"a Dockerfile of {STEPS} `RUN echo`, {bench.inputs.small.about}"
    peer = "podman `build --layers --runtime runc`"
    build = partial(_build, bench)
    return [
        Row("build", f"`build --no-cache`, {about}", peer, partial(build, "--no-cache"), reach=0.7),
        Row("build-again", "`build` of the same, every step found again", peer, build, reach=1.0),
    ]


@contextmanager
def _build(bench: Workbench, *options: str) -> Iterator[Contest]:
    """Both sides have built it once before."""
    image = bench.inputs.small
    ours, podman = bench.store(image).program, bench.podman(image).program
    context = bench.place("context")
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {IMAGE}\n{_RUNS}")
    (context / "Podmanfile").write_text(f"FROM localhost/{IMAGE}\n{_RUNS}")
    own = ("build", *_NETWORK, *options, str(context))
    theirs = (
        "build",
        "--layers",
        *_NETWORK,
        *_LIMITS,
        *options,
        "--file",
        f"{context}/Podmanfile",
        str(context),
    )
    ours.run(*own)
    podman.run(*theirs)
    bench.settle()
    yield Contest(partial(ours.seconds, *own), partial(podman.seconds, *theirs))
