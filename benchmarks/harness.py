"""Measuring one side against another: alternating rounds, medians, their ratio.

Nothing here knows what is measured. A row sets up both sides; each side does its operation once and
returns a figure, seconds or bytes or whatever the row's unit is, of which less is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Measure = Callable[[], float]
"""Does an operation once; returns its figure."""


class Void(Exception):
    """A row that says nothing on this machine, with the reason."""


class Failed(Exception):
    """An operation that did not do what it should, with what it said."""


class Unit(Enum):
    """What a row's figures are."""

    SECONDS = "s"
    BYTES = "B"


@dataclass(frozen=True, slots=True)
class Contest:
    """The two sides of a row; one without a peer has only a limit to keep."""

    ours: Measure
    peer: Measure | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    `about` says what is done, and `peer` against whom. `setup` makes what both sides need, and
    takes it away after the last round. `reach` is the most that ours may be of the peer's, `limit`
    the most that ours may be, in `unit`. The first `warm_up` rounds do not count.
    """

    name: str
    about: str
    peer: str
    setup: Callable[[], AbstractContextManager[Contest]]
    reach: float | None = None
    limit: float | None = None
    unit: Unit = Unit.SECONDS
    rounds: int = 21
    warm_up: int = 1


class Verdict(Enum):
    """How a row ended."""

    WITHIN = "within"
    MISSED = "missed"
    VOID = "void"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """A row and the figures of each round, in their order; `reason` says why there are none."""

    row: Row
    verdict: Verdict
    ours: tuple[float, ...] = ()
    peer: tuple[float, ...] = ()
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """The median of ours by that of the peer's."""
        return median(self.ours) / median(self.peer) if self.ours and self.peer else None


def measure(
    row: Row, *, rounds: int | None = None, tell: Callable[[str], None] = lambda _: None
) -> Result:
    """Measure one row; `rounds` in place of its own number. What goes wrong is in the result."""
    try:
        tell(f"{row.name}: preparing")
        with row.setup() as contest:
            ours, peer = _play(row, contest, rounds or row.rounds, tell)
    except Void as reason:
        return Result(row, Verdict.VOID, reason=str(reason))
    except Failed as reason:
        return Result(row, Verdict.FAILED, reason=str(reason))
    return Result(row, _judge(row, ours, peer), tuple(ours), tuple(peer))


def _play(
    row: Row, contest: Contest, rounds: int, tell: Callable[[str], None]
) -> tuple[list[float], list[float]]:
    """All rounds. Who begins changes with each: whatever one leaves behind meets both alike."""
    ours: list[float] = []
    peer: list[float] = []
    sides = [(contest.ours, ours)]
    if contest.peer is not None:
        sides.append((contest.peer, peer))
    for number in range(-row.warm_up, rounds):
        tell(f"{row.name}: " + (f"round {number + 1} of {rounds}" if number >= 0 else "warming up"))
        for play, figures in sides if number % 2 == 0 else reversed(sides):
            figure = play()
            if number >= 0:
                figures.append(figure)
    return ours, peer


def _judge(row: Row, ours: list[float], peer: list[float]) -> Verdict:
    missed = row.limit is not None and median(ours) > row.limit
    if row.reach is not None and peer:
        missed = missed or median(ours) > row.reach * median(peer)
    return Verdict.MISSED if missed else Verdict.WITHIN
