"""The index of a pack, .idx, version 2 (gitformat-pack(5)).

    ff 74 4f 63  00 00 00 02
    256 counts        how many ids begin with this byte or a lower one
    n ids             sorted, 20 bytes each
    n checksums       CRC-32 of each object as it stands in the pack
    n offsets         31 bits; with the top bit set, a number in the next table
    m offsets         of 64 bits
    the pack's last 20 bytes, and the SHA-1 of all this

All numbers are big-endian. An index is mapped when it is large, and held when it is small: mapping
costs a file descriptor.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
from _bisect import bisect_right  # `bisect` is this, and in Python once more
from array import array
from functools import cached_property

from lxgit.objects.ids import ObjectID
from lxgit.objects.inflate import BadObjectData
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_SIGNATURE = b"\xfftOc\0\0\0\2"
_LARGE_OFFSET = 0x80000000
_FANOUT_END = 8 + 1024
_TRAILER = 20
_MAPPED_FROM = 1 << 20
_ENDLESS = 2**63 - 1


class BadPack(Exception):
    """A pack or its index is not one that this can read."""


class Place(NamedTuple):
    """An object's bytes in the pack, from `begin` to `end`, and their CRC-32."""

    begin: int
    end: int
    crc: int


class PackIndex:
    """A .idx: which objects a pack holds, and where. A context, of which `close` is the end."""

    def __init__(self, path: str) -> None:
        self._data = _contents(path)
        size = len(self._data)
        if size < _FANOUT_END + 2 * _TRAILER or self._data[:8] != _SIGNATURE:
            raise BadPack("not an index of version 2")
        self._fanout: tuple[int, ...] = (0, *struct.unpack_from(">256I", self._data, 8))
        self.count = self._fanout[256]
        self._crcs = _FANOUT_END + 20 * self.count
        self._offsets = self._crcs + 4 * self.count
        self._large = self._offsets + 4 * self.count
        self._end = size - 2 * _TRAILER
        large, odd = divmod(self._end - self._large, 8)
        if odd or not 0 <= large <= self.count:
            raise BadPack("the index has another length than its count says")
        if any(a > b for a, b in zip(self._fanout, self._fanout[1:], strict=False)):
            raise BadPack("the fan-out of the index goes backward")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pack_checksum(self) -> bytes:
        """The 20 bytes that end the pack this is for."""
        return self._data[self._end : self._end + _TRAILER]

    def find(self, oid: bytes) -> int | None:
        """The object's offset in the pack, or None."""
        number = self._number(oid)
        return None if number is None else self._offset(number)

    def locate(self, oid: bytes) -> Place | None:
        """Where the object is in the pack, for whoever reads many."""
        number = self._number(oid)
        if number is None:
            return None
        at = self._crcs + 4 * number
        crc = int.from_bytes(self._data[at : at + 4], "big")
        begin = self._begin(number)
        behind = min(bisect_right(self._begins, begin), self.count)
        return Place(begin, self._begins[behind], crc)

    @cached_property
    def _begins(self) -> array[int]:
        """Where objects begin, in the order of the pack, and nowhere at the end."""
        offsets = array("I", self._data[self._offsets : self._large])
        if sys.byteorder == "little":
            offsets.byteswap()
        small = max(offsets, default=0) < _LARGE_OFFSET
        begins = offsets if small else map(self._begin, range(self.count))
        return array("Q", (*sorted(begins), _ENDLESS))

    def _begin(self, number: int) -> int:
        """The offset; of an object whose offset is damaged, one where nothing is."""
        try:
            return self._offset(number)
        except BadObjectData:
            return _ENDLESS

    def _number(self, oid: bytes) -> int | None:
        """How many ids come before this one, if it is there."""
        first = oid[0]
        low, high = self._fanout[first], self._fanout[first + 1]
        data = self._data
        while low < high:
            middle = (low + high) >> 1
            at = _FANOUT_END + 20 * middle
            found = data[at : at + 20]
            if found < oid:
                low = middle + 1
            elif found > oid:
                high = middle
            else:
                return middle
        return None

    def _offset(self, number: int) -> int:
        at = self._offsets + 4 * number
        offset = int.from_bytes(self._data[at : at + 4], "big")
        if offset < _LARGE_OFFSET:
            return offset
        at = self._large + 8 * (offset - _LARGE_OFFSET)
        if at + 8 > self._end:
            raise BadObjectData("the index points beyond its end")
        return int.from_bytes(self._data[at : at + 8], "big")

    def __iter__(self) -> Iterator[ObjectID]:
        """All ids, in their order."""
        for at in range(_FANOUT_END, self._crcs, 20):
            yield ObjectID(self._data[at : at + 20])

    def with_prefix(self, low: bytes, high: bytes) -> Iterator[ObjectID]:
        """The ids from `low` to `high`, both 20 bytes and included."""
        for number in range(self._fanout[low[0]], self._fanout[high[0] + 1]):
            at = _FANOUT_END + 20 * number
            oid = self._data[at : at + 20]
            if low <= oid <= high:
                yield ObjectID(oid)

    def close(self) -> None:
        if isinstance(self._data, mmap.mmap):
            self._data.close()


def _contents(path: str) -> bytes | mmap.mmap:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(fd).st_size
        if size >= _MAPPED_FROM:
            return mmap.mmap(fd, size, prot=mmap.PROT_READ)
        return os.pread(fd, size, 0)
    finally:
        os.close(fd)


def encode_index(objects: dict[ObjectID, tuple[int, int]], pack_checksum: bytes) -> bytes:
    """A .idx of version 2."""
    order = sorted(objects)
    fanout, crcs, offsets, large = array("I", bytes(1024)), array("I"), array("I"), array("Q")
    for oid in order:
        crc, offset = objects[oid]
        fanout[oid[0]] += 1
        crcs.append(crc)
        if offset >= _LARGE_OFFSET:
            large.append(offset)
            offset = _LARGE_OFFSET + len(large) - 1
        offsets.append(offset)
    for byte in range(1, 256):
        fanout[byte] += fanout[byte - 1]
    if sys.byteorder == "little":
        for table in (fanout, crcs, offsets, large):
            table.byteswap()
    tables = (table.tobytes() for table in (crcs, offsets, large))
    content = b"".join((_SIGNATURE, fanout.tobytes(), *order, *tables, pack_checksum))
    return content + hashlib.sha1(content, usedforsecurity=False).digest()
