from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import database, packwriter
from lxgit.objects.database import (
    CorruptObject,
    MissingObject,
    ObjectDatabase,
    ObjectTooLarge,
    WrongType,
)
from lxgit.objects.ids import ObjectID, ObjectType, from_hex, hex_id
from lxgit.objects.limits import TooLarge
from tests.support import rlimits
from tests.support.packcraft import Raw, blob, write_pack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stockgit import StockGit

OLD = 1_600_000_000


def age(git_dir: Path) -> None:
    """Make everything in the repository years old."""
    for directory, _, files in os.walk(git_dir / "objects"):
        for file in files:
            os.utime(f"{directory}/{file}", (OLD, OLD))


def test_reading_by_type(objects: ObjectDatabase, stock: StockGit) -> None:
    content = stock.blob(b"content")
    tree = stock.tree(("name", content))
    commit = stock.commit("message\n", tree=tree)
    assert objects.blob(from_hex(content)) == b"content"
    assert objects.tree(from_hex(tree)) == b"100644 name\0" + bytes.fromhex(content)
    assert objects.commit(from_hex(commit)).startswith(b"tree " + tree.encode())
    assert objects.size(from_hex(content)) == 7
    with pytest.raises(WrongType, match=f"{content} is a blob, not a tree"):
        objects.tree(from_hex(content))
    with pytest.raises(WrongType, match="is a tree, not a blob"):
        objects.stream(from_hex(tree))


def test_what_is_not_there(objects: ObjectDatabase) -> None:
    oid = ObjectID(bytes(range(20)))
    assert oid not in objects
    assert not objects.freshen(oid)
    for read in (objects.read, objects.stream, objects.size):
        with pytest.raises(MissingObject, match=hex_id(oid)):
            read(oid)


@pytest.mark.parametrize(
    "content",
    [b"", b"rubbish", b"x\x9c\x01", b"x\x9c\x03\0\0\0\0\x01"],
    ids=["empty", "rubbish", "short", "no header"],
)
def test_a_damaged_loose_object(objects: ObjectDatabase, git_dir: Path, content: bytes) -> None:
    oid = ObjectID(bytes(range(20)))
    path = git_dir / "objects" / hex_id(oid)[:2] / hex_id(oid)[2:]
    path.parent.mkdir()
    path.write_bytes(content)
    for read in (objects.read, objects.size, objects.stream):
        with pytest.raises(CorruptObject, match=hex_id(oid)):
            read(oid)


def test_a_loose_object_under_another_name(objects: ObjectDatabase, stock: StockGit) -> None:
    digits = stock.blob(b"content")
    path = stock.git_dir / "objects" / digits[:2] / digits[2:]
    other = from_hex(digits[:2] + "0" * 38)
    path.rename(path.with_name("0" * 38))
    with pytest.raises(CorruptObject, match="another object"):
        objects.read(other)
    with pytest.raises(CorruptObject, match="another object"):
        list(objects.stream(other))


def test_an_object_too_large_to_be_read_whole(objects: ObjectDatabase, git_dir: Path) -> None:
    oid = ObjectID(bytes(range(20)))
    write_pack(git_dir, [Raw(oid, ObjectType.TREE.value, b"", size=1 << 40)])
    with pytest.raises(ObjectTooLarge, match=hex_id(oid)):
        objects.tree(oid)


def test_nothing_is_written_that_could_not_be_read_whole(
    objects: ObjectDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packwriter, "READ_LIMIT", 1000)
    monkeypatch.setattr(database, "READ_LIMIT", 1000)
    for kind in ObjectType:
        with objects.writer() as writer:
            oid = writer.add(kind, bytes(1000))
            with pytest.raises(TooLarge, match=f"a {kind.name.lower()} would take more"):
                writer.add(kind, bytes(1001))
            writer.finish().release()
        assert objects.read(oid) == (kind, bytes(1000))


def test_a_prefix_finds_objects_wherever_they_are(objects: ObjectDatabase, stock: StockGit) -> None:
    packed = [blob(b"%d" % number) for number in range(3000)]
    write_pack(stock.git_dir, packed)
    loose = from_hex(stock.blob(b"loose"))
    everything = [loose, *(entry.oid for entry in packed)]
    for oid in everything[:200]:
        for length in (4, 5, 40):
            prefix = hex_id(oid)[:length]
            expected = sorted(other for other in everything if hex_id(other).startswith(prefix))
            assert objects.resolve_prefix(prefix.upper()) == expected


@pytest.mark.parametrize("prefix", ["", "abc", "abcg", "0" * 41, "12 4", "١٢٣٤"])
def test_what_is_no_prefix_finds_nothing(objects: ObjectDatabase, prefix: str) -> None:
    assert objects.resolve_prefix(prefix) == []


class TestFreshening:
    def test_a_loose_object(self, objects: ObjectDatabase, stock: StockGit) -> None:
        oid = stock.blob(b"old")
        age(stock.git_dir)
        assert objects.freshen(from_hex(oid))
        stock("prune", "--expire=1.hour.ago")
        assert stock("cat-file", "blob", oid) == b"old"

    def test_a_pack_once(self, objects: ObjectDatabase, git_dir: Path) -> None:
        entries = [blob(b"one"), blob(b"two")]
        pack = write_pack(git_dir, entries)
        age(git_dir)
        assert objects.freshen(entries[0].oid)
        assert time.time() - pack.stat().st_mtime < 60
        age(git_dir)
        assert objects.freshen(entries[1].oid)
        assert pack.stat().st_mtime == OLD

    def test_a_cruft_pack_does_not_count(self, objects: ObjectDatabase, stock: StockGit) -> None:
        oid = stock.blob(b"unreachable")
        stock("repack", "-d", "--cruft", "-q")
        assert list((stock.git_dir / "objects/pack").glob("*.mtimes"))
        assert from_hex(oid) in objects
        assert not objects.freshen(from_hex(oid))
        with objects.writer() as writer:
            assert hex_id(writer.add(ObjectType.BLOB, b"unreachable")) == oid
            assert len(writer) == 1

    def test_a_pack_that_is_gone_does_not_count(
        self, objects: ObjectDatabase, git_dir: Path
    ) -> None:
        entry = blob(b"one")
        pack = write_pack(git_dir, [entry])
        assert objects.blob(entry.oid) == b"one"
        pack.unlink()
        assert not objects.freshen(entry.oid)


class TestManyPacks:
    def test_a_thousand_do_not_use_up_the_file_descriptors(
        self, objects: ObjectDatabase, git_dir: Path
    ) -> None:
        entries = [blob(b"%d" % number) for number in range(400)]
        for entry in entries:
            write_pack(git_dir, [entry])
        with rlimits.open_files(300):
            for number, entry in enumerate(entries):
                assert list(objects.intact_blob(entry.oid, 1000) or ()) == [b"%d" % number]
            streams = [objects.stream(entry.oid) for entry in entries]
            for number, stream in enumerate(streams):
                assert b"".join(stream) == b"%d" % number

    def test_consolidating_leaves_few_with_everything_in_them(
        self, objects: ObjectDatabase, stock: StockGit
    ) -> None:
        texts = [b"%d\n" % number * 50 for number in range(60)]
        ids = []
        for text in texts:
            with objects.writer() as writer:
                ids.append(writer.add(ObjectType.BLOB, text))
                writer.finish().release()
        with objects.writer() as writer:
            kept = writer.add(ObjectType.BLOB, b"kept")
            keep = writer.finish()
        assert objects.pack_count() == 60

        objects.consolidate()
        assert objects.pack_count() <= 5
        assert [objects.blob(oid) for oid in ids] == texts  # though no ref reaches them
        assert keep.path is not None
        assert os.path.exists(keep.path)
        keep.release()
        assert objects.blob(kept) == b"kept"
        assert stock.attempt("fsck", "--strict", "--no-dangling").returncode == 0

    def test_consolidating_leaves_a_large_pack_alone(self, objects: ObjectDatabase) -> None:
        with objects.writer() as writer:
            for number in range(1000):
                writer.add(ObjectType.BLOB, b"%d" % number)
            large = writer.finish()
            large.release()
        for number in range(20):
            with objects.writer() as writer:
                writer.add(ObjectType.BLOB, b"small %d" % number)
                writer.finish().release()
        objects.consolidate()
        assert objects.pack_count() == 2
        assert large.path is not None
        assert os.path.exists(large.path)
