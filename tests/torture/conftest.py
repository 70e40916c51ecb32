"""Where the torture gets its stores, and how its tables are shown."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import conftest
from tests.conftest import remove, unable
from tests.support import disks, machine
from tests.torture.machines import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.torture.machines import Machine, Operation

ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "20"))
"""For each operation; `make torture` asks for a thousand."""

SEED = int(conftest.SEED)


def pytest_report_header() -> str:
    return f"torture: TORTURE_ROUNDS={ROUNDS} TORTURE_SEED={SEED}"


def require(operation: Operation) -> None:
    """Skip, or in CI fail, where an operation cannot run."""
    for name in ("lxc", "overlay") if operation.containers else ():
        if reason := machine.LACKS[name]():
            unable(reason)


def on_a_disk(
    operation: Operation, kind: disks.Kind, workshop: Workshop, memory: Path
) -> tuple[Machine, Path]:
    """The machine of an operation, and a disk of that kind with a copy of it in `machine`."""
    require(operation)
    if reason := machine.lacks_program(kind.make[0]):
        unable(reason)
    made = workshop.machine(operation)
    disk = disks.make(kind, memory / "disk")
    with disks.mounted(kind, disk, memory / "template") as place:
        made.copied(place / "machine")
    return made, disk


@pytest.fixture
def memory(scratch: Path) -> Iterator[Path]:
    """A directory for images of disks, in memory where there is room."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).free < 2 << 30:
        yield scratch
        return
    path = Path(tempfile.mkdtemp(prefix="lxgit-tests-", dir=shared))
    yield path
    remove(path)


@pytest.fixture(scope="session")
def workshop(work_directory: Path, busybox_rootfs: Path) -> Iterator[Workshop]:
    if reason := machine.lacks_program("strace"):
        unable(reason)
    directory = work_directory / "torture"
    directory.mkdir()
    with ExitStack() as ends:
        yield Workshop(directory, busybox_rootfs, ends)
    remove(directory)
