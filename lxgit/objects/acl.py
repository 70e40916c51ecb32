"""POSIX ACLs: the kernel's extended attribute, and the text that tar archives carry.

The attribute is a 4-byte version (2), then entries of tag (u16), permissions (u16), id (u32), all
little-endian (linux: include/uapi/linux/posix_acl_xattr.h). The text is that of acl(5), as GNU tar
and star write it under `SCHILY.acl.*`: `user::rwx,user:1000:r-x,…`, where star adds the numeric id
as a fourth field.
"""

from __future__ import annotations

import struct

from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ACCESS = b"system.posix_acl_access"
DEFAULT = b"system.posix_acl_default"

_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_NO_ID = 0xFFFFFFFF
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 1, 2, 4, 8, 16, 32
_OWN = {"user": _USER_OBJ, "group": _GROUP_OBJ, "mask": _MASK, "other": _OTHER}
_NAMED = {"user": _USER, "group": _GROUP}
_WORDS = {_USER_OBJ: "user", _USER: "user", _GROUP_OBJ: "group", _GROUP: "group"}
_WORDS |= {_MASK: "mask", _OTHER: "other"}
_SHORT = {"u": "user", "g": "group", "m": "mask", "o": "other"}


class InvalidAcl(LxgitError):
    """Text or bytes that are no POSIX ACL."""


def acl_entries(value: bytes) -> list[tuple[int, int, int]]:
    """(tag, permissions, id) of each entry of the attribute; InvalidAcl for other bytes."""
    if value[:4] != _VERSION or len(value) % _ENTRY.size != 4:
        raise InvalidAcl("a POSIX ACL is not in the kernel's form")
    return list(_ENTRY.iter_unpack(value[4:]))


def is_possible(value: bytes) -> bool:
    """Whether the kernel takes it for an ACL (linux: fs/posix_acl.c, posix_acl_valid)."""
    try:
        entries = acl_entries(value)
    except InvalidAcl:
        return False
    tags = [tag for tag, _, _ in entries]
    named = [number for tag, _, number in entries if tag in _NAMED.values()]
    return (
        tags == sorted(tags)
        and _WORDS.keys() >= set(tags)
        and all(tags.count(tag) == 1 for tag in (_USER_OBJ, _GROUP_OBJ, _OTHER))
        and bool(named) <= tags.count(_MASK) <= 1
        and all(permissions <= 7 for _, permissions, _ in entries)  # rwx
        and _NO_ID not in named
    )


def acl_value(entries: list[tuple[int, int, int]]) -> bytes:
    """The attribute for entries in any order.

    The kernel wants them by tag, and keeps the order of those that have the same: so it is kept
    here, too, where it takes them as they are. Others stand by tag and id.
    """
    value = _packed(entries)
    return value if is_possible(value) else _packed(sorted(entries, key=_order))


def _packed(entries: list[tuple[int, int, int]]) -> bytes:
    return _VERSION + b"".join(_ENTRY.pack(*entry) for entry in entries)


def _order(entry: tuple[int, int, int]) -> tuple[int, int]:
    return entry[0], entry[2]


def normalised(
    mode: int, xattrs: tuple[tuple[bytes, bytes], ...]
) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    """Mode and attributes as a file system has them once the ACLs in `xattrs` are set.

    An access ACL sets the permission bits, and vanishes when it says no more than they do (linux:
    fs/posix_acl.c, posix_acl_update_mode). InvalidAcl for bytes that no kernel takes.
    """
    found = dict(xattrs)
    for name in (ACCESS, DEFAULT):
        if name in found:
            found[name] = _canonical(found[name])
    if ACCESS in found:
        entries = acl_entries(found[ACCESS])
        mode = mode & ~0o777 | _permission_bits(entries)
        if len(entries) == 3:  # owner, group, other
            del found[ACCESS]
    return mode, tuple(sorted(found.items()))


def after_chmod(
    mode: int, xattrs: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[bytes, bytes], ...]:
    """The attributes, as `normalised` has them, of a file that chmod(2) has given that mode.

    Its group bits are the mask's, which an ACL that says more than the mode has (linux:
    fs/posix_acl.c, __posix_acl_chmod_masq).
    """
    bits = {_USER_OBJ: mode >> 6 & 7, _MASK: mode >> 3 & 7, _OTHER: mode & 7}
    found = dict(xattrs)
    if ACCESS in found:
        entries = acl_entries(found[ACCESS])
        found[ACCESS] = _packed([(tag, bits.get(tag, said), who) for tag, said, who in entries])
    return tuple(found.items())


def _canonical(value: bytes) -> bytes:
    """The attribute as the kernel gives it back; InvalidAcl unless its entries make an ACL."""
    made = acl_value(
        [
            (tag, permissions, number if tag in _NAMED.values() else _NO_ID)
            for tag, permissions, number in acl_entries(value)
        ]
    )
    if not is_possible(made):
        raise InvalidAcl("a POSIX ACL has entries that do not belong together")
    return made


def _permission_bits(entries: list[tuple[int, int, int]]) -> int:
    bits = {tag: permissions for tag, permissions, _ in entries if tag in _OWN.values()}
    group = bits.get(_MASK, bits[_GROUP_OBJ])
    return bits[_USER_OBJ] << 6 | group << 3 | bits[_OTHER]


def acl_text(value: bytes) -> bytes:
    """The text of an attribute, ids as numbers."""
    lines = []
    for tag, permissions, number in acl_entries(value):
        if tag not in _WORDS:
            raise InvalidAcl(f"a POSIX ACL has the unknown tag {tag}")
        who = str(number) if tag in _NAMED.values() else ""
        bits = "".join(
            letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1))
        )
        lines.append(f"{_WORDS[tag]}:{who}:{bits}")
    return ",".join(lines).encode()


def parse_acl_text(
    name: bytes, text: str, look_up: Callable[[str, str], int | None]
) -> bytes | None:
    """The attribute of that name that a text means; None when it says no more than the mode does.

    `look_up(word, name)` answers the id of a `user` or `group`, or None. InvalidAcl for bad text
    and for a name that nothing explains.
    """
    entries = []
    for line in text.replace("\n", ",").split(","):
        rule = line.partition("#")[0].strip()
        if rule:
            entries.append(_parse_rule(rule, look_up))
    tags = {tag for tag, _, _ in entries}
    if tags <= {_USER_OBJ, _GROUP_OBJ, _OTHER}:
        return acl_value(entries) if tags and name == DEFAULT else None
    if _MASK not in tags:
        raise InvalidAcl(f"the ACL '{text[:80]}' has no mask")
    return acl_value(entries)


def _parse_rule(rule: str, look_up: Callable[[str, str], int | None]) -> tuple[int, int, int]:
    word, *rest = (field.strip() for field in rule.split(":"))
    word = _SHORT.get(word, word)
    if len(rest) == 1:  # "mask:rwx" and "other:rwx" are allowed by acl(5)
        rest.insert(0, "")
    if word not in _OWN or not 2 <= len(rest) <= 3 or set(rest[1]) - set("rwx-"):
        raise InvalidAcl(f"'{rule[:80]}' is not a rule of an ACL")
    permissions = sum(bit for letter, bit in (("r", 4), ("w", 2), ("x", 1)) if letter in rest[1])
    if not rest[0]:
        return _OWN[word], permissions, _NO_ID
    number = _identity(word, rest, look_up)
    if word not in _NAMED or number is None:
        raise InvalidAcl(f"'{rule[:80]}' names a user or group that nothing explains")
    return _NAMED[word], permissions, number


def _identity(word: str, rest: list[str], look_up: Callable[[str, str], int | None]) -> int | None:
    for field in (rest[0], *rest[2:]):
        if field.isascii() and field.isdigit() and len(field) <= 10 and int(field) < _NO_ID:
            return int(field)
    return look_up(word, rest[0])
