"""A registry on loopback, Docker's own: what both sides push to."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import Failed, Void

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CONFIG = """\
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: {place}/data
http:
  addr: {host}
"""
_START = 20  # seconds


@contextmanager
def registry(place: Path) -> Iterator[str]:
    """An empty one, `HOST:PORT`, that keeps what it gets below the new directory `place`. Void."""
    program = shutil.which("docker-registry")
    if program is None:
        raise Void("no docker-registry on this machine")
    place.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    config = place / "config.yml"
    config.write_text(_CONFIG.format(place=place, host=host))
    words = [program, "serve", str(config)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env={}, stdout=quiet, stderr=quiet) as process:
        try:
            _wait(process, host)
            yield host
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes], host: str) -> None:
    name, _, port = host.partition(":")
    deadline = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((name, int(port))).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise Failed("the registry did not start")
