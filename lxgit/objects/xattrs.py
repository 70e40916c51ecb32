"""Extended attributes as Linux takes them: their sizes, and the form of a value that has one.

Sources: xattr(7); linux/limits.h; linux/security/commoncap.c, cap_convert_nscap.
"""

from __future__ import annotations

from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

CAPABILITY = b"security.capability"

NAME_MAX = 255  # linux/limits.h, these three
_SIZE_MAX = 65536
_LIST_MAX = 65536
_REVISIONS = {2: 20, 3: 24}  # of a capability, and how long it is
_REVISION_1 = 12  # bytes; with half of the bits
_NO_ROOT = b"\xff\xff\xff\xff"


class InvalidXattr(LxgitError):
    """An attribute that no kernel takes; the message is a noun, as of what an entry has."""


def _check_name(name: bytes) -> None:
    """InvalidXattr for what can be no attribute's name: a namespace, a dot, and what is in it."""
    if b"\0" in name or len(name) > NAME_MAX or not name.partition(b".")[2]:
        raise InvalidXattr("an impossible extended attribute")


def check_xattrs(xattrs: Collection[tuple[bytes, bytes]]) -> None:
    """InvalidXattr for what Linux has no room for, and for what is no capability.

    For ACLs see `acl.is_possible`, for what depends on the inode `metadata.has_place`.
    """
    for name, value in xattrs:
        _check_name(name)
        if len(value) > _SIZE_MAX:
            raise InvalidXattr(f"an extended attribute of {len(value)} bytes")
        if name == CAPABILITY:
            _check_capability(value)
    if sum(len(name) + 1 for name, _ in xattrs) > _LIST_MAX:
        raise InvalidXattr(f"{len(xattrs)} extended attributes")


def _check_capability(value: bytes) -> None:
    """Whether it is one, in the one spelling: of revision 3 what is not for the machine's root."""
    revision = value[3] if len(value) > 3 else 0
    if len(value) != _REVISIONS.get(revision) or value[20:] == _NO_ROOT:
        raise InvalidXattr("an impossible capability")
    if value[0] > 1 or any(value[1:3]):
        raise InvalidXattr("a capability with a flag that Linux does not know")
    if revision == 3 and not any(value[20:]):
        raise InvalidXattr("a capability that Linux keeps in another form")


def kept_capability(value: bytes) -> bytes:
    """A capability that Linux heeds though it writes none such, in the form that it writes.

    Of revision 1, which has half of the bits; with flags that mean nothing; and as above.
    """
    if len(value) == _REVISION_1 and value[3] == 1:
        value = value[:3] + b"\2" + value[4:] + bytes(8)
    if len(value) > 3 and len(value) == _REVISIONS.get(value[3]):
        return plain_capability(bytes((value[0] & 1, 0, 0)) + value[3:])
    return value


def without_overflow(xattrs: list[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """As many, from the first on, as one inode has room for the names of."""
    room = _LIST_MAX
    for count, (name, _) in enumerate(xattrs):
        room -= len(name) + 1
        if room < 0:
            return tuple(xattrs[:count])
    return tuple(xattrs)


def plain_capability(value: bytes) -> bytes:
    """A capability as a machine has it: in revision 2 where it is for the machine's own root."""
    if len(value) == _REVISIONS[3] and value[3] == 3 and not any(value[20:]):
        return value[:3] + b"\2" + value[4:20]
    return value
