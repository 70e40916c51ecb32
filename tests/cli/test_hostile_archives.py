"""The table of hostile archives through the program: refused in a line, or kept inside the image.

Whatever an archive says, nothing changes but the store, and a refusal leaves that as it was too.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.support import disks
from tests.support.archives import DIRECTORY, END, Archive, extended, header, octal, padded, record
from tests.support.hostile import CASES
from tests.support.program import Lxgit
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.hostile_headers import Case
    from tests.support.program import Result

OUTSIDE = ("/out", "/tmp/outside", "/etc/x", "/tmp/x")


@pytest.fixture(scope="module")
def place(module_directory: Path) -> Path:
    """A directory that holds the store of all cases, and beside it a file that nobody touches."""
    (module_directory / "home").mkdir()
    (module_directory / "outside").write_text("mine\n")
    return module_directory


@pytest.fixture(scope="module")
def importing(place: Path) -> Lxgit:
    program = Lxgit(place / "store", place / "home")
    (place / "archive").write_bytes(Archive().add("first").raw())
    program("import", place / "archive", "first")
    return program


def everything(place: Path) -> dict[str, tuple[int, int]]:
    """Every file below with its size and time of change, but locks, which everybody opens."""
    found = {}
    for directory, _, files in os.walk(place):
        for name in files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            found[os.path.relpath(path, place)] = status.st_size, status.st_mtime_ns
    return {name: facts for name, facts in found.items() if "/locks/" not in f"/{name}"}


def exported(program: Lxgit, name: str) -> set[str]:
    """The names of an image, as a `Case` has them."""
    tar = program("export", name).stdout
    found = set()
    with tarfile.open(fileobj=io.BytesIO(tar), errors="surrogateescape") as members:
        for member in members:
            path = member.name.removeprefix("./") + ("/" if member.isdir() else "")
            found.add(f"{path} -> {member.linkname}" if member.issym() else path)
    return found - {"./"}


def refused(result: Result, fault: str) -> None:
    lines = result.err.splitlines()
    assert result.code == 1
    assert result.out == ""
    assert lines[0].startswith("lxgit: ")
    assert fault in lines[0], result.err
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case(case: Case, place: Path, importing: Lxgit) -> None:
    (place / "archive").write_bytes(case.data())
    before = everything(place)
    result = importing("import", "--orphan", place / "archive", "case", code=None)
    for path in OUTSIDE:
        assert not os.path.lexists(path)
    if case.names:
        assert result.code == 0, result.err
        linked = {name.partition(" -> ")[0] for name in case.names}
        assert {name.partition(" -> ")[0] for name in exported(importing, "case")} == linked
        after = {name for name in everything(place) if not name.startswith("store/")}
        assert after == {name for name in before if not name.startswith("store/")}
    else:
        refused(result, case.fault)
        assert everything(place) == before


def test_the_store_after_all_that(place: Path, importing: Lxgit) -> None:
    assert (place / "outside").read_text() == "mine\n"
    assert StockGit(place / "store" / "git").fsck() == b""
    assert importing("fsck").out == "No faults found.\n"


def sparse(size: int) -> bytes:
    records = record(b"GNU.sparse.map", b"0,1") + record(b"GNU.sparse.size", b"%d" % size)
    return extended(records) + header(b"holes", size=octal(1)) + padded(b"x") + END


def zeros(mebibytes: int) -> bytes:
    tar = header(b"zeros", size=octal(mebibytes << 20)) + bytes(mebibytes << 20) + END
    return gzip.compress(tar, 1)


def many(mebibytes: int) -> bytes:
    member = header(b"zeros", size=octal(1 << 20)) + padded(bytes(1 << 20))
    return gzip.compress(member * mebibytes + END, 1)


def a_hole(_mebibytes: int) -> bytes:
    return sparse(2**40)


BOMBS = pytest.mark.parametrize(
    "made", [zeros, many, a_hole], ids=["one file of zeros", "many", "holes"]
)


@pytest.mark.parametrize("piped", [False, True], ids=["file", "pipe"])
@BOMBS
def test_a_bomb(importing: Lxgit, place: Path, made: Callable[[int], bytes], piped: bool) -> None:
    bomb = made(64)
    (place / "archive").write_bytes(bomb)
    before = everything(place)
    words = ["import", "--max-size", "16MiB", "-" if piped else str(place / "archive"), "bomb"]
    result = importing(*words, stdin=bomb if piped else b"", code=1)
    refused(result, "it unpacks to more than 16,777,216 bytes")
    assert everything(place) == before


def test_holes_that_somebody_asks_for(importing: Lxgit, place: Path) -> None:
    (place / "archive").write_bytes(sparse(8 << 20))
    importing("import", "--orphan", "--max-size", "8MiB", place / "archive", "holes")
    refused(
        importing("import", "--max-size", "7.9MiB", place / "archive", "holes", code=1),
        "it unpacks to more than",
    )


def test_a_directory_has_the_same_limit(importing: Lxgit, place: Path, scratch: Path) -> None:
    with (scratch / "holes").open("wb") as file:
        file.truncate(1 << 40)
    before = everything(place)
    refused(
        importing("import", "--max-size", "1T", scratch, "holes", code=1), "it unpacks to more than"
    )
    assert everything(place) == before


@pytest.fixture
def disk(scratch: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    with disks.small(scratch, 64) as place:
        yield place


@pytest.mark.root
@BOMBS
def test_a_bomb_on_a_small_disk(disk: Path, scratch: Path, made: Callable[[int], bytes]) -> None:
    """Refused before the disk is full, without being told how large it is."""
    bomb = made(256)
    program = Lxgit(disk / "store", scratch)
    (scratch / "first").write_bytes(Archive().add("first").raw())
    program("import", scratch / "first", "first")
    before, free = everything(disk), os.statvfs(disk).f_bavail
    refused(program("import", "-", "bomb", stdin=bomb, code=1), "than the file system has room")
    assert everything(disk) == before
    assert os.statvfs(disk).f_bavail == free


def test_ten_thousand_directories_in_each_other(importing: Lxgit, place: Path) -> None:
    archive = Archive(tarfile.GNU_FORMAT)
    for depth in range(1, 10_000, 97):
        archive.add("d/" * depth, DIRECTORY)
    (place / "archive").write_bytes(archive.raw())
    before = everything(place)
    refused(importing("import", place / "archive", "deep", code=1), "more than 2000 levels deep")
    assert everything(place) == before
