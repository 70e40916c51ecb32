"""Moments and lengths of time, as users type them."""

from __future__ import annotations

import time

import pytest

from lxgit.cli.moments import moment, nanosecond_stamp
from lxgit.errors import UsageError


def test_moments() -> None:
    assert moment("1700000000.25") == 1_700_000_000_250_000_000
    assert moment("2023-11-14T22:13:20.000000001Z") == 1_700_000_000_000_000_001
    assert moment(nanosecond_stamp(1_700_000_000_123_456_789)) == 1_700_000_000_123_456_789
    assert moment("2023-11-14T23:13:20+01:00") == 1_700_000_000_000_000_000
    before = time.time_ns()
    assert before <= moment("1h30m") + 5_400 * 10**9 <= time.time_ns()
    for wrong in ("yesterday", "2023-13-01", "1h30"):
        with pytest.raises(UsageError):
            moment(wrong)
