"""The awkward tree has in it what it promises, and ordinary tools can copy it."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import awkward, compare, rootfs

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def tree(scratch: Path) -> Path:
    awkward.build(scratch / "tree")
    return scratch / "tree"


@pytest.fixture
def linked_tree(scratch: Path) -> Path:
    awkward.build(scratch / "tree", linked_nodes=True)
    return scratch / "tree"


def test_two_builds_are_equal(tree: Path, scratch: Path) -> None:
    awkward.build(scratch / "again")
    compare.assert_same_tree(tree, scratch / "again")


def test_cp_makes_an_equal_copy(linked_tree: Path, scratch: Path) -> None:
    copy = scratch / "copy"
    copy.mkdir()
    # From within, or the longest path would be too long with its root in front.
    subprocess.run(["cp", "--archive", ".", copy], cwd=linked_tree, check=True)
    compare.assert_same_tree(linked_tree, copy)


def test_tar_makes_an_equal_copy(tree: Path, scratch: Path) -> None:
    archive = rootfs.make_tar(tree, scratch / "tree.tar")
    copy = rootfs.extract_tar(archive, scratch / "copy")
    compare.assert_same_tree(tree, copy)


def test_it_holds_every_type_and_bit(tree: Path) -> None:
    seen, bits = set(), 0
    for entry in (
        *(tree / "modes").iterdir(),
        *(tree / "nodes").iterdir(),
        tree / "links/%symlink",
    ):
        mode = entry.lstat().st_mode
        seen.add(stat.S_IFMT(mode))
        bits |= stat.S_IMODE(mode)
    kinds = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO)
    assert seen == set(kinds)
    assert bits == 0o7777


def test_its_times_and_owners_are_kept_by_this_file_system(tree: Path) -> None:
    for name, mtime in awkward.MTIMES.items():
        for kind in ("file", "symlink", "fifo", "directory"):
            path = tree / "times" / f"{kind}-{os.fsdecode(name)}"
            assert path.lstat().st_mtime_ns == mtime
    for number, owner in enumerate(awkward.OWNERS):
        status = (tree / f"owners/symlink-{number}").lstat()
        assert (status.st_uid, status.st_gid) == owner


def test_its_holes_are_holes(tree: Path) -> None:
    for name in ("hole-alone", "hole-first", "hole-last", "hole-within", "holes", "large"):
        status = (tree / "sparse" / name).stat()
        assert status.st_blocks * 512 < status.st_size


def test_its_links_are_links(linked_tree: Path) -> None:
    for name in ("file", "empty", "odd\n%\udcff", "symlink", "device", "fifo"):
        paths = (f"here/{name}", f"there/deeper/{name}", f"%{name}")
        inodes = {(linked_tree / "links" / path).lstat().st_ino for path in paths}
        assert len(inodes) == 1


def test_its_paths_are_as_long_as_paths_get(tree: Path) -> None:
    found = subprocess.run(
        ["find", ".", "-name", "f*", "-path", "./paths-long/*", "-printf", "%P\\0"],
        cwd=tree,
        capture_output=True,
        check=True,
    )
    assert len(found.stdout.strip(b"\0")) == 4090
    assert len(os.readlink(tree / "symlinks/longest")) == 4095


def test_sockets_are_sockets_and_leave_the_times_alone(tree: Path, scratch: Path) -> None:
    awkward.build(scratch / "without")
    names = awkward.add_sockets(tree)
    for name in names:
        path = os.path.join(os.fsencode(tree), name)
        assert stat.S_ISSOCK(os.lstat(path).st_mode)
    assert not compare.tar_differences(tree, scratch / "without")


@pytest.mark.slow
def test_the_huge_file_is_mostly_a_hole(scratch: Path) -> None:
    awkward.build_huge(scratch / "tree")
    status = (scratch / "tree/huge").stat()
    assert status.st_size == awkward.HUGE
    assert status.st_blocks * 512 < 2**24
