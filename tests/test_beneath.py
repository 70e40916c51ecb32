from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import follow_links, open_beneath, openat2, remove_tree
from tests.support import rlimits
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from pathlib import Path


def make_deep(root: Path, depth: int) -> bytes:
    """A chain of directories with a file in each; the path of the last."""
    at = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 10, dir_fd=at)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    return b"/".join([b"d" * 10] * depth)


def test_a_deep_tree_is_opened_and_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    deepest = make_deep(root, 500)
    with rlimits.open_files(64):
        fd = os.open(root, os.O_RDONLY)
        os.close(open_beneath(fd, deepest + b"/file", os.O_RDONLY))
        os.close(fd)
        remove_tree(root)
    assert not root.exists()
    remove_tree(root)


def test_what_a_dying_process_still_makes_is_removed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, rmdir, late = tmp_path / "root", os.rmdir, [tmp_path / "root/in", tmp_path / "root"]
    (root / "in").mkdir(parents=True)

    def beside(path: str | bytes | Path, **more: int) -> None:
        if late:
            (late.pop(0) / "late").mkdir()
        rmdir(path, **more)

    monkeypatch.setattr(os, "rmdir", beside)
    remove_tree(root)
    assert not root.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "up").symlink_to("..")
    fd = os.open(root, os.O_RDONLY)
    try:
        for path in (b"link", b"link/kept", b"up", b"up/outside/kept", b"../outside/kept"):
            with pytest.raises(OSError):  # noqa: PT011  # ELOOP or EXDEV, as the kernel likes
                open_beneath(fd, path, os.O_RDONLY)
    finally:
        os.close(fd)
    remove_tree(root)
    assert (outside / "kept").exists()


def test_who_renames_elsewhere_does_not_stop_a_way_up(tmp_path: Path) -> None:
    for name in ("root", "one", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "root/a").mkdir()
    root = os.open(tmp_path / "root", os.O_PATH)
    with exchanging(tmp_path / "one", tmp_path / "other"):
        for _ in range(200):
            os.close(openat2(root, b"a/../" * 20 + b"a", os.O_PATH))
    os.close(root)


def test_a_path_is_followed_as_far_as_anybody_goes() -> None:
    """As long as Linux takes it, as deep as a tree may be; what looks up more than that is not."""
    looked_up = 0

    def target_of(path: bytes) -> bytes | None:
        nonlocal looked_up
        looked_up += len(path)
        return b"/" + b"d/" * 1990 if path == b"deep" else None

    for path in (b"a/" * 2047 + b"a", b"/".join([b"d"] * 1998), b"/".join([b"n" * 255] * 16)):
        assert follow_links(path, target_of) == path
    assert follow_links(b"deep/" + b"d/" * 7 + b"../x", target_of) == b"d/" * 1996 + b"x"
    for path in (b"a/" * 500_000, b"d/" * 1990 + b"a/../" * 100_000, b"/".join([b"n" * 255] * 999)):
        looked_up = 0
        with pytest.raises(OSError, match="too long") as caught:
            follow_links(path, target_of)
        assert caught.value.errno == errno.ENAMETOOLONG
        assert looked_up < 1 << 25
