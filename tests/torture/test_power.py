"""The power fails at any moment: what was acknowledged is on the disk.

The operation is killed, and the disk is looked at as it is then (see `disks`). Every other round
lets it come to its end, and cuts the power the moment it has said so.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.support import disks
from tests.support.program import Lxgit
from tests.torture import conftest
from tests.torture.killing import Moment, check, wait
from tests.torture.machines import DATED, OPERATIONS, Machine, Operation
from tests.torture.power import reboot
from tests.torture.tracing import Traced
from tests.torture.verdict import State, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.machines import Workshop

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.scale]

_IN_SUITE = 3
_EVERYWHERE = ("import", "commit")
_CUT = [one for one in OPERATIONS if one.name not in ("materialise", "start", "prune")]
"""Those that change more than the cache of layers, or files of a running container."""


@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        pytest.param(operation, kind, id=f"{operation.name}-{kind}")
        for operation in _CUT
        for kind in disks.KINDS
        if kind is disks.EXT4 or operation.name in _EVERYWHERE or conftest.ROUNDS > 20
    ],
)
def test_power_loss(
    operation: Operation, kind: disks.Kind, workshop: Workshop, memory: Path
) -> None:
    machine, disk = conftest.on_a_disk(operation, kind, workshop, memory)
    source = random.Random(f"{conftest.SEED} {operation.name} {kind}")
    before = machine.before()
    steps, after = _run(machine, kind, disk, memory)
    wrong = []
    rounds = _IN_SUITE if conftest.ROUNDS <= 20 else conftest.ROUNDS // 10
    for number in range(rounds):
        moment = None if number % 3 == 0 else Moment(source.randint(1, steps), 0)
        wrong += _round(machine, kind, disk, memory, before, after, moment)
    assert not wrong, "\n".join([f"seed {conftest.SEED}", *wrong])


def _run(machine: Machine, kind: disks.Kind, disk: Path, scratch: Path) -> tuple[int, State]:
    """How many calls change the store, and what it is afterwards."""
    running = disks.copy(disk, scratch / "running")
    with disks.mounted(kind, running, scratch / "r") as place:
        lxgit = Lxgit(place / "machine/store", place / "machine/home")
        words = machine.words(machine.operation.words)
        with Traced(lxgit, words, scratch, env=DATED) as traced:
            count = sum(call.changes(lxgit.store) for call in traced.follow())
        return count, machine.state(lxgit.store)


def _round(
    machine: Machine,
    kind: disks.Kind,
    disk: Path,
    scratch: Path,
    before: State,
    after: State,
    moment: Moment | None,
) -> list[str]:
    running = disks.copy(disk, scratch / "running")
    with disks.mounted(kind, running, scratch / "r") as place:
        lxgit = Lxgit(place / "machine/store", place / "machine/home")
        words = machine.words(machine.operation.words)
        with Traced(lxgit, words, scratch, env=DATED) as traced:
            if moment is None:
                for _ in traced.follow():
                    pass
            else:
                wait(traced, lxgit.store, moment)
            traced.kill()
        lost = disks.copy(running, scratch / "lost")
        leftovers(lxgit.store)  # what is mounted of it
    with disks.mounted(kind, lost, scratch / "l") as place:
        lxgit = Lxgit(place / "machine/store", place / "machine/home")
        reboot(lxgit.store)
        found = check(machine, lxgit, before, after, acknowledged=traced.process.returncode == 0)
    when = moment or "at its end"
    return [f"{machine.operation.name} on {kind}, {when}: {fault}" for fault in found]
