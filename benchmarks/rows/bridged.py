"""Containers with a network: in a network namespace, so that the host's stays as it is."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Contest, Failed, Row, Void
from benchmarks.peers.docker import docker
from benchmarks.rows.containers import warm_run
from benchmarks.workbench import IMAGE
from tests.support import netns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench

_RUN = ("run", "--rm", "--network", "bridge")
_SLEEP = ("run", "--detach", "--publish", "80", IMAGE, "sleep", "86400")
_MANY = 50


def rows(bench: Workbench) -> list[Row]:
    return [
        warm_run("run-bridge", _RUN, bench.inputs.small, "docker", 0.8, partial(_both, bench)),
        Row(
            "many",
            f"{_MANY} containers started at once, each with a published port: all up",
            "docker",
            partial(_many, bench),
            reach=1,
            rounds=1,
            warm_up=0,
        ),
    ]


@contextmanager
def _many(bench: Workbench) -> Iterator[Contest]:
    with _both(bench) as (lxgit, peer):
        yield Contest(partial(_start_many, lxgit), partial(_start_many, peer))


@contextmanager
def _both(bench: Workbench) -> Iterator[tuple[Program, Program]]:
    if os.geteuid() != 0:
        raise Void("only root makes bridges")
    lxgit = bench.store(bench.inputs.small).program
    with netns.fresh(), docker(bench.place("docker"), bridged=True) as daemon:
        daemon.program.run("import", str(bench.inputs.small.archive()), IMAGE)
        bench.settle()
        yield lxgit, daemon.program


def _start_many(program: Program) -> float:
    """The time until the last one is up; Failed when an address or a port is another's too."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(_MANY) as pool:
        started = list(pool.map(lambda _: program.run(*_SLEEP).strip(), range(_MANY)))
    seconds = time.perf_counter() - begin
    found = json.loads(program.run("inspect", *started))
    addresses = {_address(one) for one in found if one["State"]["Running"]}
    ports = {one["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"] for one in found}
    program.run("rm", "--force", *started)
    if len(addresses) != _MANY or len(ports) != _MANY:
        raise Failed(f"{len(addresses)} addresses, {len(ports)} ports for {_MANY} containers")
    return seconds


def _address(container: dict[str, Any]) -> str:
    """Docker keeps it below the name of the network."""
    settings = container["NetworkSettings"]
    return str(settings.get("Networks", {"bridge": settings})["bridge"]["IPAddress"])
