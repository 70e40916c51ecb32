"""Signals as people name them."""

from __future__ import annotations

import re
import signal

from lxgit.errors import UsageError
from lxgit.lean import pattern

_REAL_TIME = pattern(r"(?:SIG)?RT(?P<base>MIN|MAX)(?P<offset>[+-][0-9]{1,2})?", re.ASCII)


class UnknownSignal(UsageError):
    """Neither the name nor the number of a signal."""


def signal_number(text: str) -> int:
    """`KILL`, `SIGKILL`, `kill` and `9` are 9. UnknownSignal."""
    name = text.upper()
    if name.isascii() and name.isdecimal() and len(name) < 4 and 1 <= int(name) <= signal.SIGRTMAX:
        return int(name)
    if match := _REAL_TIME.fullmatch(name):
        base = signal.SIGRTMIN if match["base"] == "MIN" else signal.SIGRTMAX
        number = base + int(match["offset"] or 0)
        if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
            return number
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError:
        raise UnknownSignal(f"there is no signal '{text}'", hint="as in `kill -l`") from None
