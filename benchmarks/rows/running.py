"""Containers that run: what it takes to reach them, to list them, to hear them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Contest, Failed, Row, Unit
from benchmarks.workbench import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.programs import Program
    from benchmarks.workbench import Workbench

_SLEEP = ("sleep", "86400")
_MANY = 100
_LINES = 1_000_000
_SUPERVISOR = 20 << 20  # bytes


def rows(bench: Workbench) -> list[Row]:
    return [
        Row("exec", "`exec CONTAINER true`", "docker", partial(_exec, bench), reach=0.7, rounds=15),
        Row("ps-many", f"`ps -a` of {_MANY} containers", "docker", partial(_ps, bench), reach=5),
        Row(
            "output",
            f"`run` of a container that prints {_LINES:,} lines, all of them kept",
            "docker, json-file",
            partial(_output, bench),
            reach=2,
            rounds=3,
        ),
        Row(
            "supervisor",
            "resident memory of the supervisor of a running container",
            "",
            partial(_supervisor, bench),
            limit=_SUPERVISOR,
            unit=Unit.BYTES,
            rounds=3,
            warm_up=0,
        ),
    ]


@contextmanager
def _exec(bench: Workbench) -> Iterator[Contest]:
    lxgit, docker = _both(bench)
    with _running(lxgit, "joined"), _running(docker, "joined"):
        command = ("exec", "joined", "true")
        yield Contest(partial(lxgit.seconds, *command), partial(docker.seconds, *command))


@contextmanager
def _ps(bench: Workbench) -> Iterator[Contest]:
    lxgit, docker = _both(bench)
    names = [f"listed-{number}" for number in range(_MANY)]
    for program in (lxgit, docker):
        for name in names:
            program.run("create", "--network", "none", "--name", name, IMAGE, "true")
    yield Contest(partial(lxgit.seconds, "ps", "-a"), partial(docker.seconds, "ps", "-a"))
    for program in (lxgit, docker):
        program.run("rm", *names)


@contextmanager
def _output(bench: Workbench) -> Iterator[Contest]:
    """Nobody reads along, so what is measured is the way into the log."""
    lxgit, docker = _both(bench)

    def print_all(program: Program) -> float:
        seconds = program.seconds(
            *("run", "--network", "none", "--name", "loud", IMAGE, "seq", str(_LINES))
        )
        kept = program.run("logs", "loud").count("\n")
        program.run("rm", "loud")
        if kept != _LINES:
            raise Failed(f"{kept} of {_LINES} lines are in the log")
        return seconds

    yield Contest(partial(print_all, lxgit), partial(print_all, docker))


@contextmanager
def _supervisor(bench: Workbench) -> Iterator[Contest]:
    program = bench.store(bench.inputs.small).program

    def resident() -> float:
        with _running(program, "watched"):
            (container,) = json.loads(program.run("inspect", "watched"))
            return _resident(_parent(_parent(container["State"]["Pid"])))

    yield Contest(resident)


def _both(bench: Workbench) -> tuple[Program, Program]:
    small = bench.inputs.small
    return bench.store(small).program, bench.docker(small).program


@contextmanager
def _running(program: Program, name: str) -> Iterator[None]:
    program.run("run", "--detach", "--network", "none", "--name", name, IMAGE, *_SLEEP)
    yield
    program.run("rm", "--force", name)


def _parent(pid: int) -> int:
    """The parent of a process: of a container's first one that is LXC, of that the supervisor."""
    return int(_status(pid)["PPid"])


def _resident(pid: int) -> int:
    """VmRSS in bytes: proc_pid_status(5)."""
    return int(_status(pid)["VmRSS"].split()[0]) * 1024


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)
