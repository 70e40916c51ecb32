"""Bytes that are nearly right: seeds with a few faults in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.support.archives import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERESTING = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\x7f",
    b" ",
    b"\n",
    b"-",
    b"%",
    b"/",
    b"..",
    b"0",
    b"9" * 20,
)


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to four changes; the checksums of tar headers are made right."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        what = draw(st.sampled_from(_INTERESTING) | st.binary(min_size=1, max_size=8))
        match draw(st.sampled_from(("over", "into", "cut", "twice"))):
            case "over":
                data[at : at + len(what)] = what
            case "into":
                data[at:at] = what
            case "cut":
                del data[at : at + draw(st.integers(1, 64))]
            case _:
                data[at:at] = data[at : at + draw(st.sampled_from((4, 20, BLOCK)))]
    return mended(bytes(data)) if draw(st.booleans()) else bytes(data)


def mended(data: bytes) -> bytes:
    """With right checksums in what looks like a header of a tar archive."""
    made = bytearray(data)
    for at in range(0, len(made) - BLOCK + 1, BLOCK):
        block = made[at : at + BLOCK]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(made)
