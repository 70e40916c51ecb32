"""Deltas: an object as instructions that copy from another one (gitformat-pack(5)).

size of the base, size of the result     as varints, 7 bits a byte, lowest first
instructions    0x80 | flags             copy: bits 0-3 say which offset bytes follow, 4-6 which
                                         size bytes; a size of 0 means 65,536
                1-127                    insert that many bytes, which follow
                0                        reserved
"""

from __future__ import annotations

import os

from lxgit.fsutil import write_all
from lxgit.objects.inflate import BadObjectData

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_COPY_ARGUMENTS = 7
_MAX_INSTRUCTION = 1 + _COPY_ARGUMENTS
_COPY_CHUNK = 1 << 20


def read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    """A size at `at`, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise BadObjectData("broken size in a delta")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def result_size(delta: bytes) -> int:
    """What the delta makes, in bytes; its first 20 bytes are enough."""
    _, at = read_varint(delta, 0)
    return read_varint(delta, at)[0]


def _copy_arguments(delta: bytes, at: int) -> tuple[int, int, int]:
    """The (offset, size) of the copy instruction at `at`, and where it ends."""
    flags = delta[at]
    at += 1
    offset = size = 0
    try:  # unrolled: a large delta is a million of these
        if flags & 0x01:
            offset = delta[at]
            at += 1
        if flags & 0x02:
            offset |= delta[at] << 8
            at += 1
        if flags & 0x04:
            offset |= delta[at] << 16
            at += 1
        if flags & 0x08:
            offset |= delta[at] << 24
            at += 1
        if flags & 0x10:
            size = delta[at]
            at += 1
        if flags & 0x20:
            size |= delta[at] << 8
            at += 1
        if flags & 0x40:
            size |= delta[at] << 16
            at += 1
    except IndexError:
        raise BadObjectData("a delta ends within an instruction") from None
    return offset, size or 0x10000, at


def apply_delta(base: bytes, delta: bytes) -> bytes:
    """The object that `delta` makes of `base`; BadObjectData when it does not fit.

    The memory is that of the result, whose size the caller has judged by `result_size`.
    """
    base_size, at = read_varint(delta, 0)
    left, at = read_varint(delta, at)
    if base_size != len(base):
        raise BadObjectData("a delta of another base")
    parts = []
    end = len(delta)
    while at < end:
        size = delta[at]
        if size & 0x80:
            offset, size, at = _copy_arguments(delta, at)
            part = base[offset : offset + size]
        else:
            at += 1
            part = delta[at : at + size]
            at += size
        left -= size
        if not size or len(part) != size or left < 0:
            raise BadObjectData("a delta that reaches beyond its base, its end or its result")
        parts.append(part)
    if left:
        raise BadObjectData("a delta that makes less than it says")
    return b"".join(parts)


def apply_delta_to_file(base: int, base_size: int, chunks: Iterator[bytes], target: int) -> int:
    """Like `apply_delta`, from open file to open file, with the delta in chunks.

    Returns the size of the result; the memory is that of a chunk.
    """
    window = _Window(chunks)
    window.fill(20)
    said, at = read_varint(window.data, 0)
    left, at = read_varint(window.data, at)
    total = left
    window.drop(at)
    if said != base_size:
        raise BadObjectData("a delta of another base")
    while window.fill(_MAX_INSTRUCTION):
        flags = window.data[0]
        if flags & 0x80:
            offset, size, at = _copy_arguments(window.data, 0)
            window.drop(at)
        else:
            offset, size = -1, flags
        left -= size
        if not size or left < 0 or offset + size > base_size:
            raise BadObjectData("a delta that reaches beyond its base or its result")
        if offset < 0:
            write_all(target, window.take(size))
        else:
            _copy(base, offset, size, target)
    if left:
        raise BadObjectData("a delta that makes less than it says")
    return total


def _copy(source: int, offset: int, size: int, target: int) -> None:
    while size:
        data = os.pread(source, min(size, _COPY_CHUNK), offset)
        if not data:
            raise BadObjectData("the base of a delta ends too early")
        write_all(target, data)
        offset += len(data)
        size -= len(data)


class _Window:
    """The part of a stream of instructions that is looked at."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = b""
        self._at = 0

    @property
    def data(self) -> bytes:
        return self._held[self._at : self._at + 20]

    def fill(self, size: int) -> bool:
        """Have `size` bytes at hand, or all that is left; false when nothing is."""
        while len(self._held) - self._at < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._held, self._at = self._held[self._at :] + chunk, 0
        return self._at < len(self._held)

    def drop(self, size: int) -> None:
        self._at += size

    def take(self, size: int) -> bytes:
        """The `size` bytes behind the instruction's first."""
        self.fill(1 + size)
        taken = self._held[self._at + 1 : self._at + 1 + size]
        if len(taken) != size:
            raise BadObjectData("a delta ends within an instruction")
        self.drop(1 + size)
        return taken
