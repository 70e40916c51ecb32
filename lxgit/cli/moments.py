"""Points in time and lengths of it as people write them on a command line, and stamps on lines."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from time import strftime, time_ns

from lxgit.errors import UsageError
from lxgit.lean import NANOSECONDS, calendar_time

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
_SPAN = re.compile(rf"(?:{_NUMBER}[dhms])+")
_PART = re.compile(rf"({_NUMBER})([dhms])")
_SECONDS = re.compile(f"-?{_NUMBER}")
_FRACTION = re.compile(r"\.([0-9]+)")


def moment(text: str) -> int:
    """Nanoseconds since 1970: `10m` and `1h30m` ago, `1700000000`, or a date in ISO 8601.

    A date without a zone is of the local one. UsageError.
    """
    if _SPAN.fullmatch(text):
        seconds = sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
        return time_ns() - int(seconds * NANOSECONDS)
    if _SECONDS.fullmatch(text):
        whole, _, fraction = text.partition(".")
        return int(whole) * NANOSECONDS + int(fraction.ljust(9, "0")[:9] or 0)
    decimals = _FRACTION.search(text)  # which datetime would cut after six digits
    digits = decimals.group(1) if decimals else ""
    try:
        plain = _FRACTION.sub("", text, count=1)
        since = datetime.fromisoformat(plain).astimezone(UTC) - datetime.fromtimestamp(0, UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is no point in time", hint="10m, 2026-11-24T13:00, or seconds since 1970"
        ) from None
    return (since.days * 86400 + since.seconds) * NANOSECONDS + int(digits.ljust(9, "0")[:9])


_LENGTHS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
_LENGTH = re.compile(rf"{_NUMBER}|(?:{_NUMBER}(?:ms|[hms]))+")
_LONGEST = (1 << 63) // NANOSECONDS  # seconds: 292 years, and no record says more
WITHOUT_END = -1


def span(option: str, text: str) -> float:
    """Seconds, of `1m30s`, `500ms` or `2`, as the option takes them. UsageError."""
    if not _LENGTH.fullmatch(text):
        raise UsageError(
            f"{option} takes a length of time, and '{text}' is none",
            hint="such as 30s, 1m30s or 500ms",
        )
    parts = re.findall(rf"({_NUMBER})(ms|[hms]|$)", text)
    seconds = sum(float(count) * _LENGTHS[unit or "s"] for count, unit in parts)
    _require_possible(option, text, seconds)
    return seconds


def patience(option: str, seconds: int | None) -> int | None:
    """Seconds that somebody waits: WITHOUT_END, or no less than none. UsageError."""
    if seconds is not None:
        if seconds < WITHOUT_END:
            raise UsageError(f"{option} {seconds} is below nothing", hint="-1 waits without end")
        _require_possible(option, str(seconds), seconds)
    return seconds


def _require_possible(option: str, text: str, seconds: float) -> None:
    if seconds > _LONGEST:
        raise UsageError(
            f"{option} {text} is more than there can be", hint=f"up to {_LONGEST} seconds"
        )


def nanosecond_stamp(moment: int) -> str:
    """Nanoseconds since 1970 in UTC, as Docker stamps a line: `2026-11-24T13:32:15.000000001Z`."""
    seconds, fraction = divmod(moment, NANOSECONDS)
    return f"{strftime('%Y-%m-%dT%H:%M:%S', calendar_time(seconds))}.{fraction:09d}Z"
