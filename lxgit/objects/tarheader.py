"""One block of a tar archive: the header of a member, as far as 512 bytes say it.

Read as GNU tar and POSIX do: v7, ustar, and what GNU and star keep in the prefix field. Sources:
POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar, src/tar.h and list.c (from_header); star(5).
"""

from __future__ import annotations

from functools import lru_cache
from zlib import adler32

from lxgit.errors import LxgitError, quoted
from lxgit.lean import NANOSECONDS
from lxgit.objects.metadata import MAX_ID, Metadata
from lxgit.tuples import NamedTuple

BLOCK = 512
MAX_SIZE = 2**63 - 1
"""Of a file, in bytes: off_t."""
MAX_SECONDS = 2**63 - 1
"""Of a time: time64_t."""

_ZEROS = bytes(BLOCK)
_ADLER = 65521  # the modulus of its sums (RFC 1950)
_NUL = b"\0"


class InvalidHeader(LxgitError):
    """A header that is damaged, or states what no file can have. Its message lacks the name."""


class Header(NamedTuple):
    """The fields that every member needs; the numbers of `owner` and `mtime` are not read yet.

    `kind` is the type flag, `size` in bytes, `owner` the three fields mode, uid and gid.
    """

    kind: bytes
    name: bytes
    link: bytes
    size: int
    owner: bytes
    mtime: bytes


def parse_header(block: bytes) -> Header | None:
    """The header in a block of 512 bytes; None for zeros, which end an archive.

    InvalidHeader when the checksum is wrong or the size is no number.
    """
    if block[0] == 0 and block == _ZEROS:
        return None
    if not _checksum_fits(block):
        raise InvalidHeader("a header with a wrong checksum")
    size = number(block[124:136])
    name = block[:100]
    if block[99] == 0:
        name = name[: name.index(0)]
    if block[345] and block[257:263] == b"ustar\0":
        name = _prefix(block) + b"/" + name
    link = block[157:257].partition(_NUL)[0] if block[157] else b""
    return Header(block[156:157], name, link, size, block[100:124], block[136:148])


def _prefix(block: bytes) -> bytes:
    """What stands before a ustar name; star uses the end of the field for two times (star(5))."""
    end = 476 if block[508:512] == b"tar\0" else 500
    return block[345:end].partition(_NUL)[0]


def _checksum_fits(block: bytes) -> bool:
    """Whether the checksum field is the sum of all bytes, itself taken for spaces.

    Half of Adler-32 is that sum modulo 65521: a tenth of the time that `sum` takes.
    """
    field = block[148:156]
    stated = number(field)
    rest = 8 * 0x20 - sum(field)
    if ((adler32(block) & 0xFFFF) - 1 + rest - stated) % _ADLER == 0:
        return True
    return stated == sum(memoryview(block).cast("b")) + rest  # signed: some old writers


def number(field: bytes) -> int:
    """A numeric field: octal digits, or a base-256 number where the first bit is set; 0 if blank.

    InvalidHeader for anything else.
    """
    text = field.rstrip(b"\0 ")
    if not text.isdigit():
        if field[0] & 0x80:
            return _base_256(field)
        text = field.partition(_NUL)[0].strip(b" ")
        if not text:
            return 0
    try:
        if text.isdigit():  # `int` takes signs, underscores and 0o as well
            return int(text, 8)
    except ValueError:  # 8 and 9
        pass
    raise InvalidHeader(f"the bad number {quoted(text)} in its header")


def _base_256(field: bytes) -> int:
    """Two's complement, without the first bit."""
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") & (1 << bits) - 1
    return value - (value >> bits - 1 << bits)


def check_size(size: int) -> int:
    """The size again; InvalidHeader when no file has it."""
    if not 0 <= size <= MAX_SIZE:
        raise InvalidHeader(f"the impossible size {size}")
    return size


def check_id(value: int) -> int:
    """A uid or gid again; InvalidHeader when it is none."""
    if not 0 <= value <= MAX_ID:
        raise InvalidHeader(f"the impossible owner {value}")
    return value


def seconds(field: bytes) -> int:
    """The mtime field in seconds."""
    value = number(field)
    if abs(value) > MAX_SECONDS:
        raise InvalidHeader("an impossible mtime")
    return value


def mode(owner: bytes) -> int:
    """The permissions out of `Header.owner`; some writers put the file type above them."""
    return number(owner[:8]) & 0o7777


def owner_ids(owner: bytes) -> tuple[int, int]:
    """(uid, gid) out of `Header.owner`, unchecked: a pax header may have others."""
    return number(owner[8:16]), number(owner[16:24])


@lru_cache(maxsize=4096)
def plain_metadata(owner: bytes, mtime: bytes) -> Metadata:
    """What a header says without the help of any other; the same value for the same fields."""
    uid, gid = map(check_id, owner_ids(owner))
    return Metadata(mode(owner), uid, gid, seconds(mtime) * NANOSECONDS)


def device(block: bytes) -> tuple[int, int]:
    """(major, minor)."""
    major, minor = number(block[329:337]), number(block[337:345])
    if not (0 <= major < 2**12 and 0 <= minor < 2**20):  # dev_t inside the kernel
        raise InvalidHeader(f"the impossible device number {major}:{minor}")
    return major, minor
