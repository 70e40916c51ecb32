"""Sizes that people type."""

from __future__ import annotations

import re
from decimal import Decimal

from lxgit.errors import UsageError

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGTP]?)(i?)B?", re.IGNORECASE)


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
    return int(Decimal(match[1]) * (1024 if match[3] else 1000) ** power)
