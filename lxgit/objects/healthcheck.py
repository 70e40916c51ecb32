"""HEALTHCHECK of a Dockerfile, as an image keeps it: Docker's `Healthcheck`, times in nanoseconds.

    HEALTHCHECK [--interval=30s] [--timeout=1m30s] [--start-period=…] [--retries=3] CMD COMMAND
    HEALTHCHECK NONE

Source: Dockerfile reference, HEALTHCHECK; moby, api/types/container/config.go.
"""

from __future__ import annotations

import re

from lxgit.objects.dockerlines import BadInstruction, json_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SHORTEST = _UNITS["ms"]
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h)", re.ASCII)
_OPTION = re.compile(r"--(?P<name>[a-z-]+)=(?P<value>\S*)[ \t]*")


def healthcheck_of(rest: str) -> dict[str, Any]:
    """The value of `Healthcheck`. BadInstruction."""
    found: dict[str, Any] = {}
    end = 0
    while match := _OPTION.match(rest, end):
        end = match.end()
        name, value = match["name"], match["value"]
        if name in _TIMES:
            found[_TIMES[name]] = _nanoseconds(value)
        elif name == "retries" and value.isascii() and value.isdecimal() and len(value) < 10:
            found |= {"Retries": int(value)} if int(value) else {}
        else:
            raise BadInstruction(f"'--{name}={value}' is not understood")
    rest = rest[end:]
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command.strip() and not found:
        return {"Test": ["NONE"]}
    if kind.upper() != "CMD" or not command.strip():
        raise BadInstruction(f"'{rest}' is no check", hint="CMD COMMAND, or NONE")
    words = json_words(command.strip())
    test = ["CMD-SHELL", command.strip()] if words is None else ["CMD", *words]
    return {**found, "Test": test}


def _nanoseconds(text: str) -> int:
    """`1m30s` in nanoseconds, Go's way of writing a duration."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadInstruction(f"'{text}' is no duration", hint="30s or 1m30s")
    found = sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    if 0 < found < _SHORTEST:
        raise BadInstruction(f"'{text}' cannot be less than 1ms")
    return found
