"""Extended attributes that are taken for possible are those that this kernel takes."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.acl import ACCESS, DEFAULT, InvalidAcl, after_chmod, is_possible, normalised
from lxgit.objects.metadata import Kind, has_place
from lxgit.objects.scan import plain_metadata, read_inode, scan
from lxgit.objects.xattrs import CAPABILITY, InvalidXattr, check_xattrs, plain_capability
from lxgit.records import replace
from tests.support.builder import acl, capability

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root

PLAIN = acl([("user", None, 6), ("group", None, 4), ("other", None, 0)])
NAMES = [b"user.a", b"user.", b"user", b"trusted.a", b"security.a", b"bogus.a", b"system.a", ACCESS]
NAMES += [DEFAULT, b"user." + b"n" * 250, b"user." + b"n" * 251, b"com.apple.quarantine"]


def kernel_takes(path: Path, name: bytes, value: bytes) -> bool:
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:30].decode())
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_names(scratch: Path, kind: Kind, name: bytes) -> None:
    path = scratch / "one"
    if kind is Kind.FILE:
        path.touch()
    elif kind is Kind.DIRECTORY:
        path.mkdir()
    elif kind is Kind.SYMLINK:
        path.symlink_to("nowhere")
    else:
        types = {Kind.FIFO: 0o010600, Kind.CHARACTER: 0o020600, Kind.BLOCK: 0o060600}
        os.mknod(path, types[kind], os.makedev(1, 3))
    value = PLAIN if name in (ACCESS, DEFAULT) else b"x"
    assert taken(kind, name, value) == kernel_takes(path, name, value)


def taken(kind: Kind, name: bytes, value: bytes) -> bool:
    try:
        check_xattrs([(name, value)])
    except InvalidXattr:
        return False
    return has_place(kind, name)


@pytest.mark.parametrize(
    "value",
    [
        capability(1 << 13),
        capability(1 << 13, root=1000),
        capability(1 << 13, root=2**32 - 1),
        capability(1 << 13)[:12],
        struct.pack("<III", 0x01000001, 1, 0),
        capability(1 << 13) + b"\0\0\0\0",
        capability(1 << 13, root=1000)[:20],
        struct.pack("<IIIII", 0x04000001, 1, 0, 0, 0),
        struct.pack("<IIIII", 0x02000000, 1, 0, 0, 0),
        struct.pack("<IIIII", 0x02000002, 1, 0, 0, 0),
        struct.pack("<IIIII", 0x02000101, 1, 0, 0, 0),
        struct.pack("<IIIIII", 0x03000101, 1, 0, 0, 0, 1000),
        b"zz",
    ],
)
def test_capabilities(scratch: Path, value: bytes) -> None:
    (scratch / "one").touch()
    assert taken(Kind.FILE, CAPABILITY, value) == kernel_takes(scratch / "one", CAPABILITY, value)


def test_a_capability_that_was_set_to_nothing(scratch: Path) -> None:
    """Root of a container can do that: nobody can read it, and it is in nobody's way."""
    path = scratch / "one"
    path.touch()
    for name in (b"user.a", CAPABILITY):
        os.setxattr(path, name, b"")
    fd = os.open(scratch, os.O_RDONLY)
    try:
        assert [inode.xattrs for inode in scan(fd)] == [(), ((b"user.a", b""),)]
    finally:
        os.close(fd)


def test_a_capability_has_one_form(scratch: Path) -> None:
    """As the kernel gives it back."""
    (scratch / "one").touch()
    for root in (0, 1000):
        value = capability(1 << 13, root=root)
        assert kernel_takes(scratch / "one", CAPABILITY, value)
        assert plain_capability(value) == os.getxattr(scratch / "one", CAPABILITY)
    assert not taken(Kind.FILE, CAPABILITY, capability(1 << 13, root=0))


def listing(*numbers: int, group: int | None = None) -> bytes:
    """An ACL that names those users; the entry of the owning group may have an id."""
    users = [("USER", number, 7) for number in numbers]
    own = [("group", group, 4), ("mask", None, 6), ("other", None, 0)]
    return acl([("user", None, 6), *users, *own])


ACLS = [
    PLAIN,
    acl([("user", None, 6), ("USER", 5, 4), ("group", None, 4), ("other", None, 0)]),
    acl([("user", None, 6), ("USER", 5, 4), ("group", None, 4), ("mask", None, 4)]),
    PLAIN[:-8],
    PLAIN[:-1],
    PLAIN + PLAIN[-8:],
    b"\3" + PLAIN[1:],
    acl([("group", None, 6), ("user", None, 4), ("other", None, 0)]),
    acl([("user", None, 8), ("group", None, 4), ("other", None, 0)]),
    acl([("user", None, 6), ("group", None, 4), ("mask", None, 1), ("other", None, 0)]),
    *(listing(*numbers) for numbers in ([5], [7, 5], [5, 5], [2**32 - 1])),
    listing(5, group=8),
    PLAIN[:-8] + struct.pack("<HHI", 0x40, 0, 2**32 - 1),
]


@pytest.mark.parametrize("value", ACLS)
def test_acls(scratch: Path, value: bytes) -> None:
    (scratch / "one").touch()
    assert is_possible(value) == kernel_takes(scratch / "one", ACCESS, value)


@pytest.mark.parametrize("name", [ACCESS, DEFAULT])
@pytest.mark.parametrize("value", [*filter(is_possible, ACLS)])
def test_an_acl_has_one_form(scratch: Path, name: bytes, value: bytes) -> None:
    """As the kernel gives it back, with the mode that it gives."""
    (scratch / "one").mkdir(mode=0o700)
    os.setxattr(scratch / "one", name, value)
    assert normalised(0o700, ((name, value),)) == kept(scratch / "one")


def kept(path: Path) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    """The mode and the attributes that the kernel has."""
    found = {name: os.getxattr(path, name) for name in map(os.fsencode, os.listxattr(path))}
    return path.stat().st_mode & 0o7777, tuple(sorted(found.items()))


def test_an_acl_in_another_order(scratch: Path) -> None:
    """By tag, it is the kernel's; otherwise it is put in order, where that makes it one."""
    user, *others = (PLAIN[at : at + 8] for at in range(4, len(PLAIN), 8))
    assert normalised(0, ((ACCESS, PLAIN[:4] + b"".join((*others, user))),)) == (0o640, ())
    with pytest.raises(InvalidAcl):
        normalised(0, ((ACCESS, PLAIN[:4] + b"".join(others)),))


@pytest.mark.parametrize("mode", [0o000, 0o4751, 0o777])
def test_chmod_of_what_has_an_acl(scratch: Path, mode: int) -> None:
    (scratch / "one").mkdir(mode=0o700)
    for name in (ACCESS, DEFAULT):
        os.setxattr(scratch / "one", name, listing(7, 5))
    _, before = kept(scratch / "one")
    (scratch / "one").chmod(mode)
    assert (mode, after_chmod(mode, before)) == kept(scratch / "one")


def test_an_acl_that_changes_while_it_is_read(scratch: Path) -> None:
    """The mode was read before it: both are told as the ACL has them."""
    (scratch / "one").touch()
    fd = os.open(scratch, os.O_RDONLY)
    try:
        before = read_inode(fd, b"one")
        os.setxattr(scratch / "one", ACCESS, listing(5))
        after = read_inode(fd, b"one")
    finally:
        os.close(fd)
    assert plain_metadata(replace(before, xattrs=after.xattrs)) == plain_metadata(after)
