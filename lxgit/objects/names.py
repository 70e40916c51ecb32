r"""File names as Git tree entry names, and back.

Linux allows any byte in a name but `/` and NUL. Git and its hosts refuse some: `.git` in every
spelling that HFS+ or NTFS folds to it, and `.gitmodules`, `.gitattributes`, `.gitignore` and
`.mailmap` where a symlink, a directory or bad contents carry the name (git: fsck.c, path.c
`is_ntfs_dot_generic`, utf8.c `is_hfs_dot_generic`). An image may hold each of these.

The rule is a bijection. A safe name that does not begin with `%` stands as it is. Any other is
stored with its first byte and every `%` and `\` as `%XX` (upper-case hex). Nothing else is ever
stored, so no name of a machine collides with the `%meta` of its directory.

"Unsafe" depends on the name alone, never on what bears it, and is a superset of what Git refuses.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from lxgit.errors import LxgitError, quoted
from lxgit.lean import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

META_NAME = b"%meta"

ROOTFS = b"rootfs"
"""Where the root file system stands in a commit's tree."""

LINKS = b"links"
"""Where its hard links do."""

# Every reserved name has one of these in it, whatever its case: the quick way out.
_SUSPECT = pattern(rb"\.git|\.mailmap|~[0-9]", re.IGNORECASE)

_ESCAPED = pattern(rb"[%\\]")
_ESCAPE = pattern(rb"%([0-9A-F]{2})")


@cache
def _hfs_ignored() -> re.Pattern[bytes]:
    """Code points that HFS+ ignores when it compares names (git: utf8.c, next_hfs_char)."""
    points = (*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
    return re.compile(b"|".join(chr(point).encode() for point in points))


@cache
def _reserved() -> re.Pattern[bytes]:
    """A component that a case-folding file system takes for a reserved name.

    Trailing dots, spaces and a `:stream` do not count on NTFS.
    """
    names = (
        rb"\.git|git~1",
        rb"\.gitmodules|\.gitattributes|\.gitignore|\.mailmap",
        _short_names(b"gitmod", b"gi7eba"),
        _short_names(b"gitatt", b"gi7d29"),
        _short_names(b"gitign", b"gi250a"),
        _short_names(b"mailma", b"maba30"),
    )
    return re.compile(b"(?:" + b"|".join(names) + rb")[ .]*(?::.*)?", re.DOTALL)


def _short_names(long_prefix: bytes, hashed_prefix: bytes) -> bytes:
    """The 8.3 names that NTFS makes for a reserved name, as a pattern."""
    forms = [re.escape(long_prefix) + b"~[1-4]"]
    forms += [
        re.escape(hashed_prefix[:kept]) + b"~[1-9][0-9]{%d}" % (6 - kept) for kept in range(7)
    ]
    return b"|".join(forms)


class InvalidName(LxgitError):
    """A name that no directory of a machine can hold, or a spelling that no writer makes."""


def check_name(name: bytes) -> None:
    """Raise InvalidName unless Linux could have a directory entry of this name."""
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name or len(name) > 255:
        raise InvalidName(
            f"{quoted(name)} is not a file name", hint="one has 255 bytes at most, and no slash"
        )


def is_unsafe(name: bytes) -> bool:
    """Whether a name must not stand as it is in a Git tree."""
    if name.startswith(b"%"):
        return True
    if not _SUSPECT.search(name) and (name.isascii() or not _hfs_ignored().search(name)):
        return False
    folded = _hfs_ignored().sub(b"", name).lower()
    return any(_reserved().fullmatch(part) for part in folded.split(b"\\"))


@lru_cache(maxsize=65536)
def encode_name(name: bytes) -> bytes:
    """The tree entry name of a file name; InvalidName when it is none."""
    check_name(name)
    if not is_unsafe(name):
        return name
    tail = _ESCAPED.sub(lambda match: b"%%%02X" % match[0][0], name[1:])
    return b"%%%02X" % name[0] + tail


@lru_cache(maxsize=65536)
def decode_name(stored: bytes) -> bytes:
    """The file name of a tree entry name; InvalidName for what `encode_name` never makes."""
    name = stored
    if stored.startswith(b"%"):
        name = _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), stored)
    try:
        canonical = encode_name(name)
    except InvalidName:
        canonical = b""
    if canonical != stored:
        raise InvalidName(f"{quoted(stored)} is not a stored file name")
    return name


def encode_path(path: bytes) -> bytes:
    """A path of the machine (`etc/hosts`) as a path below `rootfs`."""
    return b"/".join(encode_name(part) for part in path.split(b"/")) if path else b""


def decode_path(stored: bytes) -> bytes:
    """A path below `rootfs` as a path of the machine."""
    return b"/".join(decode_name(part) for part in stored.split(b"/")) if stored else b""


def parents(path: bytes) -> Iterator[bytes]:
    """The directories that lead to a path, the topmost first, without the root."""
    position = path.find(b"/")
    while position >= 0:
        yield path[:position]
        position = path.find(b"/", position + 1)


def escape_line_name(name: bytes) -> bytes:
    r"""A name or path within a line of `%meta`: `\` and newline are escaped."""
    if b"\\" in name or b"\n" in name:
        return name.replace(b"\\", rb"\\").replace(b"\n", rb"\n")
    return name


def escape_path(path: bytes) -> bytes:
    r"""A path as a field of a line of `links`: `\`, newline and tab are escaped."""
    return escape_line_name(path).replace(b"\t", rb"\t")
