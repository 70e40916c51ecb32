"""What people type, as Docker spells it: sizes, and lists of KEY=VALUE."""

from __future__ import annotations

import re

from lxgit.errors import UsageError
from lxgit.lean import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_SIZE = pattern(r"([0-9]+(?:\.[0-9]+)?) ?([KMGTP]?)(i?)B?", re.IGNORECASE)
_TAKES_SIZE = "--max-size"  # alone; other sizes are of memory


def parse_size(text: str) -> int:
    """Bytes of --max-size, as people type them: `1500`, `10G` and `10 GB` decimal, `10GiB` binary.

    UsageError.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]) or len(text) > 20:
        raise UsageError(
            f"{_TAKES_SIZE} takes a size, and '{text}' is none", hint="such as 500M, 10G or 2.5TiB"
        )
    power = " KMGTP".index(match[2].upper() or " ")
    return _within(_TAKES_SIZE, text, _times(match[1], (1024 if match[3] else 1000) ** power))


_MEMORY = pattern(r"([0-9]+(?:\.[0-9]+)?) ?([BKMGT]?)(i?B)?", re.IGNORECASE)
_PROCESSORS = pattern(r"[0-9]{1,5}(\.[0-9]{1,9})?")


def parse_memory(option: str, text: str) -> int:
    """Bytes of memory as Docker takes them: `512m`, `1.5g` and `1GiB`, all powers of 1,024.

    UsageError names the option.
    """
    match = _MEMORY.fullmatch(text.strip())
    if match is None or len(text) > 20:
        raise UsageError(
            f"{option} takes a size, and '{text}' is none", hint="such as 512m, 2g or 1.5g"
        )
    power = " KMGT".index((match[2].upper() or "B").replace("B", " "))
    return _within(option, text, _times(match[1], 1024**power))


def parse_processors(option: str, text: str) -> float:
    """A number of processors, which may have decimals. UsageError names the option."""
    if not _PROCESSORS.fullmatch(text):
        raise UsageError(f"{option} takes a number, and '{text}' is none", hint="such as 1.5")
    return float(text)


def _within(option: str, text: str, size: int) -> int:
    """The size, if there can be so much: the kernel counts in 63 bits."""
    if size >= 1 << 63:
        raise UsageError(f"{option} {text} is more than there can be")
    return size


def _times(number: str, factor: int) -> int:
    """What a decimal number comes to, exactly, without what is left behind the point."""
    whole, _, decimals = number.partition(".")
    divisor: int = 10 ** len(decimals)
    return int(whole + decimals) * factor // divisor


_TRUE, _FALSE = ("", "true", "1"), ("false", "0")


def parse_pairs(
    option: str, text: str, same: Mapping[str, str], *, several: Collection[str] = ()
) -> list[tuple[str, str]]:
    """The keys and values of `KEY=VALUE,KEY`: a line of CSV, so what has a comma stands in quotes.

    Keys are in lower case, and by their one name where `same` has it; one alone has the value "".
    UsageError names the option, also for a key that is said twice and not of `several`.
    """
    import csv

    try:
        fields = next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise UsageError(
            f"{option} '{text}' is no list of KEY=VALUE",
            hint='one with a comma stands in quotes: type=bind,"source=/a,b",target=/c',
        ) from error
    found: list[tuple[str, str]] = []
    for field in fields:
        name, _, value = field.partition("=")
        key = same.get(name.lower(), name.lower())
        if key not in several and any(key == other for other, _ in found):
            raise UsageError(f"{option} '{text}' says '{key}' twice", hint="leave one out")
        found.append((key, value))
    return found


def parse_switch(key: str, value: str) -> bool:
    """Whether it is on: a key alone is. UsageError names the key."""
    if value.lower() not in (*_TRUE, *_FALSE):
        raise UsageError(f"'{key}' is not '{value}'", hint="true or false")
    return value.lower() in _TRUE
