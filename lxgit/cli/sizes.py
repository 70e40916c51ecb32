"""Sizes that people type."""

from __future__ import annotations

import re

from lxgit.errors import UsageError
from lxgit.lean import pattern

_SIZE = pattern(r"([0-9]+(?:\.[0-9]+)?) ?([KMGTP]?)(i?)B?", re.IGNORECASE)


def parse_size(option: str, text: str) -> int:
    """Bytes, from what a person types: `1500`, `10G` and `10 GB` decimal, `10GiB` binary.

    UsageError names the option.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or (match[3] and not match[2]) or len(text) > 20:
        raise UsageError(
            f"{option} takes a size, and '{text}' is none", hint="such as 500M, 10G or 2.5TiB"
        )
    power = " KMGTP".index(match[2].upper() or " ")
    return _within(option, text, _times(match[1], (1024 if match[3] else 1000) ** power))


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
