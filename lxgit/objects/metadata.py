"""What Git cannot hold about a file: its metadata, and the `%meta` of a directory.

`%meta` is text, one line for each thing that it describes; the fields of a line are in format.md,
"%meta". There is one spelling for each content; a reader refuses every other.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise

from lxgit.enums import Enum
from lxgit.errors import LxgitError, quoted
from lxgit.lean import NANOSECONDS, pattern
from lxgit.objects.names import escape_line_name
from lxgit.records import dataclass
from lxgit.tuples import NamedTuple

MAX_ID = 2**32 - 2  # (uid_t) -1 means "no change" to chown(2)
_MAX_MTIME = 2**63  # seconds: what a time64_t holds
_ALIKE = 4096  # lines, of which those with attributes are none
_SHORT = 64  # bytes of what stands in a line before its name
_MAX_MAJOR, _MAX_MINOR = 2**12 - 1, 2**20 - 1  # dev_t inside the kernel


class InvalidMetadata(LxgitError):
    """A `%meta` that no writer of lxgit makes."""


class Kind(Enum):
    """What a directory entry is."""

    FILE = "file"
    SYMLINK = "symlink"
    DIRECTORY = "directory"
    FIFO = "fifo"
    CHARACTER = "character device"
    BLOCK = "block device"

    @property
    def in_tree(self) -> bool:
        """Whether Git has an entry for it; the others stand in `%meta` alone."""
        return self in _IN_TREE


_IN_TREE = frozenset((Kind.FILE, Kind.SYMLINK, Kind.DIRECTORY))
DEVICES = frozenset((Kind.CHARACTER, Kind.BLOCK))


@dataclass(frozen=True, slots=True)
class Metadata:
    """Everything about an inode but its type and content.

    `mode` has the 12 bits of chmod(2); `mtime` is in nanoseconds since 1970; `xattrs` are sorted
    by name, without duplicates.
    """

    mode: int
    uid: int
    gid: int
    mtime: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


def default_mode(kind: Kind, *, executable: bool = False) -> int:
    """The mode that a line need not state."""
    if kind is Kind.SYMLINK:
        return 0o777
    return 0o755 if kind is Kind.DIRECTORY or executable else 0o644


_LINE_ESCAPE = pattern(rb"\\(.?)", re.DOTALL)
_LINE_ESCAPES = {b"\\": b"\\", b"n": b"\n", b"t": b"\t"}


def unescape_line_name(text: bytes, *, allowed: bytes = rb"\n") -> bytes:
    """The inverse of `escape_line_name`; InvalidMetadata for an unknown escape."""
    if b"\\" not in text:
        return text

    def replace(match: re.Match[bytes]) -> bytes:
        letter = match[1]
        if not letter or letter not in allowed:
            raise InvalidMetadata(f"unknown escape in {quoted(text)}")
        return _LINE_ESCAPES[letter]

    return _LINE_ESCAPE.sub(replace, text)


_QUOTED = pattern(rb"[^A-Za-z0-9._/:+@-]")
_QUOTED_TEXT = pattern(rb"(?:[A-Za-z0-9._/:+@-]|%[0-9A-F]{2})*")
_QUOTE = pattern(rb"%([0-9A-F]{2})")


def _quote(raw: bytes) -> bytes:
    return _QUOTED.sub(lambda match: b"%%%02X" % match[0][0], raw)


def _unquote(text: bytes) -> bytes:
    if not _QUOTED_TEXT.fullmatch(text):
        raise InvalidMetadata(f"bad extended attribute {quoted(text[:60])}")
    raw = _QUOTE.sub(lambda match: bytes((int(match[1], 16),)), text)
    if _quote(raw) != text:
        raise InvalidMetadata(f"extended attribute {quoted(text[:60])} is not canonical")
    return raw


def format_mtime(mtime: int) -> bytes:
    """Nanoseconds as the shortest exact decimal of seconds."""
    seconds, fraction = divmod(abs(mtime), NANOSECONDS)
    sign = b"-" if mtime < 0 else b""
    if not fraction:
        return b"%s%d" % (sign, seconds)
    return (b"%s%d.%09d" % (sign, seconds, fraction)).rstrip(b"0")


_MTIME = pattern(rb"(-?)(0|[1-9][0-9]{0,18})(?:\.([0-9]{0,8}[1-9]))?")


def parse_mtime(text: bytes) -> int:
    """The inverse of `format_mtime`; InvalidMetadata for any other spelling."""
    match = _MTIME.fullmatch(text)
    if match is None or text == b"-0":
        raise InvalidMetadata(f"bad mtime {quoted(text[:40])}")
    sign, seconds, fraction = match.groups()
    value = int(seconds) * NANOSECONDS + int((fraction or b"").ljust(9, b"0"))
    if value >= _MAX_MTIME * NANOSECONDS:
        raise InvalidMetadata(f"mtime {quoted(text[:40])} is out of range")
    return -value if sign else value


class Described(NamedTuple):
    """One line of a `%meta`, before it is met with the tree."""

    mtime: int
    mode: int | None
    uid: int
    gid: int
    xattrs: tuple[tuple[bytes, bytes], ...]
    special: tuple[Kind, tuple[int, int] | None] | None

    def metadata(self, kind: Kind, *, executable: bool = False) -> Metadata:
        """The full metadata of an entry of that kind; InvalidMetadata where they disagree."""
        make = _made if self.xattrs else _made_alike
        return make(self, kind, executable)


def _made(says: Described, kind: Kind, executable: bool) -> Metadata:  # noqa: FBT001  # a key
    default = default_mode(kind, executable=executable)
    if says.mode == default:
        raise InvalidMetadata("a default mode is stated")
    mode = default if says.mode is None else says.mode
    if kind is Kind.SYMLINK and mode != default:
        raise InvalidMetadata("a symlink has a mode of its own")
    if kind is Kind.FILE and bool(mode & 0o100) is not executable:
        raise InvalidMetadata("the mode and Git's mode disagree on the owner's execute bit")
    xattrs = says.xattrs
    if xattrs:
        mode, xattrs = _as_linux_has(kind, mode, xattrs)
    return Metadata(mode, says.uid, says.gid, says.mtime, xattrs)


# Whole packages have one mtime: of the 53,000 lines of a large Debian 1,400 differ before the name.
_made_alike = lru_cache(maxsize=_ALIKE)(_made)


_SPECIAL_LETTERS = {Kind.FIFO: b"p", Kind.CHARACTER: b"c", Kind.BLOCK: b"b"}
_SPECIAL_KINDS = {letter: kind for kind, letter in _SPECIAL_LETTERS.items()}


def encode_line(
    name: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None = None
) -> bytes:
    """One line; `name` is the name as stored, or `.`. InvalidMetadata for what no machine has."""
    attrs = []
    if metadata.xattrs:
        _check_written(kind, metadata.mode, metadata.xattrs)
    if not kind.in_tree:
        attrs.append(b"t=" + _SPECIAL_LETTERS[kind] + (b":%d:%d" % rdev if rdev else b""))
    mode = metadata.mode
    if mode != default_mode(kind, executable=kind is Kind.FILE and bool(mode & 0o100)):
        attrs.append(b"m=%o" % mode)
    if metadata.uid:
        attrs.append(b"u=%d" % metadata.uid)
    if metadata.gid:
        attrs.append(b"g=%d" % metadata.gid)
    attrs += [b"x:%s=%s" % (_quote(key), _quote(value)) for key, value in metadata.xattrs]
    stamp = format_mtime(metadata.mtime)
    return b"%s %s %s\n" % (stamp, b",".join(attrs) or b"-", escape_line_name(name))


def _number(text: bytes, most: int) -> int:
    if not text.isdigit() or len(text) > 10 or (text[0] == 0x30 and len(text) > 1):
        raise InvalidMetadata(f"bad number {quoted(text[:40])}")
    value = int(text)
    if value > most:
        raise InvalidMetadata(f"number {value} is out of range")
    return value


def _parse_special(text: bytes) -> tuple[Kind, tuple[int, int] | None]:
    letter, *numbers = text.split(b":")
    kind = _SPECIAL_KINDS.get(letter)
    if kind is None or len(numbers) != (2 if kind in DEVICES else 0):
        raise InvalidMetadata(f"bad type {quoted(text[:40])}")
    if not numbers:
        return kind, None
    return kind, (_number(numbers[0], _MAX_MAJOR), _number(numbers[1], _MAX_MINOR))


def _parse_mode(text: bytes) -> int:
    if not re.fullmatch(rb"0|[1-7][0-7]{0,3}", text):
        raise InvalidMetadata(f"bad mode {quoted(text[:40])}")
    return int(text, 8)


def _parse_id(text: bytes) -> int:
    value = _number(text, MAX_ID)
    if not value:
        raise InvalidMetadata("a default owner is stated")
    return value


def _take(tokens: list[bytes], key: bytes) -> bytes | None:
    """The value of the first token when it is of that key: the order of the fields is fixed."""
    if tokens and tokens[0].startswith(key):
        return tokens.pop(0)[len(key) :]
    return None


def _parse_xattr(token: bytes) -> tuple[bytes, bytes]:
    from lxgit.objects.xattrs import NAME_MAX

    name, equals, value = token[2:].partition(b"=")
    if not token.startswith(b"x:") or not equals or not name:
        raise InvalidMetadata(f"bad attribute {quoted(token[:60])}")
    key = _unquote(name)
    if b"\0" in key or len(key) > NAME_MAX or b"." not in key:
        raise InvalidMetadata(f"bad extended attribute name {quoted(key[:60])}")
    return key, _unquote(value)


def _parse_xattrs(tokens: list[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    xattrs = tuple(_parse_xattr(token) for token in tokens)
    if any(left[0] >= right[0] for left, right in pairwise(xattrs)):
        raise InvalidMetadata("extended attributes are not in order")
    return xattrs


def has_place(kind: Kind, name: bytes) -> bool:
    """Whether Linux can keep an attribute of that name with an inode of that kind (xattr(7))."""
    from lxgit.objects import acl  # few entries have attributes

    if name.startswith(b"user."):
        return kind in (Kind.FILE, Kind.DIRECTORY)
    if name == acl.DEFAULT:
        return kind is Kind.DIRECTORY
    if name == acl.ACCESS:
        return kind is not Kind.SYMLINK
    return name.startswith((b"trusted.", b"security."))


def _check_xattrs(kind: Kind, xattrs: tuple[tuple[bytes, bytes], ...]) -> None:
    """InvalidMetadata where an inode of that kind cannot have these attributes."""
    from lxgit.objects import acl
    from lxgit.objects.xattrs import InvalidXattr, check_xattrs

    for name, value in xattrs:
        if not has_place(kind, name):
            shown = quoted(name[:60])
            raise InvalidMetadata(f"a {kind.value} cannot have the extended attribute {shown}")
        if name in (acl.ACCESS, acl.DEFAULT) and not acl.is_possible(value):
            raise InvalidMetadata("an impossible ACL")
    try:
        check_xattrs(xattrs)
    except InvalidXattr as error:
        raise InvalidMetadata(error.message) from None


def _check_written(kind: Kind, mode: int, xattrs: tuple[tuple[bytes, bytes], ...]) -> None:
    """InvalidMetadata, too, where Linux has a mode and attributes in another form."""
    from lxgit.objects.acl import normalised

    _check_xattrs(kind, xattrs)
    if normalised(mode, xattrs) != (mode, xattrs):
        raise InvalidMetadata("an ACL that Linux keeps in another form, or with another mode")


def _as_linux_has(
    kind: Kind, mode: int, xattrs: tuple[tuple[bytes, bytes], ...]
) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    """A mode, and the attributes that an inode of that kind can have, as Linux has them.

    `encode_line` was not always strict, and what it wrote stays in history: format.md, "%meta".
    """
    from lxgit.objects.acl import normalised

    try:
        _check_xattrs(kind, xattrs)
    except InvalidMetadata:
        xattrs = _possible(kind, xattrs)
    return normalised(mode, xattrs)


def _possible(
    kind: Kind, xattrs: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[bytes, bytes], ...]:
    """Those that an inode of that kind can have."""
    from lxgit.objects.xattrs import CAPABILITY, kept_capability, without_overflow

    kept = []
    for name, value in xattrs:
        pair = (name, kept_capability(value) if name == CAPABILITY else value)
        with suppress(InvalidMetadata):
            _check_xattrs(kind, (pair,))
            kept.append(pair)
    return without_overflow(kept)


def decode_line(line: bytes) -> tuple[bytes, Described]:
    """A line without its newline → the name as stored (or `.`), and what it says."""
    try:
        stamp, attrs, name = line.split(b" ", 2)
    except ValueError:
        raise InvalidMetadata(f"bad metadata line {quoted(line[:60])}") from None
    describe = _described if len(attrs) > _SHORT else _described_alike
    return unescape_line_name(name), describe(stamp, attrs)


def _described(stamp: bytes, attrs: bytes) -> Described:
    mtime = parse_mtime(stamp)
    if attrs == b"-":
        return Described(mtime, None, 0, 0, (), None)
    tokens = attrs.split(b",")
    special = _take(tokens, b"t=")
    mode = _take(tokens, b"m=")
    uid = _take(tokens, b"u=")
    gid = _take(tokens, b"g=")
    return Described(
        mtime,
        None if mode is None else _parse_mode(mode),
        0 if uid is None else _parse_id(uid),
        0 if gid is None else _parse_id(gid),
        _parse_xattrs(tokens),
        None if special is None else _parse_special(special),
    )


_described_alike = lru_cache(maxsize=_ALIKE)(_described)
