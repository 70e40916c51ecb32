from __future__ import annotations

import os
import random
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import collisions, intake
from lxgit.objects.collisions import CollisionAttack
from lxgit.objects.content import Below, Content, Slice, SourceChanged, SparseSlice, stamp_of
from lxgit.objects.helper import HelperFailed, pump
from lxgit.objects.ids import ObjectID, ObjectType, hash_blob, hex_id
from lxgit.objects.intake import Intake
from lxgit.progress import NullProgress
from tests.objects.conftest import pack_files
from tests.support import rlimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.objects.database import ObjectDatabase
    from lxgit.objects.packwriter import PackWriter
    from tests.support.stockgit import StockGit


class Archive:
    """A file full of contents, one behind the other."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)

    def put(self, data: bytes) -> Slice:
        offset = os.lseek(self.fd, 0, os.SEEK_END)
        os.write(self.fd, data)
        return Slice(self.fd, offset, len(data))


@pytest.fixture
def archive(scratch: Path) -> Iterator[Archive]:
    archive = Archive(scratch / "archive")
    yield archive
    os.close(archive.fd)


@contextmanager
def importing(
    objects: ObjectDatabase, archive: Archive, *, trusted: bool = False
) -> Iterator[tuple[PackWriter, Intake]]:
    with objects.writer(trusted=trusted) as writer, Intake(writer, archive.fd) as taking:
        yield writer, taking


def write(writer: PackWriter, taking: Intake, contents: Sequence[Content]) -> None:
    taking.take(contents, NullProgress())
    writer.finish().release()


def some_contents(archive: Archive) -> list[Slice]:
    numbers = random.Random(1)
    sizes = [0, 1, 5, 100, 4096, 70_000, (1 << 20) + 1, (17 << 20) + 3]
    contents = [archive.put(numbers.randbytes(size)) for size in sizes]
    return contents + [archive.put(b"%d, " % number * number) for number in range(500)]


@pytest.mark.parametrize("trusted", [False, True])
def test_git_reads_what_was_taken(
    objects: ObjectDatabase, stock: StockGit, archive: Archive, scratch: Path, trusted: bool
) -> None:
    contents = some_contents(archive)
    with importing(objects, archive, trusted=trusted) as (writer, taking):
        for content in contents[::2]:
            taking.offer(content)
        link = writer.add(ObjectType.BLOB, b"target")  # waits for what is appended meanwhile
        taking.take(contents, NullProgress())
        ids = [taking.oid(content) for content in contents]
        tree = writer.add(ObjectType.TREE, b"100644 a\0" + ids[3] + b"120000 b\0" + link)
        kept = writer.finish()
    assert kept.path is not None
    for content, oid in zip(contents, ids, strict=True):
        data = content.whole()
        assert hex_id(oid) == stock.word("hash-object", "--stdin", stdin=data)
        assert b"".join(objects.stream(oid)) == data
    assert stock("cat-file", "-p", hex_id(tree)).count(b"\n") == 2
    gits = scratch / "gits.idx"
    stock("index-pack", "--no-rev-index", "-o", str(gits), kept.path)
    assert gits.read_bytes() == (scratch / kept.path.replace(".pack", ".idx")).read_bytes()
    kept.release()
    assert stock.attempt("fsck", "--strict", "--no-dangling").returncode == 0


def test_every_kind_of_content(objects: ObjectDatabase, scratch: Path, archive: Archive) -> None:
    (scratch / "below").write_bytes(b"in a directory")
    archive.put(b"....datamore")
    directory = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    sparse = SparseSlice(archive.fd, 4, 40_000, ((10, 4), (20_000, 4)))
    below = Below(directory, b"below", stamp_of(os.stat(scratch / "below")))
    for source, content in ((archive.fd, sparse), (directory, below)):
        with objects.writer() as writer, Intake(writer, source) as taking:
            taking.take([content], NullProgress())
            writer.finish().release()
            assert objects.blob(taking.oid(content)) == b"".join(content.chunks())
    os.close(directory)


def test_nothing_is_written_twice(objects: ObjectDatabase, archive: Archive) -> None:
    contents = [archive.put(data) for data in (b"in the store", b"new", b"new", b"")]
    with objects.writer() as writer:
        present = writer.add(ObjectType.BLOB, b"in the store")
        writer.finish().release()
    with importing(objects, archive) as (writer, taking):
        taking.take(contents, NullProgress())
        assert taking.oid(contents[0]) == present
        assert taking.oid(contents[1]) == taking.oid(contents[2])
        assert writer.add(ObjectType.BLOB, b"new") == taking.oid(contents[1])
        assert len(writer) == 2
        writer.finish().release()


def test_all_there_already(objects: ObjectDatabase, archive: Archive, git_dir: Path) -> None:
    contents = some_contents(archive)
    for _ in range(2):
        with importing(objects, archive) as (writer, taking):
            taking.take(contents, NullProgress())
            kept = writer.finish()
            kept.release()
    assert kept.path is None
    assert len(pack_files(git_dir)) == 2


def test_what_is_not_taken_is_not_written(objects: ObjectDatabase, archive: Archive) -> None:
    replaced, kept = archive.put(b"replaced"), archive.put(b"kept")
    with importing(objects, archive) as (writer, taking):
        taking.offer(replaced)
        taking.take([kept], NullProgress())
        assert len(writer) == 1
        writer.finish().release()


def test_progress_is_told_in_bytes(objects: ObjectDatabase, archive: Archive) -> None:
    class Counter(NullProgress):
        total = 0

        def advance(self, count: int = 1) -> None:
            self.total += count

    counter = Counter()
    contents = [archive.put(b"a" * 1000), archive.put(b"b" * 500), archive.put(b"a" * 1000)]
    with importing(objects, archive) as (writer, taking):
        taking.take(contents, counter)
        writer.finish().release()
    assert counter.total == 2500


class TestRefusal:
    """One clear error, and no pack."""

    def refused(
        self, objects: ObjectDatabase, archive: Archive, contents: Sequence[Content]
    ) -> Exception:
        before = set(threading.enumerate())  # other tests' may be about to end
        with (
            importing(objects, archive) as (writer, taking),
            pytest.raises((CollisionAttack, SourceChanged, OSError)) as caught,
        ):
            write(writer, taking, contents)
        assert pack_files(objects.git_dir) == []
        assert set(threading.enumerate()) <= before
        return caught.value

    def test_an_attack_that_libgit2_finds(
        self, objects: ObjectDatabase, archive: Archive, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def refuse(data: bytes) -> ObjectID:
            if data == b"evil":
                raise ValueError("SHA1 collision attack detected")
            return hash_blob(data)

        monkeypatch.setattr(collisions, "hash_blob", refuse)
        evil, good = archive.put(b"evil"), archive.put(b"good")
        error = self.refused(objects, archive, [good, evil])
        assert isinstance(error, CollisionAttack)
        assert "SHA-1 collision" in error.message
        with importing(objects, archive) as (writer, taking):
            taking.offer(evil)  # something else takes its place later in the archive
            taking.take([good], NullProgress())
            writer.finish().release()

    def test_an_attack_that_git_finds_in_a_large_blob(
        self,
        objects: ObjectDatabase,
        archive: Archive,
        scratch: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._have_git_find_one(scratch, monkeypatch)
        monkeypatch.setattr(intake, "CHECK_FROM", 10_000)
        error = self.refused(objects, archive, [archive.put(b"large" * 10_000)])
        assert isinstance(error, CollisionAttack)

    def test_an_attack_that_git_finds_in_what_waits_for_the_contents(
        self,
        objects: ObjectDatabase,
        archive: Archive,
        scratch: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self._have_git_find_one(scratch, monkeypatch)
        with importing(objects, archive) as (writer, taking):
            taking.take([archive.put(b"good")], NullProgress())
            writer.add(ObjectType.BLOB, b"a target")
            with pytest.raises(CollisionAttack):
                writer.finish()
        assert pack_files(objects.git_dir) == []

    def _have_git_find_one(self, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = scratch / "fake-git"
        fake.write_text(
            "#!/bin/sh\necho 'fatal: SHA-1 appears to be part of a collision attack: 38762' >&2\n"
            "exit 128\n"
        )
        fake.chmod(0o755)
        monkeypatch.setattr("lxgit.objects.git.git_program", lambda: str(fake))

    def test_a_large_blob_passes_the_check_of_git(
        self,
        objects: ObjectDatabase,
        archive: Archive,
        stock: StockGit,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(intake, "CHECK_FROM", 10_000)
        contents = some_contents(archive)
        with importing(objects, archive) as (writer, taking):
            taking.take(contents, NullProgress())
            kept = writer.finish()
            kept.release()
        assert kept.path is not None
        stock("verify-pack", kept.path)

    def test_a_source_that_changes_before_it_is_compressed(
        self, objects: ObjectDatabase, archive: Archive
    ) -> None:
        content = archive.put(b"before")
        with importing(objects, archive) as (writer, taking):
            taking.offer(content)
            taking._to_hash.flush()
            while not taking._hasher.answers:
                pump((taking._hasher,), wait=True)
            os.pwrite(archive.fd, b"behind", content.offset)
            with pytest.raises(SourceChanged):
                write(writer, taking, [content])
        assert pack_files(objects.git_dir) == []

    def test_a_source_that_became_shorter(self, objects: ObjectDatabase, archive: Archive) -> None:
        content = archive.put(bytes(20_000))
        os.ftruncate(archive.fd, 10_000)
        assert isinstance(self.refused(objects, archive, [content]), SourceChanged)

    def test_a_full_disk(self, objects: ObjectDatabase, archive: Archive) -> None:
        contents: list[Content] = [archive.put(os.urandom(1 << 20)) for _ in range(4)]
        with rlimits.file_size(2 << 20):
            error = self.refused(objects, archive, contents)
        assert isinstance(error, OSError)
        assert "too large" in str(error)

    @pytest.mark.parametrize("which", ["_hasher", "_packer"])
    def test_a_process_that_is_killed(
        self, objects: ObjectDatabase, archive: Archive, which: str
    ) -> None:
        contents = some_contents(archive)
        with importing(objects, archive) as (writer, taking):
            os.kill(getattr(taking, which)._pid, signal.SIGKILL)
            with pytest.raises(HelperFailed, match="was killed"):
                write(writer, taking, contents)
        assert pack_files(objects.git_dir) == []
