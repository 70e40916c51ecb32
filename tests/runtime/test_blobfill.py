"""Blobs written into their places by two processes: all there, or the fault raised."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.content import CHUNK
from lxgit.objects.database import CorruptObject, MissingObject
from lxgit.objects.helper import HelperFailed
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.metadata import Metadata
from lxgit.objects.replay import Blob
from lxgit.repository import Repository, create_repository
from lxgit.runtime.bases import TAR
from lxgit.runtime.blobfill import HOLE, BlobFiller
from lxgit.runtime.erofs_layer import ErofsWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@pytest.fixture
def repository(store_dir: Path) -> Repository:
    return create_repository(store_dir)


def stored(repository: Repository, contents: Sequence[bytes]) -> list[ObjectID]:
    with repository.objects.writer() as writer:
        ids = [writer.add(ObjectType.BLOB, content) for content in contents]
        writer.finish().release()
    return ids


def test_everything_gets_to_its_place(repository: Repository, scratch: Path) -> None:
    contents = [b"%d" % number * (number % 50 + 1) for number in range(5000)]
    contents += [os.urandom(3 * CHUNK + 7), bytes(4 * HOLE) + b"end", bytes(CHUNK)]
    offset, expected = 0, bytearray()
    with BlobFiller(repository.objects, scratch / "file") as filler:
        for oid, content in zip(stored(repository, contents), contents, strict=True):
            filler.put(oid, offset, len(content))
            offset += len(content) + 13
            expected += content + bytes(13)
        filler.finish()
    found = (scratch / "file").read_bytes()
    assert found == expected[: len(found)]
    assert not any(expected[len(found) :])
    assert (scratch / "file").stat().st_blocks * 512 < len(expected) - CHUNK // 2


@pytest.mark.erofs
def test_a_tar_by_two_processes_is_that_of_one(repository: Repository, scratch: Path) -> None:
    """With contents around each size that is treated in another way, and many small ones."""
    contents = [b"%d" % number * 25 for number in range(3000)]
    for size in (0, 1, 511, 512, 513, HOLE - 1, HOLE, HOLE + 1, CHUNK):
        contents += [bytes(size), os.urandom(size)]
    contents[1000:1000] = contents[-18:]
    ids = stored(repository, contents)

    def fill(sink: ErofsWriter, sources: Iterable[Iterable[bytes]]) -> None:
        sink.directory(b"", Metadata(0o755, 0, 0, 0))
        for number, (content, source) in enumerate(zip(contents, sources, strict=True)):
            sink.file(b"%d" % number, Metadata(0o644, 0, 0, number), len(content), source)

    (alone, both) = (scratch / "alone", scratch / "both")
    alone.mkdir()
    both.mkdir()
    with ErofsWriter(alone) as sink:
        fill(sink, ([content] for content in contents))
    with (
        BlobFiller(repository.objects, both / TAR) as filler,
        ErofsWriter(both, filler) as sink,
    ):
        fill(sink, (Blob(repository.objects, oid) for oid in ids))
    assert (alone / TAR).read_bytes() == (both / TAR).read_bytes()
    assert (alone / TAR).stat().st_blocks >= (both / TAR).stat().st_blocks - 8


@pytest.mark.erofs
def test_what_is_missing_ends_the_making_of_the_index(
    repository: Repository, scratch: Path
) -> None:
    (there,) = stored(repository, [b"there"])

    def write() -> None:
        with (
            BlobFiller(repository.objects, scratch / TAR) as filler,
            ErofsWriter(scratch, filler) as sink,
        ):
            sink.directory(b"", Metadata(0o755, 0, 0, 0))
            for number, oid in enumerate((there, ObjectID(b"\1" * 20))):
                content = Blob(repository.objects, oid)
                sink.file(b"%d" % number, Metadata(0o644, 0, 0, 0), 5, content)

    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())  # of other tests, which may go meanwhile
    with pytest.raises(MissingObject, match="0101010101"):
        write()
    assert set(children.read_text().split()) <= before


def put_all(filler: BlobFiller, ids: list[ObjectID]) -> None:
    for number, oid in enumerate(ids):
        filler.put(oid, number * 10, 10)
    filler.finish()


@pytest.mark.parametrize("at", [0, 2000, 3999])
def test_what_is_missing_is_named(repository: Repository, scratch: Path, at: int) -> None:
    ids = stored(repository, [b"%d" % number for number in range(4000)])
    ids[at] = ObjectID(b"\1" * 20)
    with (
        BlobFiller(repository.objects, scratch / "file") as filler,
        pytest.raises(MissingObject, match="0101010101") as caught,
    ):
        put_all(filler, ids)
    assert caught.value.oid == ids[at]


def test_damage_is_seen_by_either(repository: Repository, scratch: Path) -> None:
    ids = stored(repository, [os.urandom(40) for _ in range(2000)])
    (pack,) = (repository.git_dir / "objects/pack").glob("*.pack")
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    pack.write_bytes(data)
    with (
        BlobFiller(repository.objects, scratch / "file") as filler,
        pytest.raises(CorruptObject, match="damaged"),
    ):
        put_all(filler, ids)


def test_where_checksums_are_damaged_ids_are_compared(
    repository: Repository, scratch: Path
) -> None:
    ids = stored(repository, [b"%010d" % number for number in range(2000)])
    (index,) = (repository.git_dir / "objects/pack").glob("*.idx")
    index.chmod(0o600)
    data = bytearray(index.read_bytes())
    checksums = 8 + 1024 + 20 * len(ids)  # gitformat-pack(5)
    data[checksums : checksums + 4 * len(ids)] = bytes(4 * len(ids))
    index.write_bytes(data)
    with BlobFiller(repository.objects, scratch / "file") as filler:
        put_all(filler, ids)
    assert (scratch / "file").read_bytes() == b"".join(b"%010d" % n for n in range(2000))


def test_a_death_is_seen(repository: Repository, scratch: Path) -> None:
    ids = stored(repository, [b"%d" % number for number in range(200)])
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    others = set(children.read_text().split())  # of other tests
    with BlobFiller(repository.objects, scratch / "file") as filler:
        (child,) = set(children.read_text().split()) - others
        os.kill(int(child), signal.SIGKILL)
        with pytest.raises(HelperFailed, match="killed"):
            put_all(filler, ids)
