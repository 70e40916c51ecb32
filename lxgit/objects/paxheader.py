r"""The extended headers of a tar archive: pax records, and what they say about a member.

A record is `LENGTH KEY=VALUE\n`, the length in decimal and its own digits included. Values are
bytes here, as the names of a file system are. Sources: POSIX.1-2017, pax, "pax Extended Header";
GNU tar, xheader.c and xattrs.c; libarchive, archive_write_set_format_pax.c.
"""

from __future__ import annotations

import base64
import binascii
import re

from lxgit.errors import quoted
from lxgit.lean import NANOSECONDS
from lxgit.objects import acl
from lxgit.objects.metadata import has_place
from lxgit.objects.tarheader import MAX_SECONDS, InvalidHeader
from lxgit.objects.xattrs import (
    CAPABILITY,
    InvalidXattr,
    check_xattrs,
    plain_capability,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.metadata import Kind

Records = dict[bytes, bytes]

SPARSE_MAP = b"GNU.sparse.map"
SPARSE_MAJOR = b"GNU.sparse.major"
_PIECE = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
_XATTR = b"SCHILY.xattr."
_XATTR_BASE64 = b"LIBARCHIVE.xattr."
_ACLS = {b"SCHILY.acl.access": acl.ACCESS, b"SCHILY.acl.default": acl.DEFAULT}
_CHARSETS = (b"BINARY", b"ISO-IR 10646 2000 UTF-8", b"")
_OF_ONE_MEMBER = (b"path", b"linkpath", b"size", *_ACLS)
_ALL_OF_ONE_MEMBER = (b"GNU.sparse.", _XATTR, _XATTR_BASE64)

_MAX_DIGITS = 20  # a length or number of 64 bits


def parse_records(data: bytes) -> Records:
    """The records of one extended header; of two with the same key the last.

    Sparse format 0.0 spreads its map over many records: it is given as that of 0.1.
    InvalidHeader for what is no sequence of records.
    """
    records: Records = {}
    pieces: list[bytes] = []
    position, size = 0, len(data)
    while position < size and data[position]:  # some writers count the padding
        space = data.find(b" ", position, position + _MAX_DIGITS)
        digits = data[position:space] if space > 0 else b""
        end = position + int(digits) if digits.isdigit() else 0
        equals = data.find(b"=", space, end)
        if equals < 0 or end > size or data[end - 1] != 0x0A:
            raise InvalidHeader("an extended header that is no list of records")
        key, value = data[space + 1 : equals], data[equals + 1 : end - 1]
        if b"\0" in key:
            raise InvalidHeader("an extended header with a NUL in a keyword")
        if key in _PIECE:
            if key != _PIECE[len(pieces) % 2]:
                raise InvalidHeader("an impossible sparse map")
            pieces.append(value)
        records[key] = value
        position = end
    if pieces:
        records[SPARSE_MAP] = b",".join(pieces)
    if records.get(b"hdrcharset", b"") not in _CHARSETS:
        raise InvalidHeader("names in a character set that lxgit does not know")
    return records


def check_global(records: Records) -> Records:
    """The records again; InvalidHeader where each member would get the same name or data.

    Or the same attributes or ACL: a small archive could give a million members 64 KiB of these.
    """
    for key in records:
        if key in _OF_ONE_MEMBER or key.startswith(_ALL_OF_ONE_MEMBER):
            raise InvalidHeader(f"{quoted(key[:40])} in a header for all members")
    return records


def merged(common: Records, own: Records) -> Records:
    """What holds for a member: its own records before those for all.

    An empty value takes back a record for all, and leaves what the member's block says.
    """
    both = {**common, **own} if common else own
    return {key: value for key, value in both.items() if value or key.startswith(b"SCHILY.xattr.")}


def is_sparse(records: Records) -> bool:
    """Whether they describe a file with holes, in format 0.0, 0.1 or a newer one."""
    return SPARSE_MAP in records or SPARSE_MAJOR in records or b"GNU.sparse.size" in records


def decimal(records: Records, key: bytes) -> int | None:
    """A number that is not negative; None where there is no such record."""
    value = records.get(key)
    if value is None:
        return None
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise InvalidHeader(f"the bad number {quoted(value[:40])} for its {key.decode()}")
    return int(value)


_MTIME = re.compile(rb"(-?)([0-9]{1,19})(?:\.([0-9]*))?")


def mtime(records: Records) -> int | None:
    """Nanoseconds; what is finer is cut off. None where there is no such record."""
    value = records.get(b"mtime")
    if value is None:
        return None
    match = _MTIME.fullmatch(value)
    whole = int(match[2]) if match else 0
    if match is None or whole > MAX_SECONDS:
        raise InvalidHeader(f"the impossible mtime {quoted(value[:40])}")
    nanoseconds = whole * NANOSECONDS + int((match[3] or b"")[:9].ljust(9, b"0"))
    return -nanoseconds if match[1] else nanoseconds


def named_acls(records: Records) -> list[tuple[bytes, str]]:
    """(attribute, text) of each ACL that is given as text; its names are the image's."""
    return [
        (name, records[key].decode("utf-8", "surrogateescape"))
        for key, name in _ACLS.items()
        if key in records
    ]


def xattrs(records: Records, kind: Kind) -> tuple[tuple[tuple[bytes, bytes], ...], int]:
    """The extended attributes of an entry of that kind, sorted, and how many are not among them.

    These are of other systems, or of other file systems: Linux has no place for them. InvalidHeader
    for what no kernel takes of the others.
    """
    found = _stated(records)
    if not found:
        return (), 0
    kept = {name: value for name, value in found.items() if has_place(kind, name)}
    if CAPABILITY in kept:
        kept[CAPABILITY] = plain_capability(kept[CAPABILITY])
    try:
        check_xattrs(kept.items())
    except InvalidXattr as error:
        raise InvalidHeader(error.message) from None
    return tuple(sorted(kept.items())), len(found) - len(kept)


def _stated(records: Records) -> dict[bytes, bytes]:
    """The extended attributes as GNU tar, star and libarchive write them."""
    found: dict[bytes, bytes] = {}
    for key, value in records.items():
        if key.startswith(_XATTR_BASE64):
            from urllib.parse import unquote_to_bytes  # 2 ms, which hardly any archive needs

            found[unquote_to_bytes(key[len(_XATTR_BASE64) :])] = _unbase64(value)
        elif key.startswith(_XATTR):
            keyword = key[len(_XATTR) :]
            if _XATTR_BASE64 + keyword not in records:  # libarchive writes both, escaped alike
                # GNU tar escapes what a keyword cannot hold (xattrs.c, xattr_encode_keyword).
                found[keyword.replace(b"%3D", b"=").replace(b"%25", b"%")] = value
    return found


def _unbase64(value: bytes) -> bytes:
    """The bytes; libarchive leaves the padding out."""
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        raise InvalidHeader("an extended attribute that is no base64") from None
