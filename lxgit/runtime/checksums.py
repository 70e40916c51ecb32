"""JSON of an object whose last member, `checksum`, is of all that stands before it (format.md)."""

from __future__ import annotations

import json
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_LAST = b',\n "checksum": "'
"""What stands before the checksum, and nowhere else: a value has no newline in it."""


def with_checksum(values: Mapping[str, object]) -> bytes:
    """The values as JSON, ASCII alone: a lone surrogate is escaped too. Its checksum comes last."""
    members = json.dumps(values, indent=1).removesuffix("\n}").encode("ascii")
    return b'%b%b%b"\n}\n' % (members, _LAST, _checksum(members))


def is_whole(data: bytes, values: Mapping[str, object], known: Container[str]) -> bool:
    """Whether the checksum fits, which is the last of the `values` that `data` stands for.

    A record of before there were any, or from which somebody has taken it, ends with a member that
    is `known`.
    """
    last = next(reversed(list(values)), None)
    members, _, told = data.rpartition(_LAST)
    return last in known or (last == "checksum" and told[:8] == _checksum(members))


def _checksum(members: bytes) -> bytes:
    return b"%08x" % crc32(members)
