"""The comparisons notice every kind of difference, one attribute at a time."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import compare
from tests.support.builder import MTIME, Attributes, Builder, acl, capability

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.root

ACL = acl(
    [("user", None, 6), ("USER", 7, 4), ("group", None, 4), ("mask", None, 4), ("other", None, 4)]
)
DEFAULT = acl(
    [("user", None, 7), ("USER", 8, 5), ("group", None, 5), ("mask", None, 5), ("other", None, 5)]
)


def build(root: Path) -> None:
    root.mkdir()
    builder = Builder(os.fsencode(root))
    builder.directory(b"")
    builder.directory(b"d", Attributes(0o755, xattrs={b"system.posix_acl_default": DEFAULT}))
    builder.directory(b"empty")
    builder.file(b"f", b"content\n", Attributes(0o755, xattrs={b"user.k": b"v"}))
    builder.file(b"listed", b"", Attributes(xattrs={b"system.posix_acl_access": ACL}))
    builder.file(b"capable", b"", Attributes(xattrs={b"security.capability": capability(2)}))
    builder.file(b"a", b"linked\n")
    builder.link(b"b", b"a")
    builder.file(b"c", b"linked\n")
    builder.symlink(b"s", b"target", Attributes(xattrs={b"trusted.t": b"1"}))
    builder.node(b"n", "character", (1, 3))
    builder.node(b"p", "fifo")
    builder.finish()


def own(path: str, uid: int = -1, gid: int = -1) -> None:
    os.chown(path, uid, gid, follow_symlinks=False)


def replace(name: str, make: Callable[[str], object]) -> None:
    os.unlink(name)
    make(name)


def write(path: str, content: str) -> None:
    with open(path, "w") as file:
        file.write(content)


def touch(path: str, mtime: int) -> None:
    os.utime(path, ns=(mtime, mtime), follow_symlinks=False)


def xattr(path: str, name: bytes, value: bytes) -> None:
    os.setxattr(path, name, value, follow_symlinks=False)


def device(kind: int, major: int, minor: int) -> Callable[[str], None]:
    return lambda path: os.mknod(path, kind | 0o600, os.makedev(major, minor))


def new_symlink(target: str) -> Callable[[str], None]:
    def make(path: str) -> None:
        os.symlink(target, path)
        xattr(path, b"trusted.t", b"1")

    return make


BLOCK, CHARACTER = 0o060000, 0o020000

CHANGES: dict[str, Callable[[], object]] = {
    "content, of the same size": lambda: write("f", "CONTENT\n"),
    "size": lambda: write("f", "content\n\n"),
    "mode": lambda: os.chmod("f", 0o754),
    "setuid": lambda: os.chmod("f", 0o4755),
    "sticky directory": lambda: os.chmod("empty", 0o1755),
    "owner": lambda: own("f", uid=1),
    "group": lambda: own("f", gid=1),
    "owner over 2^31": lambda: own("f", uid=2**32 - 2),
    "owner of a symlink": lambda: own("s", uid=1),
    "owner of a device": lambda: own("n", uid=1),
    "mtime by a nanosecond": lambda: touch("f", MTIME + 1),
    "mtime before 1970": lambda: touch("f", -1),
    "mtime of a directory": lambda: touch("empty", MTIME + 1),
    "mtime of a symlink": lambda: touch("s", MTIME + 1),
    "mtime of a FIFO": lambda: touch("p", MTIME + 1),
    "mtime of the root": lambda: touch(".", MTIME + 1),
    "mode of the root": lambda: os.chmod(".", 0o700),
    "target of a symlink": lambda: replace("s", new_symlink("TARGET")),
    "a link broken": lambda: replace("b", lambda path: write(path, "linked\n")),
    "a link added": lambda: replace("c", lambda path: os.link("a", path)),
    "minor number": lambda: replace("n", device(CHARACTER, 1, 5)),
    "major number": lambda: replace("n", device(CHARACTER, 5, 3)),
    "block for character device": lambda: replace("n", device(BLOCK, 1, 3)),
    "a file for a FIFO": lambda: replace("p", lambda path: write(path, "")),
    "a directory for a file": lambda: replace("f", os.mkdir),
    "a file more": lambda: write("more", ""),
    "a file less": lambda: os.unlink("c"),
    "an empty directory less": lambda: os.rmdir("empty"),
    "an empty directory more": lambda: os.mkdir("empty/more"),
    "a name that is not UTF-8": lambda: os.rename(b"c", b"\xff"),
    "xattr value": lambda: xattr("f", b"user.k", b"w"),
    "xattr added": lambda: xattr("f", b"user.l", b""),
    "xattr removed": lambda: os.removexattr("f", b"user.k"),
    "xattr of a directory": lambda: xattr("empty", b"trusted.overlay.opaque", b"y"),
    "xattr of a symlink": lambda: xattr("s", b"trusted.t", b"2"),
    "capability": lambda: xattr("capable", b"security.capability", capability(4)),
    "capability removed": lambda: os.removexattr("capable", b"security.capability"),
    "access ACL": lambda: os.removexattr("listed", b"system.posix_acl_access"),
    "default ACL": lambda: os.removexattr("d", b"system.posix_acl_default"),
}

RSYNC_BLIND = {"a link added", "block for character device"}
"""It makes links and never breaks them, and takes one device for another of the same numbers."""

KEEP_TIMES = set(CHANGES) - {name for name in CHANGES if name.startswith("mtime")}


@pytest.fixture
def pair(scratch: Path) -> tuple[Path, Path]:
    build(scratch / "left")
    build(scratch / "right")
    return scratch / "left", scratch / "right"


def test_equal_trees_are_equal(pair: tuple[Path, Path]) -> None:
    compare.assert_same_tree(*pair)


@pytest.mark.parametrize("change", CHANGES)
def test_each_difference_is_noticed(
    pair: tuple[Path, Path], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each of the two, with nothing else to give it away: the other times are put back."""
    left, right = pair
    monkeypatch.chdir(right)
    before = {entry.name: entry.lstat().st_mtime_ns for entry in [right, *right.iterdir()]}
    CHANGES[change]()
    if change in KEEP_TIMES:
        for entry in (*right.iterdir(), right):
            touch(str(entry), before.get(entry.name, MTIME))
    assert bool(compare.rsync_differences(left, right)) == (change not in RSYNC_BLIND)
    assert compare.tar_differences(left, right)
    with pytest.raises(AssertionError, match="differ"):
        compare.assert_same_tree(left, right)


def test_a_difference_is_told(pair: tuple[Path, Path]) -> None:
    left, right = pair
    xattr(str(right / "f"), b"user.k", b"w")
    told = "\n".join(compare.tar_differences(left, right))
    assert "./f" in told
    assert "user.k" in told


def test_a_tree_that_cannot_be_read_is_an_error(scratch: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError, match="tar"):
        compare.tar_differences(scratch / "absent", scratch)


def test_the_order_of_extended_attributes_does_not_matter(pair: tuple[Path, Path]) -> None:
    for root, names in zip(pair, ((b"user.x", b"user.y"), (b"user.y", b"user.x")), strict=True):
        for name in names:
            xattr(str(root / "c"), name, b"v")
    compare.assert_same_tree(*pair)
