"""Making the entries of a root filesystem one by one, with every attribute that Linux keeps.

Attributes are set in the order that keeps them: the owner first, since chown(2) clears setuid bits
and file capabilities, then the mode, then extended attributes, and times last. A directory's own
time is set by `finish`, once its entries are there.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MTIME = 1_700_000_000_123_456_789
"""Nanoseconds: what an entry gets that asks for nothing else."""

_ACL_VERSION = 2
_ACL_TAGS = {"user": 0x01, "USER": 0x02, "group": 0x04, "GROUP": 0x08, "mask": 0x10, "other": 0x20}
_ACL_UNDEFINED = 0xFFFFFFFF
_CAP_EFFECTIVE = 1


@dataclass(frozen=True, slots=True)
class Attributes:
    """Mode bits (twelve), owner, nanoseconds, extended attributes."""

    mode: int | None = None
    uid: int = 0
    gid: int = 0
    mtime: int = MTIME
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)


PLAIN = Attributes()


def acl(entries: Iterable[tuple[str, int | None, int]]) -> bytes:
    """The value of system.posix_acl_* (linux/posix_acl_xattr.h).

    An entry is its tag (`USER` and `GROUP` are the named ones), id and permission bits.
    """
    packed = (
        struct.pack("<HHI", _ACL_TAGS[tag], bits, _ACL_UNDEFINED if who is None else who)
        for tag, who, bits in entries
    )
    return struct.pack("<I", _ACL_VERSION) + b"".join(packed)


def capability(permitted: int, *, root: int | None = None) -> bytes:
    """The value of security.capability (linux/capability.h): version 3 with `root`, else 2."""
    version = 0x02000000 if root is None else 0x03000000
    value = struct.pack("<IIIII", version | _CAP_EFFECTIVE, permitted, 0, 0, 0)
    return value if root is None else value + struct.pack("<I", root)


class Builder:
    """Makes entries beneath `root`, which must exist; names are bytes relative to it."""

    def __init__(self, root: bytes) -> None:
        self.root = root
        self._directories: list[tuple[bytes, Attributes]] = []

    def path(self, name: bytes) -> bytes:
        return os.path.join(self.root, name)

    def file(self, name: bytes, content: bytes = b"", attributes: Attributes = PLAIN) -> None:
        self.sparse(name, [(0, content)], len(content), attributes)

    def sparse(
        self,
        name: bytes,
        pieces: Iterable[tuple[int, bytes]],
        size: int,
        attributes: Attributes = PLAIN,
    ) -> None:
        """A file of `size` bytes that holds `pieces` at their offsets, and holes between them."""
        with open(self.path(name), "xb") as file:
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)
            file.truncate(size)
        self._dress(self.path(name), attributes, 0o644)

    def directory(self, name: bytes, attributes: Attributes = PLAIN) -> None:
        if name:
            os.mkdir(self.path(name))
        self._dress(self.path(name), attributes, 0o755)
        self._directories.append((self.path(name), attributes))

    def symlink(self, name: bytes, target: bytes, attributes: Attributes = PLAIN) -> None:
        os.symlink(target, self.path(name))
        self._dress(self.path(name), attributes, None)

    def node(
        self,
        name: bytes,
        kind: Literal["character", "block", "fifo"],
        device: tuple[int, int] = (0, 0),
        attributes: Attributes = PLAIN,
    ) -> None:
        types = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
        os.mknod(self.path(name), types[kind] | 0o600, os.makedev(*device))
        self._dress(self.path(name), attributes, 0o600)

    def socket(self, name: bytes) -> None:
        """A socket that nobody listens on. The address of a socket is short: bind beside it."""
        with _inside(os.path.dirname(self.path(name))), socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.basename(name))

    def link(self, name: bytes, existing: bytes) -> None:
        os.link(self.path(existing), self.path(name), follow_symlinks=False)

    def chain(self, name: bytes, components: list[bytes], content: bytes) -> None:
        """A file at the end of nested directories, whose path may be too long to be used whole."""
        self.directory(name)
        with _inside(self.path(name)):
            for component in components[:-1]:
                os.mkdir(component, 0o755)
                os.chdir(component)
            with open(components[-1], "xb") as file:
                file.write(content)
            for component in reversed(components):
                os.utime(component, ns=(MTIME, MTIME))
                os.chdir(b"..")

    def finish(self) -> None:
        """Set the times of the directories, the innermost first."""
        for path, attributes in reversed(self._directories):
            os.utime(path, ns=(attributes.mtime, attributes.mtime))

    @staticmethod
    def _dress(path: bytes, attributes: Attributes, mode: int | None) -> None:
        os.chown(path, attributes.uid, attributes.gid, follow_symlinks=False)
        if mode is not None:
            os.chmod(path, mode if attributes.mode is None else attributes.mode)
        for name, value in attributes.xattrs.items():
            os.setxattr(path, name, value, follow_symlinks=False)
        os.utime(path, ns=(attributes.mtime, attributes.mtime), follow_symlinks=False)


@contextlib.contextmanager
def _inside(directory: bytes) -> Iterator[None]:
    """Work in a directory, and come back to where this process was, however far that is."""
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(directory)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
