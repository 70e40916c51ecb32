"""What Git packs, this reads."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.database import CorruptObject, MissingObject, ObjectDatabase
from lxgit.objects.ids import ObjectID, ObjectType, from_hex, hash_trusted
from lxgit.objects.inflate import BadObjectData
from lxgit.objects.packdelta import apply_delta
from tests.objects.conftest import intact
from tests.support import packcraft
from tests.support.packcraft import REF_DELTA, Raw, similar_texts, varint, write_pack
from tests.support.rlimits import descriptors_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stockgit import StockGit

UNKNOWN = ObjectID(b"\xaa" * 20)
OTHER = ObjectID(b"\xbb" * 20)


def all_objects(stock: StockGit) -> dict[str, tuple[str, bytes]]:
    """Everything in the repository as Git reads it: id, type, content."""
    ids = stock("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    answer = stock("cat-file", "--batch", stdin=b"\n".join(ids) + b"\n")
    found, at = {}, 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        oid, kind, size = answer[at:end].decode().split()
        found[oid] = kind, answer[end + 1 : end + 1 + int(size)]
        at = end + 1 + int(size) + 1
    return found


def expect_equal(objects: ObjectDatabase, stock: StockGit) -> None:
    """Every object reads as Git reads it, in every way."""
    for digits, (kind, data) in all_objects(stock).items():
        oid = from_hex(digits)
        expected = ObjectType.from_word(kind.encode())
        assert objects.read(oid) == (expected, data)
        assert objects.describe(oid) == (expected, len(data))
        assert oid in objects
        if expected is ObjectType.BLOB:
            assert b"".join(objects.stream(oid)) == data
        assert intact(objects, oid) in (data, None)


@pytest.fixture
def history(stock: StockGit) -> str:
    """Fifty commits of similar files and an annotated tag, loose; the last commit."""
    commit = ""
    for number, text in enumerate(similar_texts(50)):
        tree = stock.tree(("file", stock.blob(text)), ("empty", stock.blob(b"")))
        commit = stock.commit(f"version {number}\n", *([commit] if commit else []), tree=tree)
    stock("update-ref", "refs/heads/main", commit)
    stock("tag", "-a", "-m", "a tag", "v1", commit)
    return commit


@pytest.mark.usefixtures("history")
class TestWhatGitWrites:
    def test_loose(self, objects: ObjectDatabase, stock: StockGit) -> None:
        expect_equal(objects, stock)

    def test_packed_with_deltas(self, objects: ObjectDatabase, stock: StockGit) -> None:
        stock("gc", "-q", "--aggressive", "--prune=now")
        assert b"chain length = 2" in stock("verify-pack", "-v", *packs(stock.git_dir))
        expect_equal(objects, stock)

    def test_deltas_that_name_their_base(self, objects: ObjectDatabase, stock: StockGit) -> None:
        stock("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq", "--depth=60")
        pack = next((stock.git_dir / "objects/pack").glob("*.pack")).read_bytes()
        assert REF_DELTA in {byte >> 4 & 7 for byte in pack[12:]}
        expect_equal(objects, stock)

    def test_offsets_of_64_bits(self, objects: ObjectDatabase, stock: StockGit) -> None:
        stock("repack", "-adq")
        pack = next((stock.git_dir / "objects/pack").glob("*.pack"))
        index = pack.with_suffix(".idx")
        small = index.stat().st_size
        index.unlink()
        stock("index-pack", "--index-version=2,0x40", "-o", str(index), str(pack))
        assert index.stat().st_size > small
        expect_equal(objects, stock)

    def test_several_packs_and_a_multi_pack_index(
        self, objects: ObjectDatabase, stock: StockGit
    ) -> None:
        stock("repack", "-dq")
        for number in range(5):
            stock("update-ref", f"refs/heads/{number}", stock.commit(f"more {number}"))
            stock("repack", "-dq")
        stock("multi-pack-index", "write")
        assert len(packs(stock.git_dir)) == 6
        expect_equal(objects, stock)

    def test_an_index_large_enough_to_be_mapped(
        self, objects: ObjectDatabase, stock: StockGit
    ) -> None:
        lines = b"".join(b"blob\ndata 8\n%08d\n" % number for number in range(40_000))
        stock("fast-import", "--quiet", stdin=lines)
        assert max(path.stat().st_size for path in indexes(stock.git_dir)) > 1 << 20
        for number in range(0, 40_000, 997):
            data = b"%08d" % number
            assert objects.blob(hash_trusted(ObjectType.BLOB, data)) == data

    def test_what_gc_moves_is_found_again(self, objects: ObjectDatabase, stock: StockGit) -> None:
        expect_equal(objects, stock)
        stock("gc", "-q")
        expect_equal(objects, stock)
        stock("repack", "-adfq")
        objects.close()
        expect_equal(objects, stock)

    def test_what_is_open_outlives_its_pack(self, objects: ObjectDatabase, stock: StockGit) -> None:
        stock("gc", "-q", "--prune=now")
        known = all_objects(stock)
        first = from_hex(next(iter(known)))
        objects.read(first)
        for path in (stock.git_dir / "objects/pack").iterdir():
            path.unlink()
        assert objects.read(first)
        with pytest.raises(MissingObject):
            objects.read(UNKNOWN)
        assert all(objects.read(from_hex(oid)) for oid in known)

    def test_a_second_copy_serves_when_the_first_is_damaged(
        self, objects: ObjectDatabase, stock: StockGit
    ) -> None:
        oid = stock.blob(b"kept twice\n" * 100)
        write_pack(stock.git_dir, [Raw(from_hex(oid), 3, b"", size=1100, deflated=b"rubbish")])
        assert objects.blob(from_hex(oid)) == b"kept twice\n" * 100

    def test_without_isal_zlib_does_the_same(self, stock: StockGit) -> None:
        stock("gc", "-q")
        program = f"""
import sys
sys.modules["isal"] = None
from pathlib import Path
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.ids import ObjectType, from_hex
database = ObjectDatabase(Path({str(stock.git_dir)!r}))
for oid in sys.stdin.read().split():
    database.read(from_hex(oid))
with database.writer() as writer:
    writer.add(ObjectType.BLOB, bytes(100_000))
    writer.add_stream(20_000_000, [bytes(1_000_000)] * 20)
    writer.finish().release()
assert "zlib" in sys.modules and "isal.isal_zlib" not in sys.modules
"""
        ids = "\n".join(all_objects(stock))
        subprocess.run([sys.executable, "-c", program], input=ids, text=True, check=True)
        assert stock.fsck() == b""


def packs(git_dir: Path) -> list[str]:
    return [str(path) for path in (git_dir / "objects/pack").glob("*.pack")]


def indexes(git_dir: Path) -> list[Path]:
    return list((git_dir / "objects/pack").glob("*.idx"))


@pytest.mark.scale
class TestLargeObjects:
    SIZE = 48 << 20

    @pytest.fixture
    def versions(self, stock: StockGit) -> list[str]:
        """Three large blobs of which another host made a chain of deltas."""
        content = random.Random(1).randbytes(self.SIZE)
        large = [content, b"first" + content[: self.SIZE // 2], content[1:] + b"third"]
        ids = [stock.blob(data) for data in large]
        plain = ["-c", "core.bigFileThreshold=1g", "-c", "core.compression=0"]
        stock(
            *plain,
            "pack-objects",
            "-q",
            "--window-memory=0",
            "--window=5",
            str(stock.git_dir / "objects/pack/pack"),
            stdin="\n".join(ids).encode(),
        )
        stock("prune-packed", "-q")
        report = stock("verify-pack", "-v", *packs(stock.git_dir)).decode()
        assert "chain length = 1" in report
        return ids

    def test_a_delta_is_streamed_in_bounded_memory(
        self, objects: ObjectDatabase, stock: StockGit, versions: list[str]
    ) -> None:
        for oid in versions:
            tracemalloc.start()
            checksum = 0
            for chunk in objects.stream(from_hex(oid)):
                assert len(chunk) <= 1 << 20
                checksum = zlib.crc32(chunk, checksum)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 12 << 20
            data = stock("cat-file", "blob", oid)
            assert checksum == zlib.crc32(data)
            assert objects.size(from_hex(oid)) == len(data)
        assert not [path for path in stock.git_dir.iterdir() if path.name.startswith("tmp")]

    def test_leaving_a_stream_early_closes_its_files(
        self, objects: ObjectDatabase, versions: list[str]
    ) -> None:
        objects.describe(from_hex(versions[1]))
        before = descriptors_of(os.getpid())
        for oid in versions:
            stream = objects.stream(from_hex(oid))
            next(stream)
            stream.close()  # type: ignore[attr-defined]
        assert descriptors_of(os.getpid()) <= before  # some may be garbage, which goes meanwhile


class TestIntactBlobs:
    """What the checksums of a pack vouch for."""

    def test_each_that_stands_whole_in_a_pack(self, git_dir: Path) -> None:
        contents = [b"", b"one", b"two" * 1000, random.Random(1).randbytes(200_000)]
        write_pack(git_dir, [packcraft.blob(data) for data in contents[:3]])
        write_pack(git_dir, [packcraft.blob(data) for data in contents[3:]])
        with ObjectDatabase(git_dir) as objects:
            for data in contents:
                assert intact(objects, hash_trusted(ObjectType.BLOB, data)) == data

    def test_large_ones_in_chunks(self, git_dir: Path) -> None:
        contents = [bytes(3 << 20), os.urandom(3 << 20), os.urandom((1 << 20) + 1)]
        write_pack(git_dir, [packcraft.blob(data) for data in contents])
        with ObjectDatabase(git_dir) as objects:
            for data in contents:
                oid = hash_trusted(ObjectType.BLOB, data)
                assert intact(objects, oid) == data
                sizes = [len(chunk) for chunk in objects.intact_blob(oid, 1 << 20) or ()]
                assert len(sizes) > 1
                assert max(sizes) <= 1 << 20

    def test_nothing_else(self, objects: ObjectDatabase, stock: StockGit) -> None:
        loose = from_hex(stock.blob(b"loose"))
        tree = Raw(UNKNOWN, ObjectType.TREE.value, b"")
        large_tree = Raw(OTHER, ObjectType.TREE.value, os.urandom(2 << 20))
        write_pack(stock.git_dir, [tree, large_tree])
        for oid in (loose, tree.oid, large_tree.oid, from_hex("11" * 20)):
            assert intact(objects, oid) is None

    @pytest.mark.parametrize("at", [100, 1 << 20, 3 << 20])
    def test_damage_to_a_large_one(self, git_dir: Path, at: int) -> None:
        entry = packcraft.blob(os.urandom(3 << 20))
        pack = write_pack(git_dir, [entry])
        damaged = bytearray(pack.read_bytes())
        damaged[at] ^= 1
        pack.write_bytes(damaged)
        with ObjectDatabase(git_dir) as objects:
            assert intact(objects, entry.oid) is None

    def test_a_large_one_that_was_compressed_wrong(self, git_dir: Path) -> None:
        data = os.urandom(3 << 20)
        wrong = bytearray(zlib.compress(data))
        wrong[-1] ^= 1
        oid = hash_trusted(ObjectType.BLOB, data)
        write_pack(git_dir, [Raw(oid, ObjectType.BLOB.value, data, deflated=bytes(wrong))])
        with (
            ObjectDatabase(git_dir) as objects,
            pytest.raises(CorruptObject, match=oid.hex()),
        ):
            intact(objects, oid)

    def test_an_offset_beyond_the_index(self, git_dir: Path) -> None:
        sound, broken = packcraft.blob(b"sound"), packcraft.blob(b"broken")
        index = write_pack(git_dir, [sound, broken]).with_suffix(".idx")
        data = bytearray(index.read_bytes())
        number = sorted([sound.oid, broken.oid]).index(broken.oid)
        data[8 + 1024 + 2 * 24 + 4 * number] = 0xFF  # far behind the end of the 64-bit offsets
        index.write_bytes(data)
        with ObjectDatabase(git_dir) as objects:
            assert intact(objects, broken.oid) is None
            assert intact(objects, sound.oid) is None  # its end is not known either
            assert objects.blob(sound.oid) == b"sound"

    def test_any_damage_to_one(self, git_dir: Path) -> None:
        entry = packcraft.blob(b"a short text, and another short text")
        pack = write_pack(git_dir, [entry, packcraft.blob(b"behind it")])
        whole = pack.read_bytes()
        for at in range(12, 12 + len(entry.encode())):
            for bit in range(8):
                damaged = bytearray(whole)
                damaged[at] ^= 1 << bit
                pack.write_bytes(damaged)
                with ObjectDatabase(git_dir) as objects:
                    assert intact(objects, entry.oid) is None


class TestDeltas:
    @pytest.mark.parametrize(
        "delta",
        [
            b"",
            b"\x80",
            varint(3) + varint(1),
            varint(4),
            varint(4) + varint(1) + b"\0",
            varint(4) + varint(9) + b"\x09abc",
            varint(4) + varint(5) + b"\x90\x05",
            varint(4) + varint(4) + b"\x91\x01\x04",
            varint(4) + varint(1) + b"\x91\x01",
            varint(4) + varint(2) + b"\x90\x04",
            varint(4) + varint(5) + b"\x90\x04",
            b"\xff" * 20,
        ],
    )
    def test_one_that_does_not_fit_is_refused(self, delta: bytes) -> None:
        with pytest.raises(BadObjectData):
            apply_delta(b"base", delta)

    def test_copy_and_insert(self) -> None:
        delta = varint(4) + varint(7) + b"\x90\x02" + b"\x03new" + b"\x91\x02\x02"
        assert apply_delta(b"base", delta) == b"banewse"

    def test_a_size_of_nothing_is_65536(self) -> None:
        base = os.urandom(70_000)
        delta = varint(70_000) + varint(65_536) + b"\x81\x01"
        assert apply_delta(base, delta) == base[1:65_537]
