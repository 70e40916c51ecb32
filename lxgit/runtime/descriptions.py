"""What is written down of a volume or a network, as JSON (format.md, "Volumes and networks")."""

from __future__ import annotations

import json

from lxgit.runtime.checksums import is_whole
from lxgit.runtime.index import content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path
    from typing import Any

_TIMES = range(1 << 63)  # nanoseconds since 1970 that have a date


def description(file: Path, known: Container[str]) -> dict[str, Any]:
    """Its members; `created` and `labels`, where they are there, are what they are to be.

    One without a checksum ends with a member that is `known`.

    FileNotFoundError; ValueError, TypeError.
    """
    data = content(file) or b""
    try:
        values = json.loads(data)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(values, dict):
        raise TypeError("no JSON object")
    if not is_whole(data, values, known):
        raise ValueError("not what was written")
    created, labels = values.get("created", 0), values.get("labels", {})
    if type(created) is not int or created not in _TIMES:
        raise ValueError(f"no time: {created!r}")
    if not isinstance(labels, dict) or not all(isinstance(one, str) for one in labels.values()):
        raise ValueError(f"no labels: {labels!r}")
    return values
