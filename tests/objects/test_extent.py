"""A few trees that unfold to more than anybody has: each walk of them ends soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.diff import iter_differences
from lxgit.objects.directory import Directory, Subdirectory, write_directory
from lxgit.objects.entries import Entry
from lxgit.objects.extent import Extent, Extents, TooManyEntries
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.image import Image
from lxgit.objects.metadata import Kind, Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.packwriter import PackWriter

    Bomb = Callable[[PackWriter, bytes], ObjectID]

PLAIN = Metadata(0o755, 0, 0, 0)
FIFO = Entry(Kind.FIFO, Metadata(0o644, 0, 0, 0), None)


def directory(writer: PackWriter, **below: ObjectID) -> ObjectID:
    entries = {name.encode(): Subdirectory(oid) for name, oid in below.items()}
    return write_directory(writer, Directory(PLAIN, dict(entries)))


def fifos(writer: PackWriter, count: int, last: bytes = b"last") -> ObjectID:
    """A directory of FIFOs, which stand in its %meta alone."""
    entries = dict.fromkeys((b"%d" % number for number in range(count)), FIFO)
    return write_directory(writer, Directory(PLAIN, {**entries, last: FIFO}))


def doubled(writer: PackWriter, below: ObjectID, times: int) -> ObjectID:
    for _ in range(times):
        below = directory(writer, a=below, b=below)
    return below


def deep(writer: PackWriter, last: bytes) -> ObjectID:
    """Each of 65,536 ends at the bottom of a thousand levels."""
    below = fifos(writer, 10, last)
    for _ in range(1000):
        below = directory(writer, d=below)
    return doubled(writer, below, 16)


def apart(writer: PackWriter, last: bytes) -> ObjectID:
    """Many directories that differ, in each the same few thousand entries."""
    one = doubled(writer, fifos(writer, 3, last), 11)
    many = {
        f"d{number}": directory(writer, **{f"x{number}": one, "y": one}) for number in range(1000)
    }
    return directory(writer, **many)


BOMBS: dict[str, Bomb] = {
    "2^40 directories": lambda writer, last: doubled(writer, fifos(writer, 1, last), 40),
    "FIFOs": lambda writer, last: doubled(writer, fifos(writer, 20_000, last), 10),
    "deep": deep,
    "apart": apart,
}


def image(database: ObjectDatabase, make: Callable[[PackWriter], ObjectID]) -> Image:
    """An image with that root filesystem; of the others of its parts nothing is asked here."""
    with database.writer() as writer:
        rootfs = make(writer)
        links = writer.add(ObjectType.BLOB, b"")
        writer.finish().release()
    return Image(database, rootfs, links, links, rootfs)


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> Bomb:
    return BOMBS[request.param]


def test_what_unfolds_without_end_ends_soon(objects: ObjectDatabase, bomb: Bomb) -> None:
    """Walked, and compared with an empty one, on either side."""
    bad = image(objects, lambda writer: bomb(writer, b"x"))
    empty = image(objects, directory)
    begin = time.process_time()
    for walk in (bad.walk(), iter_differences(empty, bad), iter_differences(bad, empty)):
        with pytest.raises(TooManyEntries, match="4,194,304 are allowed"):
            for _ in walk:
                pass
    assert time.process_time() - begin < 20


def test_two_that_differ_everywhere(objects: ObjectDatabase, bomb: Bomb) -> None:
    one = image(objects, lambda writer: bomb(writer, b"x"))
    two = image(objects, lambda writer: bomb(writer, b"y"))
    with pytest.raises(TooManyEntries):
        for _ in iter_differences(one, two):
            pass
    assert list(iter_differences(one, one)) == []


def test_many_equal_directories_are_allowed(objects: ObjectDatabase) -> None:
    """As a package manager's store has them, or a mail spool."""
    found = image(objects, lambda writer: doubled(writer, fifos(writer, 9), 12))
    assert sum(1 for _ in found.walk()) == (2 << 12) - 2 + (10 << 12)


def test_extents() -> None:
    a, b, c = (ObjectID(bytes([number]) * 20) for number in range(3))
    below: dict[ObjectID, tuple[int, list[ObjectID]]] = {
        a: (5, [b, c, b]),
        b: (2, [c]),
        c: (10, []),
    }
    extents = Extents(below.__getitem__)
    assert extents.of(a) == Extent(3, 5 + 2 * 12 + 10)
    assert extents.of(c) == Extent(1, 10)
