"""Containers without a store of Git's, and a watch over what they leave behind."""

from __future__ import annotations

import contextlib
import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.objects.metadata import Metadata
from lxgit.records import replace
from lxgit.runtime import idmap, overlay, probe
from lxgit.runtime.config import Request
from lxgit.runtime.containers import Container, all_containers
from lxgit.runtime.creating import create
from lxgit.runtime.setup import Task
from lxgit.runtime.starting import start_container
from lxgit.runtime.streams import Streams
from tests.support import leaks
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.attach import Session


@pytest.fixture
def busybox(busybox_rootfs: Path) -> overlay.Lower:
    return overlay.Lower(busybox_rootfs, idmap.IdMap.identity())


class Machine:
    """Containers of one store, each on the busybox tree unless told otherwise."""

    def __init__(self, containers: Path, base: overlay.Lower) -> None:
        self.containers = containers
        self.base = base

    def create(self, *command: str, **wanted: object) -> Container:
        request = Request(
            image="base", command=command, commit="1" * 40, branch="base", stack=("layer",)
        )
        return create(self.containers, replace(request, **wanted))  # type: ignore[arg-type]

    def start(self, container: Container, **options: Any) -> Session:
        lowers = tuple(options.pop("lowers", [self.base]))
        options.setdefault("apparmor", probe.apparmor_profile())
        return start_container(Task(container, lowers, **options), Metadata(0o755, 0, 0, 0))

    def run(self, *command: str, **wanted: Any) -> Result:
        """Run to the end with pipes, as `lxgit run` without -t does."""
        data = wanted.pop("input", None)
        container = self.create(*command, stdin_open=data is not None, **wanted)
        return self.go(container, data)

    def go(self, container: Container, data: bytes | None = None, **options: Any) -> Result:
        """Start what has been created, give it `data`, and wait for its end."""
        with ExitStack() as files:
            stdin, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            stdin.write(data or b"")
            stdin.seek(0)
            source = None if data is None else stdin.fileno()
            streams = Streams(source, out.fileno(), err.fileno(), container.config.tty)
            session = files.enter_context(closing(self.start(container, **options)))
            code = session.attach(streams)
            assert code is not None
            out.seek(0)
            err.seek(0)
            return Result(code, out.read(), err.read(), container)

    def shell(self, script: str, **wanted: Any) -> Result:
        return self.run("sh", "-c", script, **wanted)


@dataclass(frozen=True)
class Result:
    code: int
    out: bytes
    err: bytes
    container: Container


@pytest.fixture
def machine(scratch: Path, busybox: overlay.Lower) -> Iterator[Machine]:
    """A place for containers; what one of them leaves behind on the host fails the test."""
    path = scratch / "containers"
    path.mkdir()
    yield Machine(path, busybox)
    ids = [container.id for container in all_containers(path)]
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not leaks.traces_of(ids), every=0.02)
    assert not leaks.traces_of(ids)
