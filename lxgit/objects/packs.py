"""Reading a pack (gitformat-pack(5), version 2).

Packs are read with pread, so that a bad disk is an error and not a signal. Whatever is wrong with
the bytes is a BadObjectData; the database above adds which object it was. Sizes that a file states
are believed only as an upper limit of what is read.
"""

from __future__ import annotations

import contextlib
import os
import struct
from functools import partial

from lxgit.fsutil import write_all
from lxgit.objects.ids import ObjectType
from lxgit.objects.inflate import CHUNK, BadObjectData, crc32, inflate, inflate_chunks
from lxgit.objects.packdelta import apply_delta, apply_delta_to_file, result_size
from lxgit.objects.packindex import PackIndex
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from lxgit.objects.packindex import Place

PACK_HEADER = struct.Struct(">4sII")
PACK_SIGNATURE = b"PACK"
PACK_VERSION = 2

_TRAILER = 20
_OFS_DELTA, _REF_DELTA = 6, 7
_TYPES = {kind.value: kind for kind in ObjectType}
_FIRST_READ = 4096
_HEADER = 32  # bytes: more than type and size, and the id of a base
_MAX_CHAIN = 4096  # Git makes none deeper: its pack.depth is capped at 4,095
_CACHE_BYTES = 32 << 20
_CACHED_OBJECT = 4 << 20
_DELTAS_IN_MEMORY = 32 << 20


class PastLimit(Exception):
    """An object does not belong in memory."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One object's place in a pack: `kind` as stored, `size` inflated, `base` of a delta."""

    kind: int
    size: int
    base: int
    rest: memoryview
    """The compressed bytes that have been read along with the header."""
    after: int
    """The offset behind `rest`."""


class PackFile:
    """A pack with its index. Packs never change, so it stays valid after Git has deleted it."""

    def __init__(self, index_path: str) -> None:
        self._fd = -1
        self.path = index_path.removesuffix(".idx") + ".pack"
        self.index = PackIndex(index_path)
        self._size = 0
        self._cache: dict[int, tuple[ObjectType, bytes]] = {}
        self._cached = 0

    def __del__(self) -> None:
        self.release()

    def close(self) -> None:
        """Let go of everything; the object is of no use afterwards."""
        self.release()
        self.index.close()

    @property
    def is_open(self) -> bool:
        """Whether it holds a file descriptor."""
        return self._fd >= 0

    def release(self) -> None:
        """Give the file descriptor back; the next read opens the pack anew."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        if self._fd >= 0:
            return self._fd
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._size = os.fstat(fd).st_size
            self._check(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return fd

    def _check(self, fd: int) -> None:
        """See that this is the whole pack which the index was made for, as Git does."""
        head = os.pread(fd, PACK_HEADER.size, 0)
        if self._size < PACK_HEADER.size + _TRAILER:
            raise BadObjectData("its pack is cut short")
        signature, version, count = PACK_HEADER.unpack(head)
        if signature != PACK_SIGNATURE or version not in {2, 3}:
            raise BadObjectData("its pack is no pack of version 2")
        trailer = os.pread(fd, _TRAILER, self._size - _TRAILER)
        if count != self.index.count or trailer != self.index.pack_checksum:
            raise BadObjectData("its pack is cut short, or is not the one of its index")

    def _reader(self, offset: int) -> Callable[[int], bytes]:
        def read(size: int) -> bytes:
            nonlocal offset
            data = os.pread(self._open(), size, offset)
            offset += len(data)
            return data

        return read

    def _bytes(self, offset: int, count: int) -> bytes:
        """`count` bytes of an entry, from its beginning."""
        fd = self._open()
        if not PACK_HEADER.size <= offset < self._size - _TRAILER:
            raise BadObjectData("the index points outside of its pack")
        return os.pread(fd, count, offset)

    def _entry(self, offset: int) -> _Entry:
        """The header at `offset`, with the beginning of what follows."""
        data = self._bytes(offset, _FIRST_READ)
        kind, size, at = _read_header(data)
        base = offset
        try:
            if kind == _OFS_DELTA:
                distance, at = _read_distance(data, at)
                base = offset - distance
            elif kind == _REF_DELTA:
                base, at = self._base_by_id(data[at : at + 20]), at + 20
        except IndexError:
            raise BadObjectData("its pack is cut short") from None
        return _Entry(kind, size, base, memoryview(data)[at:], offset + len(data))

    def _base_by_id(self, oid: bytes) -> int:
        base = self.index.find(oid) if len(oid) == 20 else None
        if base is None:
            raise BadObjectData(f"the base of its delta, {oid.hex()}, is not in its pack")
        return base

    def _inflate(self, entry: _Entry, limit: int) -> bytes:
        """All of an entry's data: of a delta, its instructions."""
        if entry.size > limit:
            raise PastLimit
        return inflate(entry.rest, entry.size, self._reader(entry.after))

    def _chain(self, offset: int) -> Iterator[tuple[int, _Entry]]:
        """(offset, entry) of an object, its base, the base's base … until one needs no other."""
        seen: set[int] = set()
        while offset not in seen and len(seen) < _MAX_CHAIN:
            seen.add(offset)
            entry = self._entry(offset)
            yield offset, entry
            if entry.kind in _TYPES:
                return
            offset = entry.base
        raise BadObjectData("its deltas go round in a circle")

    def read(self, offset: int, limit: int) -> tuple[ObjectType, bytes]:
        """The object at `offset`, whole; PastLimit when that takes much over `limit` bytes."""
        entry = self._entry(offset)
        if entry.kind in _TYPES:
            return _TYPES[entry.kind], self._inflate(entry, limit)
        return self._recall(offset) or self._read_delta(offset, limit)

    def intact_blob(self, place: Place, whole: int) -> Iterable[bytes] | None:
        """A blob that two checksums say is as it was written, and that is no delta.

        One is the index's, of the blob as it stands here, by which Git copies objects from pack to
        pack (`check_pack_crc`); the other ends the zlib stream, and is of what it inflates to. None
        for any other: who reads it in the ordinary way is told what is wrong with it, if anything.

        In one piece up to `whole` bytes. A larger one comes in chunks, and when the second checksum
        does not fit, BadObjectData is raised in place of the last.
        """
        try:
            fd = self._open()
            begin, end = place.begin, min(place.end, self._size - _TRAILER)
            data = os.pread(fd, min(end - begin, whole), begin) if begin < end else b""
            kind, size, at = _read_header(data)
            if kind != ObjectType.BLOB.value:
                return None
            crc, rest = crc32(data), begin + len(data)
            if rest < end:
                crc = self._checksum(crc, rest, end)
            if crc != place.crc:
                return None
            if rest < end or size > whole:
                return self._chunks(self._entry(begin))
            return (inflate(memoryview(data)[at:], size, lambda _: b""),)
        except (BadObjectData, FileNotFoundError):
            return None

    def _checksum(self, crc: int, begin: int, end: int) -> int:
        """The CRC-32 that `crc` becomes with what stands from `begin` to `end`."""
        read = self._reader(begin)
        while begin < end and (data := read(min(end - begin, CHUNK))):
            crc = crc32(data, crc)
            begin += len(data)
        return crc

    def _read_delta(self, offset: int, limit: int) -> tuple[ObjectType, bytes]:
        kind, data, deltas = self._base(offset, limit)
        while deltas:
            offset, delta = deltas.pop()
            data = apply_delta(data, delta)
            self._remember(offset, kind, data)
        return kind, data

    def _base(self, offset: int, limit: int) -> tuple[ObjectType, bytes, list[tuple[int, bytes]]]:
        """What the deltas that begin at `offset` come down to, and those deltas, last first."""
        deltas: list[tuple[int, bytes]] = []
        chain = self._chain(offset)
        while True:  # the chain ends with an object, or with an exception
            at, entry = next(chain)
            data = self._inflate(entry, limit)
            limit -= len(data)
            if kind := _TYPES.get(entry.kind):
                self._remember(at, kind, data)
                return kind, data, deltas
            if result_size(data) > limit:
                raise PastLimit
            deltas.append((at, data))
            if known := self._recall(entry.base):
                return *known, deltas

    def _recall(self, offset: int) -> tuple[ObjectType, bytes] | None:
        known = self._cache.pop(offset, None)
        if known is not None:
            self._cache[offset] = known  # the last to go
        return known

    def _remember(self, offset: int, kind: ObjectType, data: bytes) -> None:
        """Keep what may be the base of the next object too; the oldest go."""
        if len(data) > _CACHED_OBJECT or offset in self._cache:
            return
        self._cache[offset] = kind, data
        self._cached += len(data)
        while self._cached > _CACHE_BYTES:
            _, dropped = self._cache.pop(next(iter(self._cache)))
            self._cached -= len(dropped)

    def describe(self, offset: int) -> tuple[ObjectType, int]:
        """The type of the object at `offset`, and its size in bytes, without reading it."""
        number, size, _ = _read_header(self._bytes(offset, _HEADER))
        if kind := _TYPES.get(number):
            return kind, size
        chain = [entry for _, entry in self._chain(offset)]
        return _TYPES[chain[-1].kind], self._size_of(chain[0])

    def _size_of(self, entry: _Entry) -> int:
        if entry.kind in _TYPES:
            return entry.size
        with contextlib.closing(self._chunks(entry, 20)) as chunks:
            return result_size(next(chunks, b""))

    def _chunks(self, entry: _Entry, chunk: int = CHUNK) -> Generator[bytes]:
        return inflate_chunks(bytes(entry.rest), entry.size, self._reader(entry.after), chunk)

    def open(
        self, offset: int, spool: Callable[[], int]
    ) -> tuple[ObjectType, int, bytes | Iterator[bytes]]:
        """The object at `offset`: type, size, and content, in chunks of 1 MiB if it is larger.

        A large delta goes through files that `spool` opens, unlinked, for reading and writing.
        """
        entry = self._entry(offset)
        if kind := _TYPES.get(entry.kind):
            small = entry.size <= CHUNK
            return kind, entry.size, self._inflate(entry, CHUNK) if small else self._chunks(entry)
        try:
            kind, data = self._recall(offset) or self._read_delta(offset, _DELTAS_IN_MEMORY)
            return kind, len(data), data if len(data) <= CHUNK else _split(data)
        except PastLimit:
            chain = [entry for _, entry in self._chain(offset)]
        kind = _TYPES[chain[-1].kind]
        return kind, self._size_of(chain[0]), self._stream_delta(chain, spool)

    def _stream_delta(self, chain: list[_Entry], spool: Callable[[], int]) -> Iterator[bytes]:
        base = spool()
        try:
            size = _spill(self._chunks(chain.pop()), base)
            while chain:
                target = spool()
                try:
                    size = apply_delta_to_file(base, size, self._chunks(chain.pop()), target)
                except BaseException:
                    os.close(target)
                    raise
                os.close(base)
                base = target
            os.lseek(base, 0, os.SEEK_SET)
            yield from iter(partial(os.read, base, CHUNK), b"")
        finally:
            os.close(base)


def _split(data: bytes) -> Iterator[bytes]:
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


def _spill(chunks: Iterator[bytes], target: int) -> int:
    size = 0
    for chunk in chunks:
        write_all(target, chunk)
        size += len(chunk)
    return size


def _read_header(data: bytes) -> tuple[int, int, int]:
    """The (type, size) of an entry, and where its header ends."""
    try:
        byte = data[0]
        kind, size, shift, at = byte >> 4 & 7, byte & 15, 4, 1
        while byte & 0x80:
            byte = data[at]
            size |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if shift > 67:
                raise BadObjectData("broken size in its pack")
    except IndexError:
        raise BadObjectData("its pack is cut short") from None
    if kind in {0, 5}:
        raise BadObjectData(f"its type is {kind}, which no object has")
    return kind, size, at


def _read_distance(data: bytes, at: int) -> tuple[int, int]:
    """How far before a delta its base is, and where that number ends."""
    byte = data[at]
    distance = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        distance = (distance + 1) << 7 | byte & 0x7F
        if distance >> 64:
            raise BadObjectData("broken distance in its pack")
    if not distance:
        raise BadObjectData("a delta of itself")
    return distance, at + 1
