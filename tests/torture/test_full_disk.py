"""A disk that is full at any byte, on each file system: said in a line, and nothing is lost."""

from __future__ import annotations

import os
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support import disks
from tests.support.program import Lxgit
from tests.torture import conftest
from tests.torture.machines import DATED, OPERATIONS, Machine, Operation
from tests.torture.verdict import State, faults, ill_said, leftovers, temporary_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.machines import Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow]

_IN_SUITE = 4
_MOST_FREE = 4 << 20  # bytes: the largest of the operations fits in that
_FILLED = [one for one in OPERATIONS if one.name in ("import", "commit", "branch", "tag", "gc")]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", disks.KINDS, ids=str)
@pytest.mark.parametrize("operation", _FILLED, ids=lambda operation: operation.name)
def test_a_disk_that_is_full(
    operation: Operation, kind: disks.Kind, workshop: Workshop, memory: Path
) -> None:
    machine, disk = conftest.on_a_disk(operation, kind, workshop, memory)
    source = random.Random(f"{conftest.SEED} {operation.name} {kind}")
    rounds = _IN_SUITE if conftest.ROUNDS <= 20 else conftest.ROUNDS // 10
    wrong = []
    for number in range(rounds):
        free = 0 if number == 0 else int(_MOST_FREE ** source.uniform(0.4, 1))
        running = disks.copy(disk, memory / "running")
        with disks.mounted(kind, running, memory / "r") as place:
            lxgit = Lxgit(place / "machine/store", place / "machine/home")
            wrong += [f"{free} bytes free: {one}" for one in _try(machine, lxgit, place, free)]
    assert not wrong, "\n".join([f"{operation.name} on {kind}, seed {conftest.SEED}", *wrong])


def _try(machine: Machine, lxgit: Lxgit, place: Path, free: int) -> Iterator[str]:
    before = State.of(lxgit.store)
    with _filled(place, free):
        result = lxgit(*machine.words(machine.operation.words), env=DATED, code=None)
        yield from ill_said(result.code, result.err)
        if result.code:
            yield from State.of(lxgit.store).lost(before, before)
            yield from (f"left {path}" for path in temporary_files(lxgit.store))
    yield from faults(lxgit.store)
    result, _ = machine.next(lxgit)
    if result.code:
        yield f"then {' '.join(result.arguments)}: {result.err.strip()}"
    yield from (f"left over: {path}" for path in leftovers(lxgit.store))


@contextmanager
def _filled(place: Path, free: int) -> Iterator[None]:
    """Leave about so many bytes on a file system."""
    ballast = place / "ballast"
    with ballast.open("wb") as file:
        for size in (1 << 20, 4096):
            status = os.statvfs(place)
            while status.f_bavail * status.f_frsize >= free + size:
                try:
                    os.write(file.fileno(), bytes(size))
                    os.fsync(file.fileno())
                except OSError:
                    break
                status = os.statvfs(place)
    try:
        yield
    finally:
        ballast.unlink()
        os.sync()
