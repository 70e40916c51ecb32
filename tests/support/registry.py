"""A real registry, Docker's own, on loopback: it ends with the test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "ada", "open sesame"
_HASH = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"  # bcrypt of the password
_START = 60  # seconds

_CONFIG = """\
version: 0.1
log:
  level: error
storage:
  filesystem:
    rootdirectory: {place}/data
http:
  addr: 127.0.0.1:{port}
"""
_AUTH = """\
auth:
  htpasswd:
    realm: test
    path: {place}/htpasswd
"""


@dataclass(frozen=True, slots=True)
class Registry:
    """Its `host`, `127.0.0.1:PORT`, and what it was asked."""

    host: str
    log: Path

    def asked(self) -> list[tuple[str, str]]:
        """The method and the path of each request so far."""
        found = re.findall(r'"(GET|HEAD|PUT|POST|PATCH) (\S+) HTTP', self.log.read_text())
        return [(method, path) for method, path in found]

    def uploads(self) -> int:
        """How many blobs somebody began to send."""
        return sum(method == "POST" for method, _ in self.asked())


@contextmanager
def registry(place: Path, *, private: bool = False, port: int = 0) -> Iterator[Registry]:
    """One that keeps its images below the new directory `place`; a `private` one wants USER.

    On the first free port, or on `port`.
    """
    place.mkdir()
    (place / "htpasswd").write_text(f"{USER}:{_HASH}\n")
    with socket.create_server(("127.0.0.1", port)) as taken:
        port = taken.getsockname()[1]
    config = _CONFIG + (_AUTH if private else "")
    (place / "config.yml").write_text(config.format(place=place, port=port))
    log = place / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["docker-registry", "serve", place / "config.yml"],
            stdout=file,
            stderr=file,
            env={"PATH": os.defpath},  # REGISTRY_AUTH_FILE, skopeo's, would be a setting of it
        )
    try:
        _wait(process, port, log)
        yield Registry(f"127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(60)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.02)
        else:
            return


def skopeo(*arguments: str | Path) -> bytes:
    """What the program says."""
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout
