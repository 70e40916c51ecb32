"""The power fails, and of what was not flushed any part may be on the disk: see `reordering`.

Each operation runs once. The power fails after a random call of its, in every third round the
moment it has said that it is done.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Lxgit
from tests.torture import conftest
from tests.torture.killing import check
from tests.torture.machines import DATED, OPERATIONS, Machine, Operation
from tests.torture.power import reboot
from tests.torture.reordering import cut, write
from tests.torture.replay import OPTIONS, Replay, walk
from tests.torture.tracing import Traced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.torture.machines import Workshop
    from tests.torture.tracing import Call
    from tests.torture.verdict import State

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.scale]

_IN_LAYER = re.compile("store/layers/[0-9a-f]+/fs/")
_IN_SUITE = 2
_IN_ORDER = ("gc",)
"""git-repack(1) renames its packs into place and unlinks the old ones, with no flush between."""

_SHOWN = 12  # lost changes of names


@dataclass(frozen=True, slots=True)
class Run:
    """An operation that came to its end, traced; `top` has the store in it."""

    machine: Machine
    top: Path
    calls: list[Call]
    before: State
    after: State

    def replay(self) -> Replay:
        operation, template = self.machine.operation, self.machine.template
        return Replay(self.top, "store", None if operation.empty else template)

    @property
    def moments(self) -> list[int]:
        """After how many calls the store has changed."""
        store = self.top / "store"
        return [at for at, call in enumerate(self.calls, 1) if call.changes(store)]


@pytest.mark.timeout(0)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_any_part_of_what_was_not_flushed(
    operation: Operation, workshop: Workshop, scratch: Path
) -> None:
    conftest.require(operation)
    run = _run(workshop.machine(operation), scratch / "run")
    assert _unplayed(run) == []
    rounds = _IN_SUITE if conftest.ROUNDS <= 20 else conftest.ROUNDS // 10
    seeds = [f"{conftest.SEED} {operation.name} {number}" for number in range(rounds)]
    wrong = [
        fault
        for number, seed in enumerate(seeds)
        for fault in _round(run, seed, scratch / str(number), at_end=number % 3 == 0)
    ]
    assert not wrong, "\n".join(wrong)


def _run(machine: Machine, top: Path) -> Run:
    before = machine.before()
    lxgit = machine.copied(top)
    words = machine.words(machine.operation.words)
    with Traced(lxgit, words, top, env=DATED, options=OPTIONS) as traced:
        calls = list(traced.follow())
        _, said = traced.process.communicate()
        assert traced.process.returncode == 0, said
    after = machine.state(lxgit.store).without_containers_beside(before)
    return Run(machine, top, calls, before, after)


def _unplayed(run: Run) -> list[str]:
    """Where the played names differ from the real ones.

    A container's own changes are left out, also where they have become a layer: its processes name
    them as they see them.
    """
    replay = run.replay()
    for call in run.calls:
        replay.play(call)
    played = {path for _, path in walk(replay.root)}
    real = {
        os.path.relpath(os.path.join(directory, name), run.top)
        for directory, names, files in os.walk(run.top / "store")
        for name in (*names, *files)
    }
    return [
        path
        for path in sorted((played - {"store"}) ^ real)
        if (not path.startswith("store/containers/") or path.count("/") == 2)
        and not (run.machine.operation.name == "build" and _IN_LAYER.match(path))
    ]


def _round(run: Run, seed: str, directory: Path, *, at_end: bool) -> Iterator[str]:
    source = random.Random(seed)
    moment = len(run.calls) if at_end else source.choice(run.moments)
    in_order = run.machine.operation.name in _IN_ORDER
    drawn = cut(run.replay(), run.calls, moment, source, in_order=in_order)
    directory.mkdir()
    (directory / "home").mkdir()
    lxgit = Lxgit(directory / "store", directory / "home")
    write(drawn, run.top / "store", "store", lxgit.store)
    reboot(lxgit.store)
    found = check(run.machine, lxgit, run.before, run.after, acknowledged=at_end)
    if found:
        lost = [call.replace(str(run.top), "") for call in drawn.lost]
        yield f"seed {seed}: after call {moment} of {len(run.calls)}, {drawn.torn} files torn"
        yield from (f"  not on the disk: {call}" for call in lost[:_SHOWN])
        yield f"  and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else "  nothing else"
        yield from (f"  {fault}" for fault in found)
