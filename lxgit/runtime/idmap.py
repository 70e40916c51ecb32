"""Who an id is on the other side of a map: container, disk, host.

An `IdMap` says for each id that a container sees (`inside`) which id stands for it elsewhere
(`outside`): in the user namespace, the host's; in a layer, the one in the inodes on disk. What is
stored in Git is always the inside. Pure, but for `user_namespace`.

Sources: user_namespaces(7), mount_setattr(2), Documentation/filesystems/idmappings.rst,
include/uapi/linux/capability.h, include/uapi/linux/posix_acl_xattr.h.
"""

from __future__ import annotations

import contextlib
import os
import struct

from lxgit.errors import LxgitError
from lxgit.records import dataclass
from lxgit.runtime import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ID_COUNT = 2**32 - 1  # ids are 0 … 2³²−2; (uid_t)-1 means none
MAX_EXTENTS = 340  # user_namespaces(7): lines of one uid_map
RANGE = 65536  # ids that one container gets in a row


class UnmappedId(LxgitError):
    """An id that has no counterpart on the other side of a map."""


class InvalidIdMap(LxgitError):
    """Extents that overlap, leave the 32-bit ids, or are too many for the kernel."""


@dataclass(frozen=True, slots=True, order=True)
class Extent:
    """`count` ids in a row: `inside` … on this side are `outside` … on the other."""

    inside: int
    outside: int
    count: int


@dataclass(frozen=True, slots=True)
class IdMap:
    """A one-to-one map of ids, for users and groups alike. Extents are sorted by `inside`."""

    extents: tuple[Extent, ...]

    def __post_init__(self) -> None:
        extents = tuple(sorted(self.extents))
        object.__setattr__(self, "extents", extents)
        if len(extents) > MAX_EXTENTS:
            raise InvalidIdMap(
                f"{len(extents)} ranges of ids: a user namespace takes {MAX_EXTENTS}",
                hint="--userns=host runs with the image's ids as they are",
            )
        for extent in extents:
            if extent.count < 1 or min(extent.inside, extent.outside) < 0:
                raise InvalidIdMap(f"not a range of ids: {extent}")
        _check_apart([(e.inside, e.count) for e in extents])
        _check_apart(sorted((e.outside, e.count) for e in extents))

    @classmethod
    def identity(cls) -> IdMap:
        """Every id is itself: the host's own view."""
        return cls((Extent(0, 0, ID_COUNT),))

    @property
    def changes_nothing(self) -> bool:
        """Whether each id that it knows is the same on both sides."""
        return all(extent.inside == extent.outside for extent in self.extents)

    def outside(self, inside: int) -> int:
        """The other side's id. UnmappedId when it has none."""
        for extent in self.extents:
            if 0 <= inside - extent.inside < extent.count:
                return extent.outside + inside - extent.inside
        raise UnmappedId(f"id {inside} has no counterpart outside the container")

    def covers(self, inside: int) -> bool:
        """Whether the id has one on the other side."""
        return any(0 <= inside - extent.inside < extent.count for extent in self.extents)

    def inside(self, outside: int) -> int:
        """This side's id. UnmappedId when it has none."""
        for extent in self.extents:
            if 0 <= outside - extent.outside < extent.count:
                return extent.inside + outside - extent.outside
        raise UnmappedId(
            f"id {outside} of the host belongs to no id of the container",
            hint="something outside the container has written there; chown it into its range",
        )

    def lines(self) -> bytes:
        """As /proc/PID/uid_map takes it (user_namespaces(7))."""
        return b"".join(b"%d %d %d\n" % (e.inside, e.outside, e.count) for e in self.extents)


def _check_apart(runs: list[tuple[int, int]]) -> None:
    """Refuse sorted (first, count) runs that overlap or pass the last id."""
    end = 0
    for first, count in runs:
        if first < end:
            raise InvalidIdMap(f"two ranges of ids overlap at {first}")
        end = first + count
    if end > ID_COUNT:
        raise InvalidIdMap(f"id {end - 1} is past the last one, {ID_COUNT - 1}")


def disk_to_host(layer: IdMap, container: IdMap) -> IdMap:
    """The map of an idmapped mount: ids in a layer's inodes → the host ids of one container.

    `layer` is the map that the layer was written under (container id → id on disk), `container`
    that of the user namespace (container id → host id). Ids that only one of them knows are left
    out: they show as the overflow id, 65534. Raises InvalidIdMap past 340 extents.
    """
    extents = []
    for disk in layer.extents:
        for host in container.extents:
            first = max(disk.inside, host.inside)
            end = min(disk.inside + disk.count, host.inside + host.count)
            if first < end:
                extents.append(
                    Extent(
                        disk.outside + first - disk.inside,
                        host.outside + first - host.inside,
                        end - first,
                    )
                )
    return IdMap(_joined(extents))


def _joined(extents: list[Extent]) -> tuple[Extent, ...]:
    """Fewest extents: neighbours on both sides become one."""
    joined: list[Extent] = []
    for extent in sorted(extents):
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.inside + last.count == extent.inside
            and last.outside + last.count == extent.outside
        ):
            joined[-1] = Extent(last.inside, last.outside, last.count + extent.count)
        else:
            joined.append(extent)
    return tuple(joined)


@contextlib.contextmanager
def user_namespace(idmap: IdMap) -> Iterator[int]:
    """A user namespace with this map, as a descriptor for `kernel.set_mount_idmap`.

    A child makes it, we write its maps (root may write any, user_namespaces(7)), and the
    descriptor alone keeps it once the child has gone. OSError EPERM where the host forbids it.
    """
    ready_read, ready_write = os.pipe()
    hold_read, hold_write = os.pipe()
    child = os.fork()
    if child == 0:
        _become_user_namespace(ready_write, hold_write, hold_read)
    os.close(ready_write)
    os.close(hold_read)
    try:
        code = int.from_bytes(os.read(ready_read, 4), "little")
        if code:
            raise OSError(code, os.strerror(code), "user namespace")
        _write_maps(child, idmap)
        fd = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(ready_read)
        os.close(hold_write)  # the child reads end-of-file, and leaves
        os.waitpid(child, 0)
    try:
        yield fd
    finally:
        os.close(fd)


def _become_user_namespace(ready_write: int, hold_write: int, hold_read: int) -> None:
    """The child of `user_namespace`: unshare, say so (errno, 4 bytes), stay until end-of-file."""
    try:
        os.close(hold_write)
        code = 0
        try:
            kernel.unshare(kernel.CLONE_NEWUSER)
        except OSError as error:
            code = error.errno or 1
        os.write(ready_write, code.to_bytes(4, "little"))
        os.read(hold_read, 1)
    finally:
        os._exit(0)


def _write_maps(pid: int, idmap: IdMap) -> None:
    for name in ("gid_map", "uid_map"):
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, idmap.lines())  # one write: the kernel takes a map only once and whole
        finally:
            os.close(fd)


# Ids inside extended attributes. A file's capabilities name the root user that they are good for,
# an ACL names users and groups; the kernel hands both to us, root of the host, as host ids.

_CAPABILITY_V2, _CAPABILITY_V3 = 0x0200_0000, 0x0300_0000
_CAPABILITY_REVISION_MASK = 0xFF00_0000


def capability_to_image(value: bytes, idmap: IdMap) -> bytes:
    """`security.capability` as the container's root sees it: v2 when it is its own, else v3.

    `value` is what root of the host reads from the upperdir or a layer written under `idmap`.
    Raises UnmappedId when it belongs to a root outside the container. Revision 1, which names no
    root user and which Linux no longer honours in namespaces, stays as it is.
    """
    return _capability_mapped(value, idmap.inside)


def capability_to_disk(value: bytes, idmap: IdMap) -> bytes:
    """`security.capability` of an image as root of the host writes it for `idmap`."""
    return _capability_mapped(value, idmap.outside)


def _capability_mapped(value: bytes, mapped: Callable[[int], int]) -> bytes:
    if len(value) not in (20, 24):
        return value
    (magic,) = struct.unpack_from("<I", value)
    (root,) = struct.unpack_from("<I", value, 20) if len(value) == 24 else (0,)
    root = mapped(root)
    flags = magic & ~_CAPABILITY_REVISION_MASK
    if root == 0:
        return struct.pack("<I", _CAPABILITY_V2 | flags) + value[4:20]
    return struct.pack("<I", _CAPABILITY_V3 | flags) + value[4:20] + struct.pack("<I", root)


_ACL_HEADER = struct.Struct("<I")  # version 2
_ACL_ENTRY = struct.Struct("<HHI")  # tag, permissions, id
_ACL_TAGS_WITH_ID = (0x02, 0x08)  # ACL_USER, ACL_GROUP


def acl_to_image(value: bytes, idmap: IdMap) -> bytes:
    """`system.posix_acl_*` with the container's ids. Raises UnmappedId."""
    return acl_map_ids(value, idmap.inside)


def acl_to_disk(value: bytes, idmap: IdMap) -> bytes:
    """`system.posix_acl_*` of an image with the ids of the other side. Raises UnmappedId."""
    return acl_map_ids(value, idmap.outside)


def acl_map_ids(value: bytes, mapped: Callable[[int], int]) -> bytes:
    """Put each named user's and group's id of a POSIX ACL through `mapped`, in place and order."""
    result = bytearray(value)
    end = len(value) - _ACL_ENTRY.size
    for offset in range(_ACL_HEADER.size, end + 1, _ACL_ENTRY.size):
        tag, permissions, identity = _ACL_ENTRY.unpack_from(value, offset)
        if tag in _ACL_TAGS_WITH_ID:
            _ACL_ENTRY.pack_into(result, offset, tag, permissions, mapped(identity))
    return bytes(result)
