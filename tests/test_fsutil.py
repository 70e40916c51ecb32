from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lxgit.fsutil import write_atomic, write_even_if_full, write_over
from tests.support import disks

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomic(file, b"one", mode=0o640)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    with pytest.raises(TypeError):
        write_atomic(file, "text")  # type: ignore[arg-type]
    assert file.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["file"]


def test_what_is_written_over_is_as_long_as_it_was_or_longer(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"[12]\n")
    inode = file.stat().st_ino
    write_over(file, b"[]\n")
    assert file.read_bytes() == b"[]\n  "
    write_over(file, b"[1, 2, 3]\n")
    assert file.read_bytes() == b"[1, 2, 3]\n"
    assert file.stat().st_ino == inode


@pytest.mark.root
def test_it_is_where_no_space_can_be_set_aside(scratch: Path) -> None:
    """On ext3, where glibc reads what is there."""
    kind = replace(disks.EXT4, make=("mke2fs", "-q", "-t", "ext3"), options="defaults")
    with disks.mounted(kind, disks.make(kind, scratch / "disk"), scratch / "on") as place:
        file = place / "file"
        file.write_bytes(b"[1, 2]\n")
        write_over(file, b"[1]\n")
        assert file.read_bytes() == b"[1]\n   "


@pytest.mark.root
def test_on_a_full_disk_it_is_the_new_or_the_old(scratch: Path) -> None:
    with disks.small(scratch, 24) as place:
        file = place / "file"
        file.write_bytes(b"old")
        with disks.filled(place, 0):
            with pytest.raises(OSError, match="space"):
                write_atomic(file, bytes(20_000))
            with pytest.raises(OSError, match="space"):
                write_over(file, b"n" * 20_000)
            assert file.read_bytes() == b"old"
            write_even_if_full(file, b"new one")
            with pytest.raises(OSError, match="space"):
                write_even_if_full(place / "other", b"new one")
            assert not (place / "other").exists()
        assert file.read_bytes() == b"new one"
