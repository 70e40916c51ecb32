"""Packs that no Git would write: an error that names the object, in little memory and time."""

from __future__ import annotations

import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxgit.objects.database import CorruptObject, MissingObject, ObjectDatabase, ObjectTooLarge
from lxgit.objects.ids import ObjectID, ObjectType, hash_trusted
from lxgit.objects.packindex import BadPack, PackIndex
from tests.objects.conftest import intact
from tests.support import packcraft
from tests.support.packcraft import OFS_DELTA, REF_DELTA, Raw, similar_texts, varint, write_pack

if TYPE_CHECKING:
    from pathlib import Path


UNKNOWN = ObjectID(b"\xaa" * 20)
OTHER = ObjectID(b"\xbb" * 20)


@pytest.fixture(scope="module")
def flippable(module_directory: Path) -> tuple[Path, dict[ObjectID, bytes]]:
    """A repository of one pack with deltas, and what is in it."""
    from lxgit.objects.gitdir import init
    from tests.support.stockgit import StockGit

    git_dir = module_directory / "flippable"
    init(git_dir)
    stock = StockGit(git_dir)
    texts = similar_texts(6, lines=12)
    tree = stock.tree(*((str(n), stock.blob(text)) for n, text in enumerate(texts)))
    stock("update-ref", "refs/heads/main", stock.commit("all\n", tree=tree))
    stock("repack", "-adfq")
    stock("prune-packed", "-q")
    return git_dir, {hash_trusted(ObjectType.BLOB, text): text for text in texts}


def expect_corrupt(git_dir: Path, oid: ObjectID) -> None:
    """However it is read, it is CorruptObject with the id in it."""
    with ObjectDatabase(git_dir) as objects:
        for read in (objects.read, objects.describe, lambda oid: list(objects.stream(oid))):
            with pytest.raises(CorruptObject, match=oid.hex()):
                read(oid)
        assert intact(objects, oid) is None


def test_cut_short(git_dir: Path) -> None:
    entry = packcraft.blob(bytes(range(256)) * 10)
    pack = write_pack(git_dir, [entry])
    whole = pack.read_bytes()
    for size in (0, 5, 12, 20, 40, len(whole) - 1):
        pack.write_bytes(whole[:size])
        expect_corrupt(git_dir, entry.oid)


def test_the_index_of_another_pack(git_dir: Path) -> None:
    entry = packcraft.blob(b"one")
    pack = write_pack(git_dir, [entry])
    other = write_pack(git_dir, [packcraft.blob(b"two")])
    pack.write_bytes(other.read_bytes())
    expect_corrupt(git_dir, entry.oid)


def test_another_object_than_the_id_says(git_dir: Path) -> None:
    write_pack(git_dir, [Raw(UNKNOWN, ObjectType.BLOB.value, b"something else")])
    with ObjectDatabase(git_dir) as objects:
        with pytest.raises(CorruptObject, match="another object"):
            objects.blob(UNKNOWN)
        with pytest.raises(CorruptObject, match="another object"):
            list(objects.stream(UNKNOWN))


def test_deltas_that_go_round_in_a_circle(git_dir: Path) -> None:
    delta = varint(1) + varint(1) + b"\x01x"
    write_pack(
        git_dir,
        [
            Raw(UNKNOWN, REF_DELTA, delta, between=OTHER),
            Raw(OTHER, REF_DELTA, delta, between=UNKNOWN),
        ],
    )
    expect_corrupt(git_dir, UNKNOWN)


def test_a_delta_of_itself(git_dir: Path) -> None:
    delta = varint(1) + varint(1) + b"\x01x"
    for kind, between in ((REF_DELTA, UNKNOWN), (OFS_DELTA, b"\0")):
        write_pack(git_dir, [Raw(UNKNOWN, kind, delta, between=between)])
    expect_corrupt(git_dir, UNKNOWN)


@pytest.mark.parametrize("far", [packcraft.distance(13), packcraft.distance(1 << 70)])
def test_a_base_outside_of_the_pack(git_dir: Path, far: bytes) -> None:
    write_pack(git_dir, [Raw(UNKNOWN, OFS_DELTA, varint(1) + varint(1), between=far)])
    expect_corrupt(git_dir, UNKNOWN)


def test_a_base_that_is_not_in_the_pack(git_dir: Path) -> None:
    write_pack(git_dir, [Raw(UNKNOWN, REF_DELTA, varint(1) + varint(1), between=OTHER)])
    expect_corrupt(git_dir, UNKNOWN)


@pytest.mark.parametrize("kind", [0, 5])
def test_a_type_that_does_not_exist(git_dir: Path, kind: int) -> None:
    write_pack(git_dir, [Raw(UNKNOWN, kind, b"data")])
    expect_corrupt(git_dir, UNKNOWN)


@pytest.mark.parametrize("size", [0, 3, 5, 1 << 19, 1 << 29, 1 << 62])
def test_a_size_that_is_not_that_of_the_data(git_dir: Path, size: int) -> None:
    entry = packcraft.blob(b"data")
    write_pack(git_dir, [Raw(entry.oid, entry.kind, b"data", size=size)])
    tracemalloc.start()
    with ObjectDatabase(git_dir) as objects:
        with pytest.raises((CorruptObject, ObjectTooLarge), match=entry.oid.hex()):
            objects.read(entry.oid)
        with pytest.raises(CorruptObject, match=entry.oid.hex()):
            list(objects.stream(entry.oid))
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_header_without_end(git_dir: Path) -> None:
    write_pack(git_dir, [Raw(UNKNOWN, ObjectType.BLOB.value, b"", deflated=b"", size=1 << 200)])
    expect_corrupt(git_dir, UNKNOWN)


def test_few_bytes_that_inflate_to_many(git_dir: Path) -> None:
    bomb = zlib.compress(bytes(200 << 20), 9)
    write_pack(git_dir, [Raw(UNKNOWN, ObjectType.BLOB.value, b"", size=10, deflated=bomb)])
    write_pack(git_dir, [Raw(OTHER, OFS_DELTA, b"", size=9, deflated=bomb, between=b"\x20")])
    tracemalloc.start()
    with ObjectDatabase(git_dir) as objects:
        for oid in (UNKNOWN, OTHER):
            with pytest.raises(CorruptObject, match=oid.hex()):
                objects.read(oid)
            with pytest.raises(CorruptObject, match=oid.hex()):
                list(objects.stream(oid))
            assert intact(objects, oid) is None
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("result", [1 << 20, 1 << 40, 1 << 63])
def test_a_delta_that_copies_a_base_many_times(git_dir: Path, result: int) -> None:
    base = packcraft.blob(bytes(1 << 16))
    copies = b"\x80" * 100_000  # 64 KiB from offset 0 each: 6.5 GB
    delta = varint(1 << 16) + varint(result) + copies
    size = len(base.encode())
    write_pack(git_dir, [base, Raw(UNKNOWN, OFS_DELTA, delta, between=packcraft.distance(size))])
    tracemalloc.start()
    with (
        ObjectDatabase(git_dir) as objects,
        pytest.raises((CorruptObject, ObjectTooLarge), match=UNKNOWN.hex()),
    ):
        objects.read(UNKNOWN)
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index[:0],
        lambda index: index[:-1],
        lambda index: index[:1000],
        lambda index: index + b"x",
        lambda index: b"\xfftOc\0\0\0\3" + index[8:],
        lambda index: index[:8] + b"\xff" * 4 + index[12:],
        lambda index: index[:8] + b"\xff" * 1024 + index[1032:],
    ],
    ids=["empty", "short", "shorter", "long", "version 3", "backward", "huge"],
)
def test_an_index_that_is_none(git_dir: Path, change: object) -> None:
    assert callable(change)
    entry = packcraft.blob(b"data")
    index = write_pack(git_dir, [entry]).with_suffix(".idx")
    index.write_bytes(change(index.read_bytes()))
    with pytest.raises(BadPack):
        PackIndex(str(index))
    sound = packcraft.blob(b"in a pack beside it")
    write_pack(git_dir, [sound])
    with ObjectDatabase(git_dir) as objects:
        with pytest.raises(MissingObject, match=index.name):
            objects.read(entry.oid)
        assert objects.blob(sound.oid) == b"in a pack beside it"


@given(at=st.integers(0, 10**9), bit=st.integers(0, 7), where=st.sampled_from(["pack", "idx"]))
@settings(max_examples=300)
def test_a_flipped_bit_is_found_or_does_not_matter(
    flippable: tuple[Path, dict[ObjectID, bytes]], at: int, bit: int, where: str
) -> None:
    git_dir, known = flippable
    path = next((git_dir / "objects/pack").glob(f"*.{where}"))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at % len(damaged)] ^= 1 << bit
    path.chmod(0o644)
    path.write_bytes(damaged)
    try:
        with ObjectDatabase(git_dir) as objects:
            for oid, data in known.items():
                assert intact(objects, oid) in (data, None)
                try:
                    assert objects.blob(oid) == data
                    assert b"".join(objects.stream(oid)) == data
                except (CorruptObject, MissingObject, ObjectTooLarge):
                    pass
    finally:
        path.write_bytes(whole)
