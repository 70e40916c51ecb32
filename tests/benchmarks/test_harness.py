from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.harness import Contest, Failed, Listed, Row, Verdict, Void, measure

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sides:
    """Two sides that give the figures they are told to, and remember who was asked when."""

    def __init__(self, ours: list[float], peer: list[float] | None = None) -> None:
        self.asked: list[str] = []
        self.open = False
        self._ours, self._peer = iter(ours), iter(peer or ())
        self._has_peer = peer is not None

    def _ask(self, name: str, figures: Iterator[float]) -> float:
        assert self.open
        self.asked.append(name)
        return next(figures)

    @contextmanager
    def setup(self) -> Iterator[Contest]:
        peer = partial(self._ask, "peer", self._peer) if self._has_peer else None
        self.open = True
        try:
            yield Contest(partial(self._ask, "ours", self._ours), peer)
        finally:
            self.open = False


def row(sides: Sides, **options: Any) -> Row:
    return replace(Row("row", "an operation", "peer", sides.setup), **options)


def test_medians_make_the_ratio() -> None:
    sides = Sides([9, 1, 2, 3], [9, 4, 8, 100])
    result = measure(row(sides, rounds=3, reach=0.25))
    assert (result.ours, result.peer, result.ratio) == ((1, 2, 3), (4, 8, 100), 0.25)
    assert result.verdict is Verdict.WITHIN


def test_rounds_alternate_and_so_does_who_begins() -> None:
    sides = Sides(list(range(9)), list(range(1, 10)))
    measure(row(sides, rounds=4, warm_up=0))
    assert sides.asked == [
        *("ours", "peer"),
        *("peer", "ours"),
        *("ours", "peer"),
        *("peer", "ours"),
    ]


def test_warming_up_does_not_count() -> None:
    result = measure(row(Sides([100, 100, 1], [100, 100, 1]), rounds=1, warm_up=2))
    assert (result.ours, result.peer) == ((1,), (1,))


def test_the_number_of_rounds_can_be_chosen() -> None:
    assert len(measure(row(Sides([1] * 9, [1] * 9), rounds=2), rounds=5).ours) == 5


@pytest.mark.parametrize(
    ("reach", "limit", "verdict"),
    [
        (0.5, None, Verdict.WITHIN),
        (0.49, None, Verdict.MISSED),
        (None, 1, Verdict.WITHIN),
        (None, 0.9, Verdict.MISSED),
        (0.5, 0.9, Verdict.MISSED),
        (0.4, 2, Verdict.MISSED),
        (None, None, Verdict.MEASURED),
    ],
)
def test_a_row_keeps_its_reach_and_its_limit(
    reach: float | None, limit: float | None, verdict: Verdict
) -> None:
    sides = Sides([1] * 3, [2] * 3)
    assert measure(row(sides, rounds=2, reach=reach, limit=limit)).verdict is verdict


def test_a_row_without_a_peer_has_no_ratio() -> None:
    result = measure(row(Sides([1, 2]), rounds=1, limit=2, reach=0.1))
    assert (result.ratio, result.peer, result.verdict) == (None, (), Verdict.WITHIN)


@pytest.mark.parametrize(
    ("error", "verdict"), [(Void("no peer"), Verdict.VOID), (Failed("exit 1"), Verdict.FAILED)]
)
@pytest.mark.parametrize("when", ["setup", "round"])
def test_what_goes_wrong_is_the_result(error: Exception, verdict: Verdict, when: str) -> None:
    closed = []

    def fail() -> float:
        raise error

    @contextmanager
    def setup() -> Iterator[Contest]:
        if when == "setup":
            fail()
        try:
            yield Contest(fail)
        finally:
            closed.append(when)

    result = measure(Row("row", "an operation", "peer", setup))
    assert (result.verdict, result.reason) == (verdict, str(error))
    assert (result.ours, result.ratio) == ((), None)
    assert closed == (["round"] if when == "round" else [])


def test_both_sides_are_taken_down_after_the_last_round() -> None:
    sides = Sides([1.0] * 5, [1.0] * 5)
    measure(row(sides, rounds=2))
    assert not sides.open


def test_further_peers_are_listed_and_judge_nothing() -> None:
    figures = iter([3.0, 5.0])

    @contextmanager
    def setup() -> Iterator[Contest]:
        yield Contest(lambda: 1, lambda: 2, {"another": lambda: next(figures)})

    result = measure(Row("row", "an operation", "peer", setup, reach=0.5, rounds=2, warm_up=0))
    assert result.verdict is Verdict.WITHIN
    assert result.listed == (Listed("another", (3.0, 5.0)),)
    assert result.against(result.listed[0].figures) == 0.25


@pytest.mark.parametrize("error", [Void("not installed"), Failed("exit 1")])
def test_a_further_peer_may_be_missing(error: Exception) -> None:
    asked = []

    def fail() -> float:
        asked.append(1)
        raise error

    @contextmanager
    def setup() -> Iterator[Contest]:
        yield Contest(lambda: 1, None, {"another": fail})

    result = measure(Row("row", "an operation", "peer", setup, rounds=3))
    assert (result.ours, result.verdict) == ((1, 1, 1), Verdict.MEASURED)
    assert result.listed == (Listed("another", (), str(error)),)
    assert len(asked) == 1
