"""Users and groups of a root file system: passwd(5) and group(5), whoever wrote them."""

from __future__ import annotations

import io

from lxgit.objects.metadata import MAX_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SIZE = 1 << 24
"""Bytes of such a file; a larger one has nobody."""

_MOST_FIELDS = 8  # passwd(5) has seven; what follows is one
_MAX_DIGITS = 10


def account_id(text: str) -> int | None:
    """The number of a user or group; None for what is none, or none that a file could belong to."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        return None
    return int(text) if int(text) <= MAX_ID else None


def account_lines(data: bytes, count: int) -> Iterator[list[str]]:
    """The fields of each line that has at least so many; a byte that is no UTF-8 is one letter.

    A line with a NUL is passed over: no program could be given what it says.
    """
    for line in io.BytesIO(data):
        fields = line.rstrip(b"\n").decode("utf-8", "surrogateescape").split(":", _MOST_FIELDS - 1)
        if len(fields) >= count and b"\0" not in line:
            yield fields
