"""Measuring one side against another: alternating rounds, medians, their ratio.

Nothing here knows what is measured. A row sets up both sides; each side does its operation once and
returns a figure, seconds or bytes or whatever the row's unit is, of which less is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

Measure = Callable[[], float]
"""Does an operation once; returns its figure."""

_OURS, _PEER = "", "peer"
"""How the two sides are told from those that are only listed, by their names."""


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
    """The sides of a row; one without a peer has only a limit to keep.

    `listed` are further peers, by name, that are measured alike and judge nothing.
    """

    ours: Measure
    peer: Measure | None = None
    listed: Mapping[str, Measure] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Listed:
    """What a further peer needed; `reason` says why it has no figures."""

    name: str
    figures: tuple[float, ...] = ()
    reason: str = ""


class Verdict(Enum):
    """How a row ended."""

    WITHIN = "within"
    MISSED = "missed"
    MEASURED = "measured"
    """Nothing was set for it."""
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
    listed: tuple[Listed, ...] = ()

    @property
    def ratio(self) -> float | None:
        """The median of ours by that of the peer's."""
        return self.against(self.peer)

    def against(self, figures: Sequence[float]) -> float | None:
        """The median of ours by that of others'."""
        return median(self.ours) / median(figures) if self.ours and figures else None


def measure(
    row: Row, *, rounds: int | None = None, tell: Callable[[str], None] = lambda _: None
) -> Result:
    """Measure one row; `rounds` in place of its own number. What goes wrong is in the result."""
    game = _Game(row.name, rounds or row.rounds, row.warm_up, tell)
    try:
        tell(f"{row.name}: preparing")
        with row.setup() as contest:
            game.play(contest)
    except Void as reason:
        return Result(row, Verdict.VOID, reason=str(reason))
    except Failed as reason:
        return Result(row, Verdict.FAILED, reason=str(reason))
    ours, peer = game.figures.pop(_OURS), game.figures.pop(_PEER, [])
    listed = (Listed(n, tuple(f), game.reasons.get(n, "")) for n, f in game.figures.items())
    return Result(row, _judge(row, ours, peer), tuple(ours), tuple(peer), listed=tuple(listed))


class _Game:
    """The rounds of a row. `figures` of each side, by name; `reasons` of who had to leave."""

    def __init__(self, name: str, rounds: int, warm_up: int, tell: Callable[[str], None]) -> None:
        self._name, self._rounds, self._warm_up, self._tell = name, rounds, warm_up, tell
        self.figures: dict[str, list[float]] = {}
        self.reasons: dict[str, str] = {}

    def play(self, contest: Contest) -> None:
        """All rounds. Who begins changes with each: what one leaves behind meets all alike."""
        sides = {_OURS: contest.ours}
        if contest.peer is not None:
            sides[_PEER] = contest.peer
        sides.update(contest.listed)
        self.figures = {name: [] for name in sides}
        for number in range(-self._warm_up, self._rounds):
            self._announce(number)
            for name in list(sides) if number % 2 == 0 else list(reversed(sides)):
                if name not in self.reasons:
                    self._ask(name, sides[name], counts=number >= 0)

    def _announce(self, number: int) -> None:
        what = f"round {number + 1} of {self._rounds}" if number >= 0 else "warming up"
        self._tell(f"{self._name}: {what}")

    def _ask(self, name: str, side: Measure, *, counts: bool) -> None:
        """One figure. Whoever is only listed may be missing, or fail, without harm to the row."""
        try:
            figure = side()
        except (Void, Failed) as reason:
            if name in (_OURS, _PEER):
                raise
            self.reasons[name] = str(reason)
            self.figures[name].clear()
            return
        if counts:
            self.figures[name].append(figure)


def _judge(row: Row, ours: list[float], peer: list[float]) -> Verdict:
    if row.limit is None and row.reach is None:
        return Verdict.MEASURED
    missed = row.limit is not None and median(ours) > row.limit
    if row.reach is not None and peer:
        missed = missed or median(ours) > row.reach * median(peer)
    return Verdict.MISSED if missed else Verdict.WITHIN
