"""Times, sizes and paths as people read them."""

from __future__ import annotations

from time import strftime, time

from lxgit.lean import NANOSECONDS, calendar_time

_SIZE_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")


def duration(seconds: float) -> str:
    """A span of time as Docker's `units.HumanDuration` said it in 2013: `About a minute`.

    Later versions count months from the ninth week on; the article's `12 weeks ago` is of before.
    """
    whole = int(seconds)
    minutes, hours = whole // 60, int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    return _days(hours // 24)


def ago(moment: float) -> str:
    """How long since a moment, given in seconds since 1970: `12 weeks ago`."""
    return f"{duration(max(time() - moment, 0))} ago"


def _days(days: int) -> str:
    if days < 14:
        return f"{days} days"
    if days < 90:
        return f"{days // 7} weeks"
    if days < 730:
        return f"{days // 30} months"
    return f"{days // 365} years"


def size(count: int) -> str:
    """Bytes in decimal units, three digits, as Docker's `units.HumanSize`: `1.43 kB`, `95 MB`."""
    if abs(count) < 1000:
        return f"{count} B"
    power = 1
    while abs(count) >= 999.5 * 1000**power and power < len(_SIZE_UNITS):
        power += 1
    scaled = count / 1000**power
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f} {_SIZE_UNITS[power - 1]}"


def git_date(seconds: int, offset: int) -> str:
    """A moment in its own time zone, as `git log` has it: `Tue Nov 24 13:32:15 2026 +0000`.

    `seconds` since 1970; `offset` in minutes east of Greenwich.
    """
    there = calendar_time(seconds + offset * 60)
    return strftime(f"%a %b {there.tm_mday} %H:%M:%S %Y {zone(offset)}", there)


def iso_date(seconds: int, offset: int) -> str:
    """The same in ISO 8601: `2026-11-24T13:32:15+00:00`."""
    digits = zone(offset)
    there = calendar_time(seconds + offset * 60)
    return f"{strftime('%Y-%m-%dT%H:%M:%S', there)}{digits[:3]}:{digits[3:]}"


def iso_minute(seconds: int) -> str:
    """A moment in UTC to the minute, as `ls --time-style=long-iso`: `2026-11-24 13:32`."""
    return strftime("%Y-%m-%d %H:%M", calendar_time(seconds))


def utc_date(seconds: int) -> str:
    """A moment as Docker's tables have it: `2026-11-24 13:32:15 +0000 UTC`."""
    return f"{strftime('%Y-%m-%d %H:%M:%S', calendar_time(seconds))} +0000 UTC"


def nanosecond_date(moment: int) -> str:
    """Nanoseconds since 1970 in UTC, as `stat` shows them: `2026-11-24 13:32:15.000000001`."""
    seconds, fraction = divmod(moment, NANOSECONDS)
    return f"{strftime('%Y-%m-%d %H:%M:%S', calendar_time(seconds))}.{fraction:09d}"


def zone(offset: int) -> str:
    """Minutes east of Greenwich as `+0130`."""
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}{minutes:02d}"


def quote_path(path: bytes) -> str:
    r"""A path as Git shows it: in C's quotes when it has anything that would not print.

    That is what `core.quotePath=false` does (git-config), and more: letters that move text about
    (U+202E, say) are quoted too. `b"etc/a\n"` gives `"etc/a\n"`, with the quotes.
    """
    text = path.decode("utf-8", "surrogateescape")
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return f'"{"".join(map(_quote, text))}"'


def shown_path(path: bytes) -> str:
    """A path of the machine, given without its leading slash."""
    return quote_path(b"/" + path)


_LETTERS = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}


def _quote(letter: str) -> str:
    if letter.isprintable() and letter not in '"\\':
        return letter
    return "".join(map(_quote_byte, letter.encode("utf-8", "surrogateescape")))


def _quote_byte(byte: int) -> str:
    return f"\\{_LETTERS[byte]}" if byte in _LETTERS else f"\\{byte:03o}"
