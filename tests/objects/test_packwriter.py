from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxgit.objects import collisions, newfile, packwriter
from lxgit.objects.collisions import CollisionAttack
from lxgit.objects.content import SourceChanged
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.filelock import drop_stale_lock
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectType, hash_blob, hash_trusted, hex_id
from lxgit.objects.libgit2 import libgit2
from lxgit.objects.packindex import PackIndex, encode_index
from lxgit.objects.packwriter import STREAM_FROM, sweep
from tests.objects.conftest import pack_files
from tests.support import rlimits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.stockgit import StockGit

LARGE = STREAM_FROM + 4321


def large_chunks(seed: int = 0) -> Iterator[bytes]:
    """LARGE bytes that do not compress."""
    numbers = random.Random(seed)
    left = LARGE
    while left:
        chunk = numbers.randbytes(min(left, 1 << 20))
        left -= len(chunk)
        yield chunk


@given(
    contents=st.lists(
        st.one_of(
            st.binary(max_size=300),
            st.builds(
                lambda data, times: data * times, st.binary(max_size=99), st.integers(0, 999)
            ),
        ),
        max_size=40,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_git_reads_what_was_written(
    objects: ObjectDatabase, stock: StockGit, contents: list[bytes]
) -> None:
    with objects.writer() as writer:
        ids = [writer.add(ObjectType.BLOB, data) for data in contents]
        entries = sorted({f"{n:04}": oid for n, oid in enumerate(ids)}.items())
        tree = b"".join(b"100644 %b\0%b" % (name.encode(), oid) for name, oid in entries)
        top = writer.add(ObjectType.TREE, tree)
        writer.finish().release()
    for oid, data in zip(ids, contents, strict=True):
        assert hex_id(oid) == stock.word("hash-object", "--stdin", stdin=data)
        assert stock("cat-file", "blob", hex_id(oid)) == data
        assert objects.blob(oid) == data
    assert objects.tree(top) == tree
    assert stock.attempt("fsck", "--strict", "--no-dangling").returncode == 0


def test_the_files_are_named_and_protected_as_gits(
    objects: ObjectDatabase, stock: StockGit
) -> None:
    with objects.writer() as writer:
        writer.add(ObjectType.BLOB, b"data")
        kept = writer.finish()
    assert kept.path is not None
    content = (stock.git_dir / kept.path).read_bytes()
    stem = f"pack-{content[-20:].hex()}"
    assert pack_files(stock.git_dir) == [f"{stem}.idx", f"{stem}.keep", f"{stem}.pack"]
    for name in pack_files(stock.git_dir):
        assert os.stat(f"{objects.git_dir}/objects/pack/{name}").st_mode & 0o777 == 0o444
    kept.release()
    assert pack_files(stock.git_dir) == [f"{stem}.idx", f"{stem}.pack"]
    kept.release()  # a second time does nothing


def test_the_index_is_the_one_that_git_makes(
    objects: ObjectDatabase, stock: StockGit, scratch: Path
) -> None:
    with objects.writer() as writer:
        for number in range(500):
            writer.add(ObjectType.BLOB, b"%d" % number * number)
        writer.add_stream(LARGE, large_chunks())
        kept = writer.finish()
    assert kept.path is not None
    index = scratch / "gits.idx"
    stock("index-pack", "--no-rev-index", "-o", str(index), kept.path)
    assert index.read_bytes() == (scratch / kept.path.replace(".pack", ".idx")).read_bytes()


def test_offsets_beyond_2_gib_go_to_the_table_of_64_bits(scratch: Path) -> None:
    offsets = [12, (1 << 31) - 1, 1 << 31, 5 << 32, 7 << 40]
    objects = {hash_trusted(ObjectType.BLOB, b"%d" % at): (at & 0xFFFF, at) for at in offsets}
    path = scratch / "large.idx"
    path.write_bytes(encode_index(objects, bytes(20)))
    index = PackIndex(str(path))
    assert {oid: index.find(oid) for oid in objects} == {
        oid: offset for oid, (_, offset) in objects.items()
    }
    assert list(index) == sorted(objects)


def test_without_objects_there_is_no_pack(objects: ObjectDatabase, git_dir: Path) -> None:
    with objects.writer() as writer:
        kept = writer.finish()
    assert kept.path is None
    kept.release()
    assert pack_files(git_dir) == []


def test_without_finish_nothing_is_left(objects: ObjectDatabase, git_dir: Path) -> None:
    with objects.writer() as writer:
        oid = writer.add(ObjectType.BLOB, os.urandom(3 << 20))
    assert pack_files(git_dir) == []
    assert oid not in objects


class TestWritingOnce:
    def test_what_is_in_this_pack(self, objects: ObjectDatabase) -> None:
        with objects.writer() as writer:
            assert writer.add(ObjectType.BLOB, b"a") == writer.add(ObjectType.BLOB, b"a")
            assert writer.add(ObjectType.TREE, b"") != writer.add(ObjectType.BLOB, b"")
            assert len(writer) == 3

    def test_what_is_in_the_store(self, objects: ObjectDatabase, stock: StockGit) -> None:
        loose = stock.blob(b"loose")
        with objects.writer() as writer:
            packed = writer.add(ObjectType.BLOB, b"packed")
            writer.finish().release()
        with objects.writer() as writer:
            assert hex_id(writer.add(ObjectType.BLOB, b"loose")) == loose
            assert writer.add(ObjectType.BLOB, b"packed") == packed
            assert len(writer) == 0

    def test_a_stream(self, objects: ObjectDatabase, stock: StockGit) -> None:
        with objects.writer() as writer:
            before = writer.add(ObjectType.BLOB, b"before")
            first = writer.add_stream(LARGE, large_chunks())
            assert writer.add_stream(LARGE, large_chunks()) == first
            after = writer.add(ObjectType.BLOB, b"after")
            assert writer.add_stream(LARGE, large_chunks()) == first
            assert len(writer) == 3
            kept = writer.finish()
            kept.release()
        assert kept.path is not None
        assert os.stat(kept.path).st_size < LARGE + 10_000
        for oid, data in ((before, b"before"), (after, b"after")):
            assert objects.blob(oid) == data
        assert b"".join(objects.stream(first)) == b"".join(large_chunks())
        stock("verify-pack", kept.path)


class TestStreams:
    @pytest.mark.parametrize("size", [5, LARGE])
    @pytest.mark.parametrize("wrong", [-1, 1])
    def test_another_size_than_announced_is_undone(
        self, objects: ObjectDatabase, stock: StockGit, size: int, wrong: int
    ) -> None:
        with objects.writer() as writer:
            writer.add(ObjectType.BLOB, b"before")
            with pytest.raises(SourceChanged):
                writer.add_stream(size, [bytes(size + wrong)])
            writer.add(ObjectType.BLOB, b"after")
            kept = writer.finish()
        assert kept.path is not None
        stock("verify-pack", kept.path)

    def test_a_source_that_fails_is_undone(self, objects: ObjectDatabase, stock: StockGit) -> None:
        def failing() -> Iterator[bytes]:
            yield from large_chunks()
            raise OSError("the disk is broken")

        with objects.writer() as writer:
            with pytest.raises(OSError, match="broken"):
                writer.add_stream(LARGE + 1, failing())
            oid = writer.add(ObjectType.BLOB, b"after")
            writer.finish().release()
        assert stock("cat-file", "blob", hex_id(oid)) == b"after"

    def test_memory_is_bounded(self, git_dir: Path, stock: StockGit) -> None:
        program = f"""
from pathlib import Path
from lxgit.objects.database import ObjectDatabase
database = ObjectDatabase(Path({str(git_dir)!r}))
pattern = bytes(range(256)) * 4096
def peak():  # getrusage(2) would tell of what was there before this program
    (line,) = (one for one in open("/proc/self/status") if one.startswith("VmHWM:"))
    return int(line.split()[1])
with database.writer() as writer:
    writer.add_stream(1 << 20, [pattern])  # what is imported is imported now
    before = peak()
    oid = writer.add_stream(300 << 20, (pattern for _ in range(300)))
    writer.finish().release()
assert sum(map(len, database.stream(oid))) == 300 << 20
print(oid.hex(), peak() - before)
"""
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        oid, kib = answer.stdout.split()
        assert int(kib) < 16 << 10
        assert stock.word("cat-file", "-s", oid) == str(300 << 20)


class TestForeignContent:
    """Its ids are made by collision-detecting SHA-1, by Git or by libgit2."""

    @pytest.mark.parametrize("trusted", [False, True])
    def test_many_blobs(
        self,
        objects: ObjectDatabase,
        stock: StockGit,
        monkeypatch: pytest.MonkeyPatch,
        trusted: bool,
    ) -> None:
        monkeypatch.setattr(packwriter, "_BULK_FROM", 10_000)
        contents = [b"%d\n" % number * 300 for number in range(40)]
        with objects.writer(trusted=trusted) as writer:
            ids = [writer.add(ObjectType.BLOB, data) for data in contents]
            writer.add_stream(LARGE, large_chunks())
            writer.add(ObjectType.TREE, b"100644 a\0" + ids[0])
            kept = writer.finish()
        assert ids == [hash_blob(data) for data in contents]
        assert kept.path is not None
        stock("verify-pack", kept.path)

    def test_what_git_cannot_check_is_not_taken(
        self, objects: ObjectDatabase, git_dir: Path
    ) -> None:
        with objects.writer() as writer:
            writer.add(ObjectType.BLOB, b"data")
            writer._flush()
            os.pwrite(writer._file.fd, b"\xff", 14)
            with pytest.raises(GitFailed, match="inflate"):
                writer.finish()
        assert pack_files(git_dir) == []

    def test_leaving_ends_the_check_of_large_blobs(
        self, objects: ObjectDatabase, git_dir: Path
    ) -> None:
        before = set(threading.enumerate())  # other tests' may be about to end
        with objects.writer() as writer:
            for number in range(5):
                writer.add_stream(LARGE, large_chunks(number))
        assert pack_files(git_dir) == []
        assert set(threading.enumerate()) <= before

    # Nobody has published two blobs that collide: the two below say what Git and libgit2 say.

    @pytest.mark.parametrize("large", [False, True])
    def test_an_attack_that_git_finds(
        self,
        objects: ObjectDatabase,
        git_dir: Path,
        monkeypatch: pytest.MonkeyPatch,
        scratch: Path,
        large: bool,
    ) -> None:
        fake = scratch / "fake-git"
        fake.write_text(
            "#!/bin/sh\necho 'fatal: SHA-1 appears to be part of a collision attack: 38762' >&2\n"
            "exit 128\n"
        )
        fake.chmod(0o755)
        monkeypatch.setattr("lxgit.objects.git.git_program", lambda: str(fake))
        with objects.writer() as writer:
            if large:
                writer.add_stream(LARGE, large_chunks())
            else:
                writer.add(ObjectType.BLOB, b"data")
            with pytest.raises(CollisionAttack, match="SHA-1 collision") as caught:
                writer.finish()
        assert "38762" in str(caught.value.hint)
        assert pack_files(git_dir) == []

    def test_an_attack_that_libgit2_finds(
        self, objects: ObjectDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(data: bytes) -> None:
            raise libgit2().GitError("SHA1 collision attack detected")

        monkeypatch.setattr(packwriter, "_BULK_FROM", -1)
        monkeypatch.setattr(collisions, "hash_blob", refuse)
        with objects.writer() as writer, pytest.raises(CollisionAttack, match="SHA-1 collision"):
            writer.add(ObjectType.BLOB, b"data")


class TestGc:
    def test_gc_leaves_a_kept_pack_alone(self, objects: ObjectDatabase, stock: StockGit) -> None:
        with objects.writer() as writer:
            oid = writer.add(ObjectType.BLOB, b"no ref reaches this")
            stock("gc", "-q", "--prune=now")  # nor does it take a pack that is being written
            kept = writer.finish()
        stock("gc", "-q", "--prune=now")
        assert stock("cat-file", "blob", hex_id(oid)) == b"no ref reaches this"
        kept.release()
        stock("gc", "-q", "--prune=now")
        assert stock.attempt("cat-file", "-e", hex_id(oid)).returncode != 0

    def test_two_writers_of_one_content_do_not_share_their_packs(
        self, git_dir: Path, stock: StockGit
    ) -> None:
        writers = [ObjectDatabase(git_dir).writer() for _ in range(3)]
        ids = {writer.add(ObjectType.BLOB, b"the same") for writer in writers}
        kept = [writer.finish() for writer in writers]
        assert len(ids) == 1
        assert len({pack.path for pack in kept}) == 3
        for pack in kept[:-1]:
            pack.release()
        stock("gc", "-q", "--prune=now")
        assert stock("cat-file", "blob", hex_id(ids.pop())) == b"the same"
        kept[-1].release()

    def test_a_pack_of_that_name_that_is_kept_no_more(
        self, objects: ObjectDatabase, git_dir: Path, stock: StockGit
    ) -> None:
        """Two who write the same at once, and one is done before the other names its own."""
        with ObjectDatabase(git_dir) as others, objects.writer() as one, others.writer() as other:
            for writer in (one, other):
                writer.add(ObjectType.BLOB, b"data")
            one.finish().release()
            kept = other.finish()
            assert kept.path is not None
            stock("verify-pack", kept.path)
            kept.release()
        assert sorted(path.suffix for path in (git_dir / "objects/pack").iterdir()) == [
            *(".idx", ".idx"),
            *(".pack", ".pack"),
        ]


class TestCrashes:
    PROGRAM = """
import os, sys
from pathlib import Path
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.ids import ObjectType
writer = ObjectDatabase(Path(sys.argv[1])).writer()
writer.add(ObjectType.BLOB, os.urandom(3_000_000))
if sys.argv[2] == "finished":
    kept = writer.finish()
print("ready", flush=True)
input()
"""

    @pytest.mark.parametrize("state", ["open", "finished"])
    def test_what_a_killed_process_left_is_swept_up(
        self, git_dir: Path, stock: StockGit, state: str
    ) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, str(git_dir), state],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert sweep(git_dir) == 0  # it lives
            process.send_signal(signal.SIGKILL)
        assert len(pack_files(git_dir)) == (0 if state == "open" else 3)
        assert sweep(git_dir) == (0 if state == "open" else 1)
        assert not [name for name in pack_files(git_dir) if name.endswith(".keep")]
        assert stock.attempt("fsck", "--strict").returncode == 0

    COMMITTING = """
import sys
from pathlib import Path
from lxgit.objects.commits import Commit, Signature, encode_commit
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.ids import ObjectType, hex_id
from lxgit.objects.refs import RefStore
git_dir = Path(sys.argv[1])
refs, database = RefStore(git_dir), ObjectDatabase(git_dir)
who = Signature("A", "a@x", 1_700_000_000)
while True:
    tip = refs.read("refs/heads/main")
    parents = () if tip is None else (tip,)
    with database.writer() as writer:
        blob = writer.add(ObjectType.BLOB, b"child of %r" % (tip,))
        tree = writer.add(ObjectType.TREE, b"100644 a\\0" + blob)
        commit = encode_commit(Commit(tree, parents, who, who, "message"))
        new = writer.add(ObjectType.COMMIT, commit)
        with writer.finish():
            refs.update("refs/heads/main", new, old=tip, message="commit", who=who)
    print(hex_id(new), flush=True)
"""

    def test_nothing_that_was_acknowledged_is_lost(self, git_dir: Path, stock: StockGit) -> None:
        numbers = random.Random(0)
        for _ in range(12):
            with subprocess.Popen(
                [sys.executable, "-c", self.COMMITTING, str(git_dir)], stdout=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                time.sleep(numbers.random() / 20)
                process.send_signal(signal.SIGKILL)
                told = process.stdout.read().split()
            sweep(git_dir)
            for locked in ("HEAD", "refs/heads/main"):
                drop_stale_lock(f"{git_dir}/{locked}.lock")
            stock("gc", "-q", "--prune=now")
            assert stock.fsck() == b""
            history = stock("rev-list", "main").split()
            assert all(oid in history for oid in told if len(oid) == 40)

    def test_a_pack_without_its_index_stays(self, objects: ObjectDatabase, git_dir: Path) -> None:
        """It may have had one, and a ref that needs it."""
        with objects.writer() as writer:
            writer.add(ObjectType.BLOB, b"data")
            kept = writer.finish()
        assert kept.path is not None
        os.unlink(kept.path.replace(".pack", ".idx"))
        assert kept._keep is not None
        kept._keep.close()  # as the kernel does when a process dies
        assert sweep(git_dir) == 1
        assert pack_files(git_dir) == [os.path.basename(kept.path)]

    def test_a_keep_alone_goes(self, objects: ObjectDatabase, git_dir: Path) -> None:
        """Whoever was killed had come as far as the first of the three names."""
        with objects.writer() as writer:
            writer.add(ObjectType.BLOB, b"data")
            kept = writer.finish()
        assert kept.path is not None
        os.unlink(kept.path.replace(".pack", ".idx"))
        os.unlink(kept.path)
        assert kept._keep is not None
        kept._keep.close()
        assert sweep(git_dir) == 1
        assert pack_files(git_dir) == []

    def test_somebody_elses_keep_stays(self, git_dir: Path) -> None:
        (git_dir / "objects/pack/pack-1.keep").write_text("do not delete\n")
        assert sweep(git_dir) == 0
        assert pack_files(git_dir) == ["pack-1.keep"]

    def test_a_full_disk_leaves_nothing(self, objects: ObjectDatabase, git_dir: Path) -> None:
        with (
            rlimits.file_size(2 << 20),
            objects.writer() as writer,
            pytest.raises(OSError, match="too large"),
        ):
            writer.add_stream(LARGE, large_chunks())
        assert pack_files(git_dir) == []


class TestWithoutUnnamedFiles:
    """File systems that know no O_TMPFILE: NFS, FAT, older overlayfs."""

    @pytest.fixture(autouse=True)
    def no_unnamed_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # A directory cannot be opened for writing: EISDIR, which such a file system answers too.
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)

    def test_a_pack_is_written_all_the_same(
        self, objects: ObjectDatabase, git_dir: Path, stock: StockGit
    ) -> None:
        with objects.writer() as writer:
            oid = writer.add(ObjectType.BLOB, b"data")
            assert [name[:4] for name in pack_files(git_dir)] == [newfile.TEMPORARY]
            kept = writer.finish()
        suffixes = [os.path.splitext(name)[1] for name in pack_files(git_dir)]
        assert suffixes == [".idx", ".keep", ".pack"]
        kept.release()
        assert stock("cat-file", "blob", hex_id(oid)) == b"data"

    def test_without_finish_nothing_is_left(self, objects: ObjectDatabase, git_dir: Path) -> None:
        with objects.writer() as writer:
            writer.add(ObjectType.BLOB, b"data")
        assert pack_files(git_dir) == []


def test_the_checksum_that_ends_a_pack(objects: ObjectDatabase) -> None:
    with objects.writer() as writer:
        writer.add(ObjectType.BLOB, os.urandom(5 << 20))
        writer.add(ObjectType.BLOB, b"small")
        kept = writer.finish()
    assert kept.path is not None
    with open(kept.path, "rb") as file:
        content = file.read()
    assert content[-20:] == hashlib.sha1(content[:-20]).digest()
