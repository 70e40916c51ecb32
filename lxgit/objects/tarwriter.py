"""A root filesystem as one canonical tar archive: the same tree gives the same bytes.

POSIX pax format. A ustar header carries what fits it; a pax header before it carries the rest, its
records in a fixed order: path, linkpath, size, uid, gid, mtime (when it has a fraction or is
negative), then the ACLs as GNU tar's `--acls` reads them, then the extended attributes as its
`--xattrs` does. Sources: pax(1) in POSIX.1-2017; GNU tar, xheader.c and xattrs.c.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import adler32

from lxgit.lean import NANOSECONDS
from lxgit.objects import acl
from lxgit.objects.metadata import Kind, Metadata, format_mtime
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_BLOCK = 512
_RECORD = 20 * _BLOCK
_NAME_SIZE = 100
_MAX_OCTAL_7 = 0o7777777
_MAX_OCTAL_11 = 0o77777777777
_TYPES = {
    Kind.FILE: b"0",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
}
_LINK = b"1"
_ACLS = ((b"SCHILY.acl.access", acl.ACCESS), (b"SCHILY.acl.default", acl.DEFAULT))


class TarWriter:
    """A sink that writes an archive through `write`; `finish` puts the end on it."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._size = 0
        self._metadata: dict[bytes, Metadata] = {}

    def _put(self, data: bytes) -> None:
        self._write(data)
        self._size += len(data)

    def directory(self, path: bytes, metadata: Metadata) -> None:
        name = b"./" + path + b"/" if path else b"./"
        self._put(member(name, _TYPES[Kind.DIRECTORY], metadata))

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        self.header(path, metadata, size)
        for chunk in chunks:
            self._write(chunk)
        self.end_of(size)

    def header(self, path: bytes, metadata: Metadata, size: int) -> None:
        """The beginning of a file, whose content somebody else writes before `end_of`."""
        self._metadata[path] = metadata
        self._put(member(b"./" + path, _TYPES[Kind.FILE], metadata, size=size))

    def reserve(self, path: bytes, metadata: Metadata, size: int) -> int:
        """A file with zeros for its content, which somebody else writes; the bytes behind it.

        That is from the content's place to the next header.
        """
        self._metadata[path] = metadata
        zeros = bytes(size + -size % _BLOCK)
        self._put(member(b"./" + path, _TYPES[Kind.FILE], metadata, size=size) + zeros)
        return len(zeros)

    def end_of(self, size: int) -> None:
        """The end of a file of that many bytes."""
        self._size += size
        if size % _BLOCK:
            self._put(bytes(-size % _BLOCK))

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        self._metadata[path] = metadata
        self._put(member(b"./" + path, _TYPES[Kind.SYMLINK], metadata, link=target))

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        self._metadata[path] = metadata
        self._put(member(b"./" + path, _TYPES[kind], metadata, rdev=rdev or (0, 0)))

    def link(self, path: bytes, existing: bytes) -> None:
        self._put(member(b"./" + path, _LINK, self._metadata[existing], link=b"./" + existing))

    def finish(self) -> None:
        """Two blocks of zeros, and up to a full record, as tar does."""
        self._put(bytes(2 * _BLOCK))
        self._put(bytes(-self._size % _RECORD))


def member(
    name: bytes,
    kind: bytes,
    metadata: Metadata,
    *,
    size: int = 0,
    link: bytes = b"",
    rdev: tuple[int, int] = (0, 0),
) -> bytes:
    """The header or headers of one member; `size` in bytes."""
    common = _common(metadata.mode, metadata.uid, metadata.gid, metadata.mtime)
    header = _header(
        name[:_NAME_SIZE],
        kind,
        common,
        size if size <= _MAX_OCTAL_11 else 0,
        link[:_NAME_SIZE],
        _device(rdev) if rdev != (0, 0) else _NO_DEVICE,
    )
    if common.fits and not metadata.xattrs and _fits(name, size) and (not link or _fits(link)):
        return header
    records = _records(name, metadata, size=size, link=link)
    title = b"./PaxHeaders/" + name[-60:].strip(b"/")
    extended = _header(title, b"x", _common(0o644, 0, 0, 0), len(records), b"", _NO_DEVICE)
    return extended + records + bytes(-len(records) % _BLOCK) + header


class _Common(NamedTuple):
    """What the headers have in common of all that has the same mode, owner and time.

    `owner` is the fields mode, uid and gid; `fits` whether a ustar header can say all of it.
    """

    owner: bytes
    mtime: bytes
    fits: bool


@lru_cache(maxsize=1024)
def _common(mode: int, uid: int, gid: int, mtime: int) -> _Common:
    seconds, fraction = divmod(mtime, NANOSECONDS)
    fitting = min(max(seconds, 0), _MAX_OCTAL_11)
    return _Common(
        b"%07o\0%07o\0%07o\0" % (mode, _fitting(uid), _fitting(gid)),
        b"%011o\0" % fitting,
        uid <= _MAX_OCTAL_7 and gid <= _MAX_OCTAL_7 and not fraction and seconds == fitting,
    )


def _fits(name: bytes, size: int = 0) -> bool:
    """Whether a ustar header can say a name or a link, and a size."""
    return len(name) <= _NAME_SIZE and size <= _MAX_OCTAL_11 and name.isascii()


def _fitting(number: int) -> int:
    return number if number <= _MAX_OCTAL_7 else 0


def _records(name: bytes, metadata: Metadata, *, size: int, link: bytes) -> bytes:
    found = []
    if len(name) > _NAME_SIZE or not name.isascii():
        found.append(_record(b"path", name))
    if len(link) > _NAME_SIZE or not link.isascii():
        found.append(_record(b"linkpath", link))
    if size > _MAX_OCTAL_11:
        found.append(_record(b"size", b"%d" % size))
    if metadata.uid > _MAX_OCTAL_7:
        found.append(_record(b"uid", b"%d" % metadata.uid))
    if metadata.gid > _MAX_OCTAL_7:
        found.append(_record(b"gid", b"%d" % metadata.gid))
    mtime = metadata.mtime
    if mtime % NANOSECONDS or not 0 <= mtime // NANOSECONDS <= _MAX_OCTAL_11:
        found.append(_record(b"mtime", _mtime(mtime)))
    if metadata.xattrs:
        found += _attribute_records(metadata)
    return b"".join(found)


def _mtime(mtime: int) -> bytes:
    """Nine digits of fraction: some readers take fewer for another value."""
    whole, point, fraction = format_mtime(mtime).partition(b".")
    return whole + point + fraction.ljust(9, b"0") if point else whole


def _attribute_records(metadata: Metadata) -> Iterable[bytes]:
    values = dict(metadata.xattrs)
    for key, name in _ACLS:
        if name in values:
            yield _record(key, acl.acl_text(values[name]))
    for name, value in metadata.xattrs:
        keyword = name.replace(b"%", b"%25").replace(b"=", b"%3D")
        yield _record(b"SCHILY.xattr." + keyword, value)


def _record(key: bytes, value: bytes) -> bytes:
    """A pax record: its own length in decimal, a space, key=value, a newline."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if length != rest + len(str(length)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _header(
    name: bytes, kind: bytes, common: _Common, size: int, link: bytes, device: bytes
) -> bytes:
    """One ustar block (POSIX.1-2017, pax, "ustar Interchange Format")."""
    owner, mtime, _ = common
    before = b"%b%b%011o\0%b" % (name.ljust(_NAME_SIZE, b"\0"), owner, size, mtime)
    after = b"%b%b%b" % (kind, link.ljust(_NAME_SIZE, b"\0"), device)
    # Adler-32 has the sum in its lower half, and one more; a header's is smaller than its modulus.
    checksum = (adler32(after, adler32(before)) & 0xFFFF) - 1 + 8 * 0x20
    return b"%b%06o\0 %b" % (before, checksum, after)


def _device(rdev: tuple[int, int]) -> bytes:
    """All that follows the link in a block: two names that nobody needs, and a device."""
    return (b"ustar\x0000%64b%07o\0%07o\0" % (bytes(64), *rdev)).ljust(_BLOCK - 257, b"\0")


_NO_DEVICE = _device((0, 0))
