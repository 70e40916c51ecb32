"""Kill an operation at a random moment, then see what is left.

An operation is measured first: when it starts, writes for the first time, writes for the last time,
and ends. Of every ten moments one is drawn from before the first write, one from behind the last,
and eight from between: half of those by the clock, from the time between the two; half by the step,
from the calls that change the store, since some steps take a hundred times as long as others.
Where a kill has landed is then told by what strace has seen of it, not by what was meant.

Most operations are over before whoever is to kill them has come to it, on a disk in memory and
where others work, too. So such a one is slowed: a flush or a change of names takes longer.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.conftest import remove
from tests.torture.machines import DATED
from tests.torture.tracing import SLOW, Traced
from tests.torture.verdict import State, faults, git_faults, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.torture.machines import Machine
    from tests.torture.tracing import Call

BEFORE, BETWEEN, AFTER = "before", "between", "after"
_MEASURED = 3  # runs
_SHORTEST = 0.2  # seconds between the writes
_LONGEST = 3.2  # for a machine on which kills come late
_AT_ONCE = 2  # rounds: most of one is waiting
_TURNS = 10  # of which each lands where `_moment` says
_MOST_ROUNDS = 3  # times those asked for, when a busy machine is late with too many


@dataclass(frozen=True, slots=True)
class Measured:
    """An undisturbed run. Times in seconds: from the start, between the writes, to the end."""

    first: float
    span: float
    rest: float
    writes: tuple[str, ...]  # signatures of the calls that change the store
    state: State
    slow: int  # calls from the first to the last that are of SLOW
    delay: float  # seconds that each of those was made to take longer

    @property
    def last(self) -> tuple[str, int]:
        """The last write, and how many there were with its signature."""
        return self.writes[-1], self.writes.count(self.writes[-1])


@dataclass(slots=True)
class Report:
    """How the rounds of one operation went."""

    operation: str
    measured: Measured
    landed: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0  # of those that landed after, how many had said so
    faults: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        return self.landed.total()

    def row(self) -> str:
        """Operation, its length in milliseconds, of that between first and last write; kills."""
        measured = self.measured
        length = measured.first + measured.span + measured.rest
        return (
            f"| {self.operation} | {length * 1000:.0f} ms | {measured.span * 1000:.1f} ms"
            f" | {len(measured.writes)} | {self.rounds} | {self.landed[BEFORE]}"
            f" | {self.landed[BETWEEN]} | {self.landed[AFTER]} | {self.acknowledged} |"
        )


RECORDED = "kills"
"""The property of a test's report that has a row."""

HEADER = (
    "| operation | length | first to last write | writes | kills | before | between | after"
    " | acknowledged |\n|---|---|---|---|---|---|---|---|---|"
)


def measure(machine: Machine, directory: Path, shortest: float = _SHORTEST) -> Measured:
    """The operation on its machine, undisturbed, the middle one of three; slowed if need be.

    Then there are `shortest` seconds between its writes.
    """
    delay = _delay(_measure(machine, directory, 0), shortest)
    runs = [_measure(machine, directory, delay) for _ in range(_MEASURED)]
    return sorted(runs, key=lambda run: run.span)[_MEASURED // 2]


def _delay(quick: Measured, shortest: float) -> float:
    """What has a run that is as quick as that one last so long."""
    return max(0, shortest - quick.span) / max(1, quick.slow)


def _measure(machine: Machine, directory: Path, delay: float) -> Measured:
    directory = directory / "measured"
    lxgit = machine.copied(directory)
    words = machine.words(machine.operation.words)
    with Traced(lxgit, words, directory, env=DATED, delay=delay) as traced:
        writes = [call for call in traced.follow() if call.changes(lxgit.store)]
        ended = time.time()
        _, said = traced.process.communicate()
        assert traced.process.returncode == 0, said
    assert not (wrong := faults(lxgit.store)), wrong
    first, last = writes[0].at, writes[-1].at
    measured = Measured(
        first - traced.started,
        last - first,
        ended - last,
        tuple(call.signature(lxgit.store) for call in writes),
        machine.state(lxgit.store),
        sum(call.name in SLOW and first <= call.at <= last for call in traced.calls),
        delay,
    )
    remove(directory)
    return measured


def torture(machine: Machine, directory: Path, rounds: int, seed: int) -> Report:
    """Kill an operation `rounds` times, and more often if fewer than half landed between.

    Then it is measured anew, since the machine is busier than before, or less, and slowed more,
    since kills come late on it. A fault is the end of it: what the machine was left in stays, and
    is told at once.
    """
    report = Report(machine.operation.name, measure(machine, directory))
    source = random.Random(f"{seed} {machine.operation.name}")
    before, shortest = machine.before(), _SHORTEST

    def one(number: int, moment: Moment) -> None:
        _round(machine, directory / str(number), before, report, moment)

    # A container has one place under /run, also where copies of its store are told apart.
    with ThreadPoolExecutor(1 if machine.operation.containers else _AT_ONCE) as pool:
        while not report.faults and (
            report.rounds < rounds
            or report.landed[BETWEEN] * 2 < report.rounds < rounds * _MOST_ROUNDS
        ):
            if report.rounds >= rounds:
                shortest = min(2 * shortest, _LONGEST)
                report.measured = measure(machine, directory, shortest)
            numbers = range(report.rounds, report.rounds + _TURNS)
            moments = [_moment(source, number, report.measured) for number in numbers]
            list(pool.map(one, numbers, moments))
    return report


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: so long after the start, or after the call of that number changed the store."""

    step: int
    delay: float

    def __str__(self) -> str:
        return f"{self.delay * 1000:.2f} ms after write {self.step}"


def _moment(source: random.Random, number: int, measured: Measured) -> Moment:
    part = number % 10
    steps = len(measured.writes)
    if part == 3:
        return Moment(0, source.uniform(0, measured.first))
    if part == 7:
        return Moment(steps, source.uniform(0, measured.rest))
    if part % 2:
        return Moment(1, source.uniform(0, measured.span))
    return Moment(source.randint(1, max(1, steps - 1)), 0)


def _round(
    machine: Machine, directory: Path, before: State, report: Report, moment: Moment
) -> None:
    lxgit = machine.copied(directory)
    words, delay = machine.words(machine.operation.words), report.measured.delay
    with Traced(lxgit, words, directory, env=DATED, delay=delay) as traced:
        wait(traced, lxgit.store, moment)
        traced.kill()
        code = traced.process.wait()
        traced.process.communicate()
    landed = _landed(traced.calls, lxgit.store, report.measured)
    report.landed[landed] += 1
    report.acknowledged += code == 0
    found = check(machine, lxgit, before, report.measured.state, acknowledged=code == 0)
    report.faults += [
        f"{machine.operation.name}, killed {moment} ({landed}): {fault}" for fault in found
    ]
    if not found:
        remove(directory)


def wait(traced: Traced, store: Path, moment: Moment) -> None:
    """Until the moment has come, or the operation has ended."""
    steps = 0
    if moment.step:
        for call in traced.follow():
            steps += call.changes(store)
            if steps == moment.step:
                break
    begin = time.time() if moment.step else traced.started
    for _ in traced.follow(begin + moment.delay):
        pass


def _landed(calls: list[Call], store: Path, measured: Measured) -> str:
    writes = [call.signature(store) for call in calls if call.changes(store)]
    if not writes:
        return BEFORE
    signature, count = measured.last
    return AFTER if writes.count(signature) >= count else BETWEEN


def check(
    machine: Machine, lxgit: Lxgit, before: State, after: State, *, acknowledged: bool
) -> list[str]:
    """What is wrong after a kill, then what is wrong after the next operation."""
    done = after.without_containers_beside(before)
    found = machine.state(lxgit.store).lost(done if acknowledged else before, done)
    found += faults(lxgit.store)
    result, whole = machine.next(lxgit)
    if result.code:
        found.append(f"then {' '.join(result.arguments)}: {result.err.strip()}")
    elif whole:
        lost = machine.state(lxgit.store).lost(done, done)
        found += [f"after the next one, {fault}" for fault in lost]
    left = [f"left over: {path}" for path in leftovers(lxgit.store)]
    return found + left + [f"in the end, {fault}" for fault in git_faults(lxgit.store)]
