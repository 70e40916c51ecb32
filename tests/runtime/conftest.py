"""A tiny root filesystem, places where overlayfs works, and a watch over what is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.objects.metadata import Metadata
from lxgit.records import replace
from lxgit.runtime import cgroups, idmap, overlay, probe, rundir
from lxgit.runtime.config import Request
from lxgit.runtime.containers import Container, all_containers, create
from lxgit.runtime.starting import start_container
from lxgit.runtime.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.runtime.attach import Session

BUSYBOX = Path("/usr/bin/busybox")


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory on a disk: overlayfs takes no upper directory on an overlay."""
    path = Path(tempfile.mkdtemp(prefix="lxgit-test-", dir="/var/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def busybox_tree() -> Iterator[Path]:
    """A root filesystem of one program, owned by root, as an image has it. Not to be changed."""
    path = Path(tempfile.mkdtemp(prefix="lxgit-busybox-", dir="/var/tmp"))
    path.chmod(0o755)
    try:
        make_busybox(path)
        yield path
    finally:
        shutil.rmtree(path)


def make_busybox(path: Path) -> None:
    program = next(p for p in (BUSYBOX, Path("/bin/busybox")) if p.exists())
    for name in ("bin", "etc", "proc", "sys", "dev", "root"):
        (path / name).mkdir(mode=0o755)
    (path / "tmp").mkdir()
    (path / "tmp").chmod(0o1777)
    shutil.copy2(program, path / "bin/busybox")
    listing = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    for applet in listing.stdout.split():
        if not (path / "bin" / applet).exists():
            (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\ntty:x:5:\nwww:x:33:\n")
    for name in ("hosts", "hostname", "resolv.conf"):
        (path / "etc" / name).write_text("from the image\n")


@pytest.fixture
def busybox(busybox_tree: Path) -> overlay.Lower:
    return overlay.Lower(busybox_tree, idmap.IdMap.identity())


def leftovers(ids: Iterable[str] = ()) -> set[str]:
    """Mounts of lxgit here, but for the shared base layers; every trace of these containers."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = [Path(line.split()[4]) for line in mounts]
    found = {
        str(path)
        for path in targets
        if path.is_relative_to(rundir.RUN) and not path.is_relative_to(rundir.BASES)
    }
    for one in ids:
        found.update(map(str, cgroups.groups_of(one)))
        places = (rundir.CONTAINERS / one, Path(f"/run/lxc/lock{rundir.CONTAINERS}/.{one}"))
        found.update(str(path) for path in places if path.exists())
    wanted = [one.encode() for one in ids] + [b"lxgit:" + one[:9].encode() for one in ids]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            process = Path("/proc", pid)
            said = (process / "cmdline").read_bytes() + (process / "comm").read_bytes()
            zombie = b") Z " in (process / "stat").read_bytes()  # ours, to be reaped later
            if not zombie and any(one in said for one in wanted):
                found.add(f"process {pid}")
    return found


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
        lowers = options.pop("lowers", [self.base])
        options.setdefault("apparmor", probe.apparmor_profile())
        return start_container(container, lowers, Metadata(0o755, 0, 0, 0), **options)

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
def machine(place: Path, busybox: overlay.Lower) -> Iterator[Machine]:
    """A place for containers; what one of them leaves behind on the host fails the test."""
    path = place / "containers"
    path.mkdir()
    yield Machine(path, busybox)
    ids = [container.id for container in all_containers(path)]
    deadline = time.monotonic() + 10
    while (left := leftovers(ids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
