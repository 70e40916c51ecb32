"""Where the pieces of a sparse file are: the four forms in which GNU tar has put it down.

All give the same: (position, size) of each piece of data in the file, which follow each other in
the archive. Source: GNU tar's manual, "Storing Sparse Files"; src/sparse.c.
"""

from __future__ import annotations

from lxgit.objects.paxheader import SPARSE_MAJOR, SPARSE_MAP, decimal
from lxgit.objects.tarheader import BLOCK, InvalidHeader, check_size, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.paxheader import Records

Segments = tuple[tuple[int, int], ...]

_IN_HEADER = slice(386, 482)  # four entries of two numbers of 12 bytes; then whether more follow
_MORE = 482
_REAL_SIZE = slice(483, 495)
_IN_EXTENSION = slice(0, 504)  # 21 entries
_MORE_STILL = 504
MAX_SEGMENTS = 1 << 20
"""Pieces of all files of an archive: 130 MB of memory."""

_LONGEST_LINE = 21  # of a map: a number of 64 bits


def old_sparse(block: bytes, read: Callable[[], bytes]) -> tuple[int, list[int]]:
    """The whole size, and the numbers of the map of an old GNU header (type `S`).

    `read` gives the next block of the archive.
    """
    numbers = _entries(block[_IN_HEADER])
    more = block[_MORE]
    while more:
        extension = read()
        if len(extension) < BLOCK or len(numbers) > 2 * MAX_SEGMENTS:
            raise InvalidHeader("an impossible sparse map")
        numbers += _entries(extension[_IN_EXTENSION])
        more = extension[_MORE_STILL]
    return check_size(number(block[_REAL_SIZE])), numbers


def _entries(fields: bytes) -> list[int]:
    """Pairs of numbers, up to the first whose fields are empty."""
    numbers: list[int] = []
    for at in range(0, len(fields), 24):
        if not fields[at] and not fields[at + 12]:
            break
        numbers += number(fields[at : at + 12]), number(fields[at + 12 : at + 24])
    return numbers


def pax_sparse(records: Records, read: Callable[[], bytes]) -> tuple[int, list[int]]:
    """The same of pax records, for which `paxheader.is_sparse`.

    `read` gives the next block of the member's data, which format 1.0 begins with its map.
    """
    version = records.get(SPARSE_MAJOR), records.get(b"GNU.sparse.minor")
    if SPARSE_MAP in records:
        texts = records[SPARSE_MAP].split(b",", 2 * MAX_SEGMENTS)
        numbers = [_decimal(text) for text in texts]
    elif version == (b"1", b"0"):
        numbers = _read_map(read)
    elif version == (None, None):
        numbers = []  # nothing but a hole
    else:
        raise InvalidHeader("a version of the sparse format that lxgit does not know")
    size = decimal(records, b"GNU.sparse.realsize")
    if size is None:
        size = decimal(records, b"GNU.sparse.size")
    if size is None:
        raise InvalidHeader("an impossible sparse map")
    return check_size(size), numbers


def _read_map(read: Callable[[], bytes]) -> list[int]:
    """Decimal lines: how many pieces, then position and size of each, filled up to a block."""
    text = read()
    count = _decimal(text.partition(b"\n")[0])
    if count > MAX_SEGMENTS:
        raise InvalidHeader("an impossible sparse map")
    wanted = 2 * count + 1
    most = wanted * _LONGEST_LINE // BLOCK + 1
    blocks, lines = [text], text.count(b"\n")
    while lines < wanted:
        block = read()
        if len(block) < BLOCK or len(blocks) == most:
            raise InvalidHeader("an impossible sparse map")
        blocks.append(block)
        lines += block.count(b"\n")
    return [_decimal(line) for line in b"".join(blocks).split(b"\n", wanted)[1:wanted]]


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise InvalidHeader("an impossible sparse map")
    return int(text)


def segments(numbers: list[int], size: int, stored: int) -> Segments:
    """The pieces that hold anything, of a file of `size` bytes; `stored` are in the archive.

    InvalidHeader unless they are in order, do not overlap, lie inside the file, and are together as
    long as what is stored.
    """
    found: list[tuple[int, int]] = []
    position = total = 0
    starts, sizes = numbers[::2], numbers[1::2]
    if len(starts) != len(sizes) or len(starts) > MAX_SEGMENTS:
        raise InvalidHeader("an impossible sparse map")
    for start, length in zip(starts, sizes, strict=True):
        if start < position or length < 0 or start + length > size:
            raise InvalidHeader("an impossible sparse map")
        position = start + length
        total += length
        if length:
            found.append((start, length))
    if total != stored:
        raise InvalidHeader("a sparse map that does not fit its data")
    return tuple(found)
