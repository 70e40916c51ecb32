"""Programs and users, looked up inside a root."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.accounts import MAX_SIZE
from lxgit.runtime.command import User, environment, find_program, find_user
from tests.support import rlimits
from tests.support.rlimits import descriptors_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> int:
    for name in ("bin", "usr/bin", "etc", "opt"):
        (tmp_path / name).mkdir(parents=True)
    for name, mode in (("bin/tool", 0o755), ("usr/bin/plain", 0o644), ("opt/tool", 0o100)):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    (tmp_path / "usr/bin/link").symlink_to("/bin/tool")
    (tmp_path / "usr/bin/out").symlink_to("../../../../../../../../bin/sh")
    (tmp_path / "usr/bin/circle").symlink_to("circle")
    (tmp_path / "usr/bin/directory").mkdir()
    (tmp_path / "etc/passwd").write_text(
        "root:x:0:0:root:/home/root:/bin/sh\nbad line\nwww:x:33:34::/srv:/bin/sh\nx:x:9:9:::\n"
        f"big:x:{'9' * 5000}:0::/:\nnul:x:1:1::/a\0b:\nnul:x:2:2::/b:\n"
    )
    (tmp_path / "etc/group").write_text(
        "root:x:0:\nadm:x:4:www,x\nweb:x:40:www\nodd:x:y:www\n"
        f"large:x:{'9' * 5000}:www\nnear:x:41:ww,xwww,wwwx\n"
    )
    return os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"tool", b"/bin/tool"),
        (b"link", b"/usr/bin/link"),
        (b"/opt/tool", b"/opt/tool"),
        (b"./tool", b"/opt/./tool"),
        (b"../bin/tool", b"/opt/../bin/tool"),
    ],
)
def test_programs(root: int, name: bytes, found: bytes) -> None:
    assert find_program(root, name, b"/nowhere:/usr/bin:/bin", b"/opt") == found
    os.close(root)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        (b"none", 127, "not found in $PATH"),
        (b"", 127, "not found"),
        (b"out", 127, "not found"),  # the host's /bin/sh is not in this root
        (b"plain", 126, "permission denied"),
        (b"directory", 127, "not found in $PATH"),
        (b"/usr/bin/directory", 126, "is a directory"),
        (b"/usr/bin/out", 127, "no such file"),
        (b"/bin/tool/x", 127, "no such file"),
        (b"circle", 127, "not found in $PATH"),
        (b"/usr/bin/circle", 126, "too many levels of symbolic links"),
        (b"/" + b"x" * 300, 126, "file name too long"),
    ],
)
def test_faults(root: int, name: bytes, code: int, words: str) -> None:
    with pytest.raises(LxgitError) as caught:
        find_program(root, name, b"/usr/bin:/bin", b"/")
    os.close(root)
    assert caught.value.exit_code == code
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (), "/root")),
        ("root", User(0, 0, (), "/home/root")),
        ("www", User(33, 34, (4, 40), "/srv")),
        ("33", User(33, 34, (4, 40), "/srv")),
        ("www:adm", User(33, 4, (), "/srv")),
        ("www:7", User(33, 7, (), "/srv")),
        ("1234", User(1234, 0, (), "/")),
        ("x", User(9, 9, (4,), "/")),
        (":web", User(0, 40, (), "/root")),
        ("nul", User(2, 2, (), "/b")),  # no program could be given the first one's home
    ],
)
def test_users(root: int, text: str, user: User) -> None:
    assert find_user(root, text) == user
    os.close(root)


@pytest.mark.parametrize(
    "text",
    ["nobody", "www:none", "-1", "9" * 5000, "www:" + "9" * 5000, "4294967295", "\u0663", "big"],
)
def test_users_that_are_not_there(root: int, text: str) -> None:
    with pytest.raises(LxgitError, match="has no") as caught:
        find_user(root, text)
    os.close(root)
    assert caught.value.exit_code == 125
    assert len(caught.value.message) < 200


def test_without_a_descriptor_nothing_is_said_of_the_image(root: int) -> None:
    find_user(root, "root")
    with rlimits.open_files(3):  # those that every process has
        for look in (
            lambda: find_program(root, b"tool", b"/bin", b"/"),
            lambda: find_program(root, b"/bin/tool", b"/bin", b"/"),
            lambda: find_user(root, "root"),
        ):
            with pytest.raises(OSError, match="Too many open files"):
                look()
    os.close(root)


@pytest.mark.parametrize("name", ["passwd", "group"])
def test_a_file_that_is_there_and_cannot_be_read(root: int, tmp_path: Path, name: str) -> None:
    (tmp_path / "etc" / name).unlink()
    (tmp_path / "etc" / name).mkdir()
    before = descriptors_of(os.getpid())  # some may be garbage, which goes meanwhile
    with pytest.raises(IsADirectoryError, match=f"etc/{name}"):
        find_user(root, "www")
    assert descriptors_of(os.getpid()) <= before
    os.close(root)


def test_a_file_that_is_too_large_has_nobody(root: int, tmp_path: Path) -> None:
    """Root of a container makes it as long as it likes, and has it read by the supervisor."""
    for name in ("passwd", "group"):
        os.truncate(tmp_path / "etc" / name, MAX_SIZE)
    assert find_user(root, "www:adm") == User(33, 4, (), "/srv")
    os.truncate(tmp_path / "etc/group", MAX_SIZE + 1)
    assert find_user(root, "www") == User(33, 34, (), "/srv")
    os.truncate(tmp_path / "etc/passwd", 1 << 40)
    with pytest.raises(LxgitError, match="has no user 'www'"):
        find_user(root, "www")
    os.close(root)


def test_what_is_no_file_has_nobody(root: int, tmp_path: Path) -> None:
    for target in ("passwd", "x" * 300, "y/" * 2000):
        (tmp_path / "etc/passwd").unlink()
        (tmp_path / "etc/passwd").symlink_to(target)
        with pytest.raises(LxgitError, match="has no user 'www'"):
            find_user(root, "www")
    os.close(root)


def test_a_file_that_is_none_keeps_nobody_waiting(root: int, tmp_path: Path) -> None:
    (tmp_path / "etc/passwd").unlink()
    os.mkfifo(tmp_path / "etc/passwd")
    writer = os.open(tmp_path / "etc/passwd", os.O_RDWR)  # and nothing is written
    with pytest.raises(LxgitError, match="has no user 'www'"):
        find_user(root, "www")
    os.close(writer)
    os.close(root)


def test_the_environment_is_overridden_in_order() -> None:
    result = environment(["A=1", "A=2", "PATH=/x", "B"], hostname="h", home="/", tty=True)
    assert (result["A"], result["PATH"], result["B"], result["TERM"]) == ("2", "/x", "", "xterm")
