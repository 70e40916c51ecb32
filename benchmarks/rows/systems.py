"""Whole systems: how long systemd takes to boot one."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Failed, Row
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench

_LIMIT = 1  # second
_PATIENCE = 60  # seconds
_RUN = ("run", "--detach", "--network", "none", "--name", "machine")
_REACHED = re.compile(r"target reached after (?:([0-9.]+)s|([0-9.]+)ms) in userspace")


def rows(bench: Workbench) -> list[Row]:
    about = f"systemd until its default target, by its own clock, {bench.inputs.system.about}"
    peer = "podman `--systemd=always`"
    return [Row("boot", about, peer, partial(_boot, bench), limit=_LIMIT, rounds=7)]


@contextmanager
def _boot(bench: Workbench) -> Iterator[Contest]:
    """Each round boots a new container; Podman is who else boots an image's systemd as it is."""
    system = bench.inputs.system
    lxgit, podman = bench.store(system).program, bench.podman(system).program
    bench.settle()
    yield Contest(
        partial(_reached, lxgit, ("--init-system", IMAGE)),
        partial(_reached, podman, ("--systemd=always", IMAGE, "/sbin/init")),
    )


def _reached(program: Program, words: tuple[str, ...]) -> float:
    program.run(*_RUN, *words)
    try:
        return _told(program, time.monotonic() + _PATIENCE)
    finally:
        program.run("rm", "--force", "machine")


def _told(program: Program, deadline: float) -> float:
    """What systemd-analyze(1) says once all is up; asking earlier would keep it from its work."""
    while True:
        time.sleep(2)
        try:
            said = program.run("exec", "machine", "systemd-analyze")
        except Failed:
            if time.monotonic() > deadline:
                raise
        else:
            return seconds(said)


def seconds(said: str) -> float:
    """`graphical.target reached after 1.867s in userspace`, `… 431ms …`. Failed for other words."""
    found = _REACHED.search(said)
    if found is None:
        raise Failed(f"systemd-analyze: {said.strip()}")
    return float(found[1]) if found[1] else float(found[2]) / 1000
