"""Docker: a daemon with a data root of its own, on native overlay2, mostly without any network."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import Void
from benchmarks.programs import Program, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START = 30  # seconds
_STOP = 30  # seconds


class Docker:
    """What is imported is there while the daemon runs; `data` holds everything it keeps."""

    def __init__(self, program: Program, data: Path) -> None:
        self.program = program
        self.data = data


@contextmanager
def docker(directory: Path, *, bridged: bool = False) -> Iterator[Docker]:
    """A daemon in the new `directory`, until the end; Void when there is none or it won't start.

    Unless it is `bridged` it neither makes a bridge nor touches the firewall; containerd is started
    by it, and ends with it.
    """
    client, daemon = shutil.which("docker"), shutil.which("dockerd")
    if client is None or daemon is None:
        raise Void("no docker with dockerd on this machine")
    directory.mkdir()
    values = environment(directory)
    program = Program((client, f"--host=unix://{directory}/socket"), values)
    options = {
        "--host": f"unix://{directory}/socket",
        "--data-root": directory / "data",
        "--exec-root": directory / "exec",
        "--pidfile": directory / "pid",
        "--storage-driver": "overlay2",
    }
    if not bridged:
        options |= {"--bridge": "none", "--iptables": "false", "--ip6tables": "false"}
    command = [daemon, *(f"{option}={value}" for option, value in options.items())]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=values)
    try:
        _wait(process, directory)
        if reason := foreign_driver(json.loads(program.run("info", "--format={{json .}}"))):
            raise Void(reason)
        yield Docker(program, directory / "data")
    finally:
        _stop(process)


def foreign_driver(info: dict[str, object]) -> str | None:
    """Why `docker info` tells of no native overlay."""
    driver = info["Driver"]
    return None if driver == "overlay2" else f"docker stores with {driver}, not with overlay2"


def _wait(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Until the daemon answers."""
    deadline = time.monotonic() + _START
    while not (directory / "socket").exists() or not (directory / "pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            said = (directory / "log").read_text(errors="replace").strip().splitlines()
            raise Void(f"dockerd did not start: {(said or ['nothing said'])[-1]}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
