"""A disk that is full, or a quota that is used up, at any byte: said in a line, nothing is lost.

The quota is btrfs's own, of a subvolume, which binds root as well. Root of the host passes over
those of quotactl(2) for users (CAP_SYS_RESOURCE), and not every kernel has them.
"""

from __future__ import annotations

import os
import random
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support import disks
from tests.support.program import Lxgit
from tests.torture import conftest
from tests.torture.machines import DATED, OPERATIONS, Machine, Operation
from tests.torture.verdict import State, faults, git_faults, ill_said, leftovers, temporary_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.torture.machines import Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.scale]

_FEW = 4
_MOST_FREE = 4 << 20  # bytes: the largest of the operations fits in that
_ALWAYS = ("import", "commit", "branch", "tag", "gc")
_IN_TORTURE = (*_ALWAYS, "stash push", "stash pop", "undo")
_FILLED = [
    one for one in OPERATIONS if one.name in (_ALWAYS if conftest.ROUNDS <= 20 else _IN_TORTURE)
]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", disks.KINDS, ids=str)
@pytest.mark.parametrize("operation", _FILLED, ids=lambda operation: operation.name)
def test_a_disk_that_is_full(
    operation: Operation, kind: disks.Kind, workshop: Workshop, memory: Path
) -> None:
    _torture(operation, kind, workshop, memory, _filled)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("operation", _FILLED, ids=lambda operation: operation.name)
def test_a_quota_that_is_used_up(operation: Operation, workshop: Workshop, memory: Path) -> None:
    _torture(operation, disks.BTRFS, workshop, memory, _limited)


def _torture(
    operation: Operation,
    kind: disks.Kind,
    workshop: Workshop,
    memory: Path,
    leaving: Callable[[Path, int], AbstractContextManager[Path]],
) -> None:
    """Run the operation with so many bytes left, several times."""
    machine, disk = conftest.on_a_disk(operation, kind, workshop, memory)
    source = random.Random(f"{conftest.SEED} {operation.name} {kind}")
    rounds = _FEW if conftest.ROUNDS <= 20 else conftest.ROUNDS // 10
    wrong = []
    for number in range(rounds):
        free = 0 if number == 0 else int(_MOST_FREE ** source.uniform(0.4, 1))
        running = disks.copy(disk, memory / "running")
        with disks.mounted(kind, running, memory / "r") as place:
            found = _try(machine, leaving(place, free))
            wrong += [f"{free} bytes free: {one}" for one in found]
    assert not wrong, "\n".join([f"{operation.name} on {kind}, seed {conftest.SEED}", *wrong])


def _try(machine: Machine, limited: AbstractContextManager[Path]) -> Iterator[str]:
    with limited as place:
        lxgit = Lxgit(place / "machine/store", place / "machine/home")
        before = State.of(lxgit.store)
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
    yield from (f"in the end, {fault}" for fault in git_faults(lxgit.store))


@contextmanager
def _filled(place: Path, free: int) -> Iterator[Path]:
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
        yield place
    finally:
        ballast.unlink()
        disks.flush(place)


@contextmanager
def _limited(place: Path, free: int) -> Iterator[Path]:
    """A copy of a file system, within it, that may take about so many bytes more."""
    copy = place / "limited"
    _btrfs("quota", "enable", place)
    _btrfs("subvolume", "snapshot", place, copy)
    _btrfs("quota", "rescan", "-w", place)
    *_, row = _btrfs("qgroup", "show", "-f", "--raw", "--sync", copy).splitlines()
    group, used, _ = row.split(maxsplit=2)
    _btrfs("qgroup", "limit", str(int(used) + free), group, place)
    try:
        yield copy
    finally:
        _btrfs("qgroup", "limit", "none", group, place)


def _btrfs(*words: str | Path) -> str:
    done = subprocess.run(["btrfs", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        unable(f"no quotas on btrfs: {done.stderr.strip()}")
    return done.stdout
