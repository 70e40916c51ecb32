"""Extended attributes that are taken for possible are those that this kernel takes."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.acl import ACCESS, DEFAULT, is_possible
from lxgit.objects.metadata import Kind, has_place
from lxgit.objects.scan import scan
from lxgit.objects.xattrs import CAPABILITY, InvalidXattr, check_xattrs, plain_capability
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


@pytest.mark.parametrize(
    "value",
    [
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
        *(
            acl(
                [
                    ("user", None, 6),
                    *(("USER", number, 4) for number in numbers),
                    ("group", None, 4),
                    ("mask", None, 4),
                    ("other", None, 0),
                ]
            )
            for numbers in ([5], [7, 5], [5, 5], [2**32 - 1])
        ),
        PLAIN[:-8] + struct.pack("<HHI", 0x40, 0, 2**32 - 1),
    ],
)
def test_acls(scratch: Path, value: bytes) -> None:
    (scratch / "one").touch()
    assert is_possible(value) == kernel_takes(scratch / "one", ACCESS, value)
