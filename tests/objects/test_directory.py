"""Reading directories whole, and two of them as far as they differ."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.directory import (
    Directory,
    Subdirectory,
    read_differing,
    read_directory,
    write_directory,
)
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID, ObjectType
from lxgit.objects.limits import TooLarge
from lxgit.objects.metadata import InvalidMetadata, Kind, Metadata
from lxgit.objects.tree import (
    MODE_FILE,
    MODE_TREE,
    InvalidTree,
    TreeEntry,
    decode_tree,
    encode_tree,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

OIDS = [ObjectID(bytes([number]) * 20) for number in (0, 10, 32, 255)]


class Memory:
    """Objects by id, in a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[ObjectID, bytes] = {}

    def add(self, kind: ObjectType, data: bytes) -> ObjectID:
        oid = ObjectID(hashlib.sha1(kind.name.encode() + data).digest())
        self._objects[oid] = data
        return oid

    def tree(self, oid: ObjectID) -> bytes:
        return self._objects[oid]

    blob = tree


mtimes = st.sampled_from([0, 5, -1, 10**9])
files = st.builds(
    lambda executable, uid, mtime, oid: Entry(
        Kind.FILE, Metadata(0o755 if executable else 0o644, uid, 0, mtime), oid
    ),
    *(st.booleans(), st.sampled_from([0, 7]), mtimes, st.sampled_from(OIDS)),
)
devices = st.builds(
    lambda mtime, minor: Entry(Kind.CHARACTER, Metadata(0o600, 0, 0, mtime), None, (1, minor)),
    *(mtimes, st.integers(0, 2)),
)
subdirectories = st.builds(Subdirectory, st.sampled_from(OIDS))
names = st.sampled_from([b"a", b"a.b", b"a0", b".git", b"%x", b"b\\n", b"c\n", b"\xff", b"d e"])
directories = st.builds(
    lambda mtime, entries: Directory(Metadata(0o755, 0, 0, mtime), entries),
    mtimes,
    st.dictionaries(names, st.one_of(files, devices, subdirectories), max_size=7),
)


@given(directories, directories)
def test_what_differs_is_read_as_from_the_whole(old: Directory, new: Directory) -> None:
    memory = Memory()
    oids = [write_directory(memory, directory) for directory in (old, new)]
    before, after = read_differing(memory, oids[0], memory, oids[1])
    assert (before.metadata, after.metadata) == (old.metadata, new.metadata)
    for name in old.entries.keys() | new.entries.keys():
        if old.entries.get(name) != new.entries.get(name):
            assert before.entries.get(name) == old.entries.get(name)
            assert after.entries.get(name) == new.entries.get(name)
        else:
            assert before.entries.get(name) == after.entries.get(name)


def test_metadata_is_written_up_to_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    plain = Metadata(0o644, 0, 0, 0)
    entries: dict[bytes, Entry | Subdirectory] = {
        b"%d" % n: Entry(Kind.FILE, plain, OIDS[0]) for n in range(9)
    }
    tree = decode_tree(memory.tree(write_directory(memory, Directory(plain, entries))))
    size = len(memory.blob(tree[0].oid))
    monkeypatch.setattr("lxgit.objects.directory.READ_LIMIT", size)
    write_directory(memory, Directory(plain, entries))
    monkeypatch.setattr("lxgit.objects.directory.READ_LIMIT", size - 1)
    with pytest.raises(TooLarge, match="the metadata of a directory"):
        write_directory(memory, Directory(plain, entries))


def test_what_is_the_same_is_not_read() -> None:
    memory = Memory()
    plain = Metadata(0o644, 0, 0, 0)
    entries: dict[bytes, Entry | Subdirectory] = {
        b"%d" % n: Entry(Kind.FILE, plain, OIDS[0]) for n in range(9)
    }
    old = write_directory(memory, Directory(plain, dict(entries)))
    entries[b"5"] = Entry(Kind.FILE, plain, OIDS[1])
    new = write_directory(memory, Directory(plain, entries))
    before, after = read_differing(memory, old, memory, new)
    assert (list(before.entries), list(after.entries)) == ([b"5"], [b"5"])


@pytest.mark.parametrize(
    ("meta", "tree"),
    [
        (b"0 - .\n", ["a"]),
        (b"0 - .\n0 - a\n0 - b\n", ["a"]),
        (b"0 - .\n0 - a\n0 - d\n", ["a", "d/"]),
        (b"0 - .\n0 - a\n0 - a\n", ["a"]),
        (b"0 - .\n0 - b\n0 - a\n", ["a", "b"]),
        (b"0 - .\n0 - a", ["a"]),
        (b"0 - a\n", ["a"]),
        (b"", []),
        (b"0 - .\n0 t=p a\n", ["a"]),
        (b"0 - .\n0 - %41\n", ["%41"]),
    ],
)
def test_halves_that_do_not_meet_are_refused(meta: bytes, tree: Sequence[str]) -> None:
    memory = Memory()
    entries = [TreeEntry(MODE_FILE, b"%meta", memory.add(ObjectType.BLOB, meta))]
    for name in tree:
        mode = MODE_TREE if name.endswith("/") else MODE_FILE
        entries.append(TreeEntry(mode, name.rstrip("/").encode(), OIDS[0]))
    bad = memory.add(ObjectType.TREE, encode_tree(entries))
    good = write_directory(memory, Directory(Metadata(0o755, 0, 0, 5), {}))
    with pytest.raises(InvalidMetadata, match=bad.hex()):
        read_directory(memory, bad)
    with pytest.raises(InvalidMetadata, match=bad.hex()):
        read_differing(memory, bad, memory, good)
    with pytest.raises(InvalidMetadata, match=bad.hex()):
        read_differing(memory, good, memory, bad)


def test_lines_that_do_not_meet_are_refused_also_where_both_sides_have_them() -> None:
    memory = Memory()
    meta = memory.add(ObjectType.BLOB, b"0 - .\n")
    bad = [
        memory.add(
            ObjectType.TREE,
            encode_tree([TreeEntry(MODE_FILE, b"%meta", meta), TreeEntry(MODE_FILE, b"a", oid)]),
        )
        for oid in OIDS[:2]
    ]
    with pytest.raises(InvalidMetadata, match="no line of its own"):
        read_differing(memory, bad[0], memory, bad[1])


ID = b"\0" * 20


@pytest.mark.parametrize(
    "data",
    [
        b"100644 a\0" + ID[:19],
        b"100644 a\0" + ID + b"x",
        b"x100644 a\0" + ID,
        b"100644 \0" + ID,
        b"100644 a" + ID,
        b"100664 a\0" + ID,
        b"040000 a\0" + ID,
        b"160000 a\0" + ID,
        b"100644 a\0" + ID + b"100645 b\0" + ID,
        b"100644 b\0" + ID + b"100644 a\0" + ID,
        b"100644 a\0" + ID + b"100644 a\0" + ID,
        b"40000 a\0" + ID + b"100644 a.b\0" + ID,
    ],
)
def test_trees_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidTree):
        decode_tree(data)


def test_a_tree_of_ids_that_look_like_entries() -> None:
    entries = [
        TreeEntry(MODE_FILE, b"a", ObjectID(b"100644 a\x00" + b"100644 b\x00\n\n")),
        TreeEntry(MODE_TREE, b"b 100644 c", ObjectID(b"\n" * 20)),
    ]
    assert decode_tree(encode_tree(entries)) == entries
