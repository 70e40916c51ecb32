"""Hostile archives in the reader: what is legal resolves inside the root, the rest is refused.

The same table goes through the program in tests/cli/test_hostile_archives.py.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects import filetree, tarreader
from lxgit.objects.extent import MAX_ENTRIES, TooManyEntries
from lxgit.objects.limits import Limits, TooLarge, limits_for
from lxgit.objects.metadata import Kind
from lxgit.objects.tarheader import InvalidHeader
from lxgit.objects.tarsparse import pax_sparse
from lxgit.objects.tree import MAX_DEPTH
from lxgit.objects.treebuilder import TooDeep
from tests.support.archives import (
    BLOCK,
    DIRECTORY,
    END,
    FILE,
    SYMLINK,
    Archive,
    extended,
    header,
    octal,
    padded,
    paths,
    read,
    record,
)
from tests.support.hostile import CASES

if TYPE_CHECKING:
    from lxgit.objects.filetree import FileTree
    from tests.support.hostile_headers import Case


def names(tree: FileTree) -> set[str]:
    """As a `Case` has them."""
    found = set()
    for path, node in tree.walk():
        name = os.fsdecode(path)
        if node.kind is Kind.SYMLINK:
            name += f" -> {os.fsdecode(node.target)}"
        found.add(name + "/" if node.kind is Kind.DIRECTORY else name)
    return found - {"/"}


def test_the_document_says_how_many_there_are() -> None:
    told = Path(__file__).parents[2].joinpath("docs/security.md").read_text()
    assert f"the table: {len(CASES)} archives" in told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case(case: Case, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    fd = os.open(work, os.O_RDONLY)
    limits = limits_for(fd, None)
    os.close(fd)
    if case.names:
        assert names(read(work, case.data(), limits)) == set(case.names)
    else:
        with pytest.raises(LxgitError) as refusal:
            read(work, case.data(), limits)
        assert case.fault in refusal.value.message
        assert "\n" not in refusal.value.message
        assert refusal.value.hint
    assert list(tmp_path.iterdir()) == [work]
    assert [entry.name for entry in work.iterdir()] == ["archive.tar"]


def test_what_is_legal_at_the_limits(tmp_path: Path) -> None:
    deepest = Archive().add("d/" * (MAX_DEPTH - 2) + "x")
    assert len(paths(read(tmp_path, deepest))) == MAX_DEPTH - 1
    with pytest.raises(TooDeep):
        read(tmp_path, Archive().add("d/" * (MAX_DEPTH - 1) + "x"))
    assert paths(read(tmp_path, Archive().add("a/" * 40, DIRECTORY)))
    largest = record(b"SCHILY.xattr.user.x", b"x" * 65_536)
    assert paths(read(tmp_path, extended(largest) + header() + END))


def test_forty_links_and_no_more(tmp_path: Path) -> None:
    assert b"l40/x" in paths(read(tmp_path, _chain(40)))
    with pytest.raises(LxgitError, match="too many symbolic links"):
        read(tmp_path, _chain(41))


def _chain(length: int) -> Archive:
    archive = Archive()
    for number in range(length):
        archive.add(f"l{number}", SYMLINK, f"l{number + 1}")
    return archive.add("l0/x")


def test_links_that_cost_much_time_are_refused(tmp_path: Path) -> None:
    """Each member would take 80,000 steps: an archive of some megabytes, an hour."""
    archive = Archive()
    for number in range(39):
        archive.add(f"l{number}", SYMLINK, "./" * 2000 + f"l{number + 1}")
    archive.add("l39", SYMLINK, "d")
    for number in range(3000):
        archive.add("x", SYMLINK, "y").add(f"l0/{number}")
    begun = time.process_time()
    with pytest.raises(LxgitError, match="too many symbolic links"):
        read(tmp_path, archive)
    assert time.process_time() - begun < 30


def test_paths_that_are_long_below_a_few_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member of such a path is short in the archive, and its path is not kept in memory."""
    archive = Archive()
    for number in range(30):
        archive.add(f"l{number}", SYMLINK, (f"l{number - 1}/" if number else "") + "d/" * 60)
        archive.add(f"l{number}/x")
    tree = read(tmp_path, archive.raw())
    longest = max(len(path) for path, _ in tree.walk())
    assert longest > 3000
    assert list(tree.links().groups) == []
    monkeypatch.setattr(filetree, "MOST_PATHS", 100_000)
    with pytest.raises(TooManyEntries, match="paths of more than"):
        list(tree.walk())


def test_a_header_for_all_counts_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand keys take as long for each member as if it had them itself."""
    keys = b"".join(record(b"%04d" % number, b"x") for number in range(1000))
    members = b"".join(header(b"%d" % number) for number in range(10))
    monkeypatch.setattr(tarreader, "_MAX_HEADERS", 58_000)
    assert len(paths(read(tmp_path, extended(keys, b"g") + members[: 9 * BLOCK] + END))) == 9
    with pytest.raises(LxgitError, match="1 GiB of extended headers"):
        read(tmp_path, extended(keys, b"g") + members + END)
    assert len(paths(read(tmp_path, extended(keys) + members + END))) == 10


def test_the_comment_of_git_archive_is_no_burden() -> None:
    comment = len(b"comment") + 40  # the commit, in a header for all
    assert comment * MAX_ENTRIES < tarreader._MAX_HEADERS


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filetree, "MAX_ENTRIES", 10)
    assert len(paths(read(tmp_path, Archive().add("1/2/3/4/5/6/7/8/9/10")))) == 10
    for archive in (Archive().add("a/" * 11, DIRECTORY), _files(11)):
        with pytest.raises(TooManyEntries, match="more than 10 entries"):
            read(tmp_path, archive)


def test_members_that_take_each_others_place_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tarreader, "_MOST_MEMBERS", 10)
    for kind in (FILE, DIRECTORY, SYMLINK):
        assert len(paths(read(tmp_path, header(b"a", kind, link=b"b") * 10 + END))) == 1
        with pytest.raises(TooManyEntries, match="more than 10 members"):
            read(tmp_path, header(b"a", kind, link=b"b") * 11 + END)


def test_the_pieces_of_all_sparse_files_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not a file's first, nor what GNU tar ends each map with, a piece of nothing."""
    hole = record(b"GNU.sparse.map", b"0,1,90,1,100,0") + record(b"GNU.sparse.size", b"100")
    one = extended(hole) + header(size=octal(2)) + padded(b"xx")
    monkeypatch.setattr(tarreader, "MAX_SEGMENTS", 10)
    assert len(paths(read(tmp_path, one * 10 + END))) == 1
    with pytest.raises(LxgitError, match="more than 10 pieces of data, with the files before"):
        read(tmp_path, one * 11 + END)


def test_a_sparse_map_without_lines_is_not_read_to_its_end() -> None:
    blocks = iter([b"20\n".ljust(BLOCK, b"1"), b"1" * BLOCK, b"1" * BLOCK])
    records = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.size": b"9"}
    with pytest.raises(InvalidHeader, match="an impossible sparse map"):
        pax_sparse(records, blocks.__next__)


def test_a_sparse_map_of_the_longest_numbers(tmp_path: Path) -> None:
    """All that `_LONGEST_LINE` allows for, which no file system has."""
    numbers = b"".join(b"%020d\n%020d\n" % (2 * at, 1) for at in range(1000))
    records = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")
    records += record(b"GNU.sparse.realsize", b"2000")
    stored = padded(b"%020d\n" % 1000 + numbers) + bytes(1000)
    data = extended(records) + header(size=octal(len(stored))) + padded(stored) + END
    assert len(paths(read(tmp_path, data))) == 1


def _files(count: int) -> Archive:
    archive = Archive()
    for number in range(count):
        archive.add(f"{number}")
    return archive


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        (Limits(size=3000), True),
        (Limits(size=2999), False),
        (Limits(data=1010), True),
        (Limits(data=1009), False),
    ],
)
def test_limits_count_every_content(tmp_path: Path, limits: Limits, fits: bool) -> None:
    hole = record(b"GNU.sparse.map", b"0,10") + record(b"GNU.sparse.size", b"2000")
    data = header(b"a", size=octal(1000)) + padded(b"x" * 1000)
    data += extended(hole) + header(b"b", size=octal(10)) + padded(b"x" * 10) + END
    if fits:
        assert len(paths(read(tmp_path, data, limits))) == 2
    else:
        with pytest.raises(TooLarge):
            read(tmp_path, data, limits)
