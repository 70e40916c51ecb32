"""Packs made by hand: also such as no Git would make."""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxgit.objects.ids import ObjectID, ObjectType, hash_trusted
from lxgit.objects.packindex import encode_index
from lxgit.objects.packwriter import entry_header

if TYPE_CHECKING:
    from pathlib import Path

OFS_DELTA, REF_DELTA = 6, 7


@dataclass(frozen=True, slots=True)
class Raw:
    """An entry: `size` stands in the header, `between` between header and data."""

    oid: ObjectID
    kind: int
    data: bytes
    size: int | None = None
    between: bytes = b""
    deflated: bytes | None = None

    def encode(self) -> bytes:
        header = entry_header(self.kind, len(self.data) if self.size is None else self.size)
        body = zlib.compress(self.data) if self.deflated is None else self.deflated
        return header + self.between + body


def blob(data: bytes) -> Raw:
    """A blob as it should be."""
    return Raw(hash_trusted(ObjectType.BLOB, data), ObjectType.BLOB.value, data)


def distance(offset: int) -> bytes:
    """How an OFS_DELTA says how far back its base is."""
    encoded = bytes((offset & 0x7F,))
    while offset := offset >> 7:
        offset -= 1
        encoded = bytes((0x80 | offset & 0x7F,)) + encoded
    return encoded


def varint(value: int) -> bytes:
    """A size in a delta."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes((*encoded, value))


def write_pack(git_dir: Path, entries: list[Raw], *, count: int | None = None) -> Path:
    """Put a pack of these into a repository, with its index; the path of the pack."""
    pack = struct.pack(">4sII", b"PACK", 2, len(entries) if count is None else count)
    index: dict[ObjectID, tuple[int, int]] = {}
    for entry in entries:
        encoded = entry.encode()
        index[entry.oid] = zlib.crc32(encoded), len(pack)
        pack += encoded
    trailer = hashlib.sha1(pack).digest()
    stem = git_dir / "objects" / "pack" / f"pack-{trailer.hex()}"
    stem.with_suffix(".pack").write_bytes(pack + trailer)
    stem.with_suffix(".idx").write_bytes(encode_index(index, trailer))
    return stem.with_suffix(".pack")


def similar_texts(count: int, lines: int = 300) -> list[bytes]:
    """Versions of one text, each a little longer: what gc makes deltas of."""
    numbers = random.Random(0)
    text = [b"%d %d\n" % (line, numbers.randrange(10**9)) for line in range(lines)]
    versions = []
    for version in range(count):
        text[numbers.randrange(lines)] = b"changed in %d\n" % version
        text.append(b"added in %d\n" % version)
        versions.append(b"".join(text))
    return versions
