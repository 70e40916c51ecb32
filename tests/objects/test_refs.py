"""Refs against stock Git: each reads and obeys what the other writes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import filelock
from lxgit.objects.filelock import FileLock, drop_stale_lock
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.refnames import DELETED
from lxgit.objects.refs import (
    ANY,
    CorruptRef,
    HeadElsewhere,
    InvalidName,
    RefConflict,
    RefInUse,
    RefLocked,
    RefMoved,
    RefStore,
)
from tests.objects.conftest import BASE, WHO, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stockgit import StockGit


def as_git_sees_them(stock: StockGit) -> dict[str, ObjectID]:
    lines = stock("for-each-ref", "--format=%(objectname) %(refname)").decode("utf-8").splitlines()
    return {line[41:]: from_hex(line[:40]) for line in lines}


class TestReadingAndWriting:
    def test_git_sees_what_is_written(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        put(refs, BASE, commits[0])
        put(refs, BASE, commits[1], commits[0])
        put(refs, "refs/tags/base/v1", commits[0])
        put(refs, "refs/heads/f440/first_container", commits[2])
        put(refs, "refs/lxgit/containers/1", commits[2])
        assert as_git_sees_them(stock) == refs.list()
        assert refs.read(BASE) == commits[1]
        assert refs.list("refs/tags/") == {"refs/tags/base/v1": commits[0]}
        assert refs.read("refs/heads/none") is None
        assert refs.read("refs/heads/f440") is None
        assert stock("log", "-g", "--format=%gd %gs", "base") == b"base@{0} test\nbase@{1} test\n"
        refs.set_head(BASE, message="here", who=WHO)
        assert stock.fsck() == b""

    @pytest.mark.parametrize("packed", [False, True])
    def test_what_git_writes_is_read(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID], packed: bool
    ) -> None:
        for number, oid in enumerate(commits):
            stock("update-ref", f"refs/heads/{number}", hex_id(oid))
            stock("tag", "-a", "-m", "message", f"{number}/tag", hex_id(oid))
        if packed:
            stock("pack-refs", "--all")
            assert not (stock.git_dir / "refs/heads/0").exists()
            stock("update-ref", "refs/heads/0", hex_id(commits[2]))  # loose, and packed before
        expected = as_git_sees_them(stock)
        assert refs.list() == expected
        assert {name: refs.read(name) for name in expected} == expected

    def test_names_that_are_not_utf8(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        name = os.fsdecode(b"refs/heads/caf\xe9")
        put(refs, name, commits[0])
        stock("pack-refs", "--all")
        assert refs.list() == {name: commits[0]}
        put(refs, name, None, commits[0])
        assert refs.list("refs/heads/") == {}

    def test_symbolic_refs_are_followed(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        put(refs, "refs/remotes/origin/main", commits[0])
        stock("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        assert refs.read("refs/remotes/origin/HEAD") == commits[0]
        stock("symbolic-ref", "refs/heads/one", "refs/heads/two")
        stock("symbolic-ref", "refs/heads/two", "refs/heads/one")
        with pytest.raises(CorruptRef, match="circle"):
            refs.read("refs/heads/one")

    @pytest.mark.parametrize("content", [b"", b"rubbish\n", b"\0" * 41, b"1234\n"])
    def test_a_damaged_ref_is_told_and_does_not_hide_the_others(
        self, refs: RefStore, git_dir: Path, commits: list[ObjectID], content: bytes
    ) -> None:
        put(refs, BASE, commits[0])
        (git_dir / "refs/heads/broken").write_bytes(content)
        with pytest.raises(CorruptRef, match="refs/heads/broken"):
            refs.read("refs/heads/broken")
        assert refs.list() == {BASE: commits[0]}

    def test_a_damaged_packed_refs_is_told(self, refs: RefStore, git_dir: Path) -> None:
        (git_dir / "packed-refs").write_bytes(b"rubbish\n")
        with pytest.raises(CorruptRef, match="packed-refs"):
            refs.list()

    @pytest.mark.parametrize(
        "name", ["../config", "refs/../config", "config", "refs/heads/a..b", "", "refs/heads/"]
    )
    def test_no_name_leads_elsewhere(self, refs: RefStore, name: str) -> None:
        assert refs.read(name) is None
        assert refs.reflog(name) == ()
        with pytest.raises(InvalidName):
            put(refs, name, ObjectID(bytes(20)))
        with pytest.raises(InvalidName):
            refs.set_head(name, message="", who=WHO)


class TestComparing:
    def test_a_ref_that_moved_stays(self, refs: RefStore, commits: list[ObjectID]) -> None:
        put(refs, BASE, commits[1])
        with pytest.raises(RefMoved, match="'base' has moved on") as caught:
            put(refs, BASE, commits[2], commits[0])
        assert caught.value.current == commits[1]
        with pytest.raises(RefMoved, match="'base' exists already"):
            put(refs, BASE, commits[2], None)
        with pytest.raises(RefMoved, match="'new' is gone"):
            put(refs, "refs/heads/new", commits[2], commits[0])
        with pytest.raises(RefMoved):
            put(refs, BASE, None, commits[0])
        assert refs.list() == {BASE: commits[1]}
        assert len(refs.reflog(BASE)) == 1

    def test_any_value_will_do(self, refs: RefStore, commits: list[ObjectID]) -> None:
        for oid in commits:
            refs.update(BASE, oid, old=ANY, message="forced", who=WHO)
        assert refs.read(BASE) == commits[2]

    @pytest.mark.parametrize("packed", [False, True])
    def test_of_many_at_once_one_wins(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID], packed: bool
    ) -> None:
        put(refs, BASE, commits[0])
        if packed:
            stock("pack-refs", "--all")
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()
        gate = context.Barrier(8)

        def compete() -> None:
            gate.wait()
            try:
                put(RefStore(stock.git_dir), BASE, commits[1], commits[0])
                results.put("won")
            except RefMoved:
                results.put("lost")

        processes = [context.Process(target=compete) for _ in range(8)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        outcomes = [results.get() for _ in processes]
        assert outcomes.count("won") == 1
        assert outcomes.count("lost") == 7
        assert len(refs.reflog(BASE)) == 2

    def test_many_that_count_up_lose_nothing(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        """Stock Git and lxgit at once: every update of ours is in the reflog, in one row."""
        put(refs, BASE, commits[0])
        wanted = 25

        def ours() -> None:
            store = RefStore(stock.git_dir)
            moved = 0
            while moved < wanted:
                current = store.read(BASE)
                new = next(oid for oid in commits if oid != current)
                with suppress(RefMoved, RefLocked):
                    put(store, BASE, new, current)
                    moved += 1

        def theirs() -> None:
            for number in range(30):
                stock.attempt("update-ref", "-m", "git", BASE, hex_id(commits[number % 3]))

        threads = [threading.Thread(target=work) for work in (ours, ours, theirs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = refs.reflog(BASE)
        assert sum(entry.message == "test" for entry in log) == 1 + 2 * wanted
        assert all(newer.old == older.new for newer, older in pairwise(log))
        assert not list((stock.git_dir / "refs/heads").glob("*.lock"))


class TestLocks:
    def test_a_lock_left_behind_is_named(
        self, refs: RefStore, git_dir: Path, commits: list[ObjectID]
    ) -> None:
        lock = git_dir / "refs/heads/base.lock"
        lock.touch()
        began = time.monotonic()
        with pytest.raises(RefLocked) as caught:
            put(refs, BASE, commits[0])
        assert time.monotonic() - began < 30
        assert str(lock) in caught.value.message
        assert lock.exists()
        assert refs.read(BASE) is None

    def test_a_lock_is_waited_for(
        self,
        refs: RefStore,
        git_dir: Path,
        commits: list[ObjectID],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(filelock, "_PATIENCE", 60.0)  # of which a tenth of a second is needed
        lock = git_dir / "refs/heads/base.lock"
        lock.touch()
        threading.Timer(0.1, lock.unlink).start()
        put(refs, BASE, commits[0])
        assert refs.read(BASE) == commits[0]

    def test_the_lock_of_one_that_was_killed_is_taken_over(
        self,
        refs: RefStore,
        git_dir: Path,
        commits: list[ObjectID],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(filelock, "_PATIENCE", 60.0)  # which is not waited for
        killed = os.fork()
        if not killed:
            with FileLock(f"{git_dir}/{BASE}", str(git_dir)) as lock:
                lock.write(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(killed, 0)
        assert (git_dir / "refs/heads/base.lock").read_bytes() == b"lxgit %d\n" % killed
        began = time.monotonic()
        put(refs, BASE, commits[0])
        assert time.monotonic() - began < 30
        assert refs.read(BASE) == commits[0]
        assert not (git_dir / "refs/heads/base.lock").exists()

    def test_many_who_find_it_take_turns(
        self,
        refs: RefStore,
        git_dir: Path,
        commits: list[ObjectID],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Threads of one process, which waits for itself no longer than for stock Git."""
        monkeypatch.setattr(filelock, "_PATIENCE", 60.0)
        put(refs, BASE, commits[0])
        done: list[int] = []

        def take() -> None:
            with FileLock(f"{git_dir}/{BASE}", str(git_dir)):
                before = len(done)
                time.sleep(0.01)
                done.append(before)

        for _ in range(5):
            (git_dir / "refs/heads/base.lock").write_bytes(b"lxgit 999999\n")
            threads = [threading.Thread(target=take) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert done == list(range(40))

    def test_nobody_waits_for_himself(
        self, refs: RefStore, git_dir: Path, commits: list[ObjectID]
    ) -> None:
        with (
            FileLock(f"{git_dir}/{BASE}", str(git_dir)),
            pytest.raises(RefLocked, match="this process holds"),
        ):
            put(refs, BASE, commits[0])

    def test_what_another_has_now_stays(self, git_dir: Path) -> None:
        """Somebody has removed the lock by hand."""
        lock = git_dir / "refs/heads/base.lock"
        with FileLock(f"{git_dir}/{BASE}", str(git_dir)):
            lock.unlink()
            lock.write_bytes(b"another's")
        assert lock.read_bytes() == b"another's"

    def test_stock_gits_of_an_earlier_boot(self, git_dir: Path) -> None:
        """A change time cannot be set back; the boot can be brought near (time_namespaces(7))."""
        lock = git_dir / "refs/heads/base.lock"
        lock.touch()
        assert not drop_stale_lock(str(lock))
        time.sleep(2)  # both are whole seconds
        uptime = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        code = "import sys; from lxgit.objects.filelock import drop_stale_lock as drop"
        command = [sys.executable, "-c", f"{code}; print(drop(sys.argv[1]))", str(lock)]
        namespace = ["unshare", "--time", f"--boottime={-uptime}"]
        assert subprocess.check_output([*namespace, *command]) == b"True\n"
        assert not lock.exists()


class TestConflicts:
    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize(
        ("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")]
    )
    def test_no_name_is_the_beginning_of_another(
        self,
        refs: RefStore,
        stock: StockGit,
        commits: list[ObjectID],
        first: str,
        second: str,
        packed: bool,
    ) -> None:
        put(refs, f"refs/heads/{first}", commits[0])
        if packed:
            stock("pack-refs", "--all", "--prune")
        with pytest.raises(RefConflict, match=f"'{second}' cannot be beside '{first}'"):
            put(refs, f"refs/heads/{second}", commits[1])
        assert refs.list() == {f"refs/heads/{first}": commits[0]}
        assert stock.attempt("fsck", "--strict").returncode == 0

    @pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a/b")])
    def test_after_a_deletion_the_other_may_come(
        self, refs: RefStore, commits: list[ObjectID], first: str, second: str
    ) -> None:
        put(refs, f"refs/heads/{first}", commits[0])
        put(refs, f"refs/heads/{first}", None, commits[0])
        put(refs, f"refs/heads/{second}", commits[1])
        assert refs.list("refs/heads/") == {f"refs/heads/{second}": commits[1]}
        assert len(refs.reflog(f"refs/heads/{second}")) == 1

    def test_empty_directories_of_others_are_in_nobodys_way(
        self, refs: RefStore, git_dir: Path, commits: list[ObjectID]
    ) -> None:
        (git_dir / "refs/heads/base/gone/deep").mkdir(parents=True)
        (git_dir / "logs/refs/heads/base/gone").mkdir(parents=True)
        put(refs, BASE, commits[0])
        assert refs.read(BASE) == commits[0]
        assert len(refs.reflog(BASE)) == 1


class TestDeleting:
    @pytest.mark.parametrize("state", ["loose", "packed", "both"])
    def test_nothing_of_it_is_left_and_the_others_stay(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID], state: str
    ) -> None:
        name = "refs/heads/deep/below"
        put(refs, name, commits[0])
        stock("tag", "-a", "-m", "message", "v1", hex_id(commits[1]))
        stock("tag", "-a", "-m", "message", "v2", hex_id(commits[2]))
        if state != "loose":
            stock("pack-refs", "--all")
        if state == "both":
            put(refs, name, commits[1], commits[0])
        others = {key: oid for key, oid in refs.list().items() if key != name}
        refs.update(name, None, old=ANY, message="gone", who=WHO)
        assert refs.read(name) is None
        assert {key: oid for key, oid in refs.list().items() if key != DELETED} == others
        assert as_git_sees_them(stock) == refs.list()
        assert not (stock.git_dir / "refs/heads/deep").exists()
        assert not (stock.git_dir / "logs/refs/heads/deep").exists()
        assert (stock.git_dir / "refs/heads").is_dir()
        if state != "loose":
            packed = (stock.git_dir / "packed-refs").read_text()
            assert packed.startswith("# pack-refs with: peeled")
            assert packed.count("\n^") == 2
        assert stock.attempt("fsck", "--strict").returncode == 0

    def test_a_packed_tag_goes_with_what_it_was_peeled_to(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        for name in ("v1", "v2", "v3"):
            stock("tag", "-a", "-m", "message", name, hex_id(commits[1]))
        stock("pack-refs", "--all")
        refs.update("refs/tags/v2", None, old=ANY, message="gone", who=WHO)
        tags = stock("show-ref", "--tags", "-d").decode().splitlines()
        assert [line[41:] for line in tags] == [
            "refs/tags/v1", "refs/tags/v1^{}", "refs/tags/v3", "refs/tags/v3^{}",
        ]  # fmt: skip

    def test_a_branch_or_tag_can_be_found_again(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        put(refs, BASE, commits[1])
        put(refs, "refs/tags/v1", commits[2])
        put(refs, "refs/lxgit/containers/1", commits[2])
        for name in (BASE, "refs/tags/v1", "refs/lxgit/containers/1"):
            refs.update(name, None, old=ANY, message="rmi", who=WHO)
        assert [(one.ref, one.oid, one.message) for one in refs.deleted()] == [
            ("refs/tags/v1", commits[2], "rmi"),
            (BASE, commits[1], "rmi"),
        ]
        stock("gc", "-q", "--prune=now")
        assert stock("cat-file", "-t", hex_id(commits[1])) == b"commit\n"
        assert stock("cat-file", "-t", hex_id(commits[2])) == b"commit\n"

    def test_what_is_not_there_can_be_deleted_if_that_is_expected(self, refs: RefStore) -> None:
        put(refs, BASE, None)
        assert refs.list() == {}


class TestHead:
    def test_a_new_store_has_an_unborn_branch(self, refs: RefStore) -> None:
        assert refs.head() == "refs/heads/main"
        assert refs.read("HEAD") is None

    def test_naming_a_branch(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        put(refs, BASE, commits[0])
        refs.set_head(BASE, message="first branch", who=WHO)
        assert refs.head() == BASE
        assert stock.word("symbolic-ref", "HEAD") == BASE
        assert refs.read("HEAD") == commits[0]
        assert stock.fsck() == b""

    def test_its_branch_cannot_be_deleted(self, refs: RefStore, commits: list[ObjectID]) -> None:
        put(refs, BASE, commits[0])
        refs.set_head(BASE, message="first branch", who=WHO)
        before = refs.reflog("HEAD")
        with pytest.raises(RefInUse):
            refs.update(BASE, None, old=commits[0], message="branch: deleted", who=WHO)
        assert (refs.read(BASE), refs.reflog("HEAD")) == (commits[0], before)
        assert refs.deleted() == ()

    def test_a_branch_that_has_gone_is_not_named(
        self, refs: RefStore, commits: list[ObjectID]
    ) -> None:
        put(refs, BASE, commits[0])
        with pytest.raises(RefMoved):
            refs.set_head("refs/heads/gone", message="", who=WHO)

    def test_who_writes_its_log_holds_its_lock(
        self, refs: RefStore, git_dir: Path, commits: list[ObjectID]
    ) -> None:
        """Stock Git writes the whole log anew when it expires entries, with that lock held."""
        put(refs, BASE, commits[0])
        refs.set_head(BASE, message="first branch", who=WHO)
        with FileLock(f"{git_dir}/HEAD", str(git_dir)), pytest.raises(RefLocked):
            put(refs, BASE, commits[1], commits[0])
        assert refs.read(BASE) == commits[0]

    def test_it_goes_only_from_where_it_was_seen(
        self, refs: RefStore, commits: list[ObjectID]
    ) -> None:
        for name in (BASE, "refs/heads/other"):
            put(refs, name, commits[0])
        refs.set_head(BASE, old="refs/heads/main", message="first branch", who=WHO)
        before = refs.reflog("HEAD")
        for old in ("refs/heads/other", commits[0]):
            with pytest.raises(HeadElsewhere, match="it is on 'base'"):
                refs.set_head("refs/heads/other", old=old, message="late", who=WHO)
        assert (refs.head(), refs.reflog("HEAD")) == (BASE, before)

    def test_naming_what_is_no_branch(self, refs: RefStore) -> None:
        with pytest.raises(InvalidName):
            refs.set_head("refs/tags/v1", message="", who=WHO)

    def test_detaching(self, refs: RefStore, stock: StockGit, commits: list[ObjectID]) -> None:
        put(refs, BASE, commits[0])
        refs.set_head(commits[1], message="checkout: moving from base to x", who=WHO)
        assert refs.head() == commits[1]
        assert stock.word("rev-parse", "HEAD") == hex_id(commits[1])
        assert stock.attempt("symbolic-ref", "-q", "HEAD").returncode == 1
        put(refs, BASE, commits[2], commits[0])
        assert refs.read("HEAD") == commits[1]

    def test_its_reflog_follows_the_branch(
        self, refs: RefStore, stock: StockGit, commits: list[ObjectID]
    ) -> None:
        refs.set_head(BASE, message="unborn", who=WHO, unborn=True)
        put(refs, BASE, commits[0])
        put(refs, "refs/heads/other", commits[2])
        put(refs, BASE, commits[1], commits[0])
        refs.set_head("refs/heads/other", message="checkout: moving from base to other", who=WHO)
        log = stock("reflog", "--format=%H %gs").decode().splitlines()
        assert log == [
            f"{hex_id(commits[2])} checkout: moving from base to other",
            f"{hex_id(commits[1])} test",
            f"{hex_id(commits[0])} test",
        ]
        assert stock.word("rev-parse", "@{-1}") == hex_id(commits[1])
        assert stock.fsck() == b""
