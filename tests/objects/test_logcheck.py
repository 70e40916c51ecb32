"""Refs that are not what their reflogs say; and none is so that a killed process was to move."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import ITSELF
from lxgit.objects.filelock import FileLock, drop_stale_lock
from lxgit.objects.logcheck import FOUND_SO, LoggedRefs, Unlogged
from lxgit.objects.refs import RefMoved, RefStore
from tests.objects.conftest import BASE, WHO, put

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.ids import ObjectID
    from tests.support.stockgit import StockGit


def moved_by_one_who_is_killed(refs: RefStore, old: ObjectID, new: ObjectID) -> None:
    """Log that the branch has moved, and die before it has."""
    killed = os.fork()
    if not killed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FileLock, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
            put(refs, BASE, new, old)
    os.waitpid(killed, 0)


def taken_over(refs: RefStore, git_dir: Path) -> bool:
    """Whether the branch's lock was one that somebody has left, and is gone now."""
    return drop_stale_lock(f"{git_dir}/{BASE}.lock", heir=lambda said: refs.take_back(BASE, said))


@pytest.fixture
def logged(refs: RefStore, git_dir: Path, commits: list[ObjectID]) -> LoggedRefs:
    put(refs, BASE, commits[0])
    put(refs, BASE, commits[1], commits[0])
    return LoggedRefs(git_dir)


@pytest.mark.parametrize("next_one", ["gc", "update", "refused"])
def test_after_a_kill_the_log_is_the_ref_s(
    refs: RefStore,
    logged: LoggedRefs,
    git_dir: Path,
    commits: list[ObjectID],
    next_one: str,
) -> None:
    before = refs.reflog(BASE)
    moved_by_one_who_is_killed(refs, commits[1], commits[2])
    assert len(refs.reflog(BASE)) == 3
    assert list(logged.unlogged()) == []
    if next_one == "gc":
        assert taken_over(refs, git_dir)
    elif next_one == "update":
        put(refs, BASE, commits[0], commits[1])
    else:
        with pytest.raises(RefMoved):
            put(refs, BASE, commits[0], commits[2])
    assert list(logged.unlogged()) == []
    if next_one != "update":
        assert refs.reflog(BASE) == before


def test_after_a_kill_with_no_entry_for_the_value(
    refs: RefStore, logged: LoggedRefs, stock: StockGit, commits: list[ObjectID]
) -> None:
    """Those from before have expired: the one that is there is of a move that never came."""
    stock("reflog", "expire", "--expire=all", BASE)
    moved_by_one_who_is_killed(refs, commits[1], commits[2])
    assert [entry.new for entry in refs.reflog(BASE)] == [commits[2]]
    with pytest.raises(RefMoved):
        put(refs, BASE, commits[0], commits[2])
    assert refs.reflog(BASE) == ()
    assert list(logged.unlogged()) == []


@pytest.mark.parametrize("tear", ["nothing", "zeros", "the end", "all", "other"])
def test_after_a_power_failure_there_may_be_any_part_of_what_was_logged(
    refs: RefStore, logged: LoggedRefs, git_dir: Path, commits: list[ObjectID], tear: str
) -> None:
    """All of it goes with the lock; but not what is none of it."""
    before, log = refs.reflog(BASE), git_dir / "logs" / BASE
    size = log.stat().st_size
    moved_by_one_who_is_killed(refs, commits[1], commits[2])
    content = log.read_bytes()
    torn = {
        "nothing": content,
        "zeros": content[: size + 50] + bytes(len(content) - size - 50),
        "the end": content[: size + 50],
        "all": content[:size],
        "other": content[:size] + content[:size],
    }[tear]
    log.write_bytes(torn)
    assert list(logged.unlogged()) == []
    assert taken_over(refs, git_dir)
    assert refs.reflog(BASE) == (before * 2 if tear == "other" else before)
    assert log.stat().st_size == (2 * size if tear == "other" else size)


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"lxgit 1\n",
        b"lxgit 1\ntmp_0",
        bytes(200),
        b"lxgit 1\ntmp_\0 0 refs/heads/base\nx\n",
        *(b"lxgit 1\ntmp_0 %b refs/heads/base\nx\n" % (b"9" * count) for count in (18, 23, 5000)),
    ],
)
def test_a_lock_that_says_nothing_proves_nothing(
    refs: RefStore, git_dir: Path, commits: list[ObjectID], logged: LoggedRefs, torn: bytes
) -> None:
    """A kill left it before anything was logged, or a power failure."""
    (git_dir / BASE).write_text(commits[0].hex() + "\n")
    before, lock = refs.reflog(BASE), git_dir / f"{BASE}.lock"
    lock.write_bytes(torn)
    is_lxgits = torn.startswith(b"lxgit")  # else it may be one of stock Git's that lives
    told = [Unlogged(BASE, commits[0], commits[1])] if is_lxgits else []
    assert list(logged.unlogged()) == told
    assert taken_over(refs, git_dir) == is_lxgits
    assert refs.reflog(BASE) == before


@pytest.mark.parametrize("other", ["refs/heads/new", "refs/heads/was"])
def test_what_fails_leaves_no_entry(
    refs: RefStore,
    logged: LoggedRefs,
    git_dir: Path,
    commits: list[ObjectID],
    monkeypatch: pytest.MonkeyPatch,
    other: str,
) -> None:
    """Neither in a branch's log nor in HEAD's; `was` has a directory where its log is to be."""

    def fail(_: FileLock) -> None:
        raise OSError(28, "no space left on device")

    (git_dir / "logs/refs/heads/was").mkdir()
    refs.set_head(BASE, message="here", who=WHO)
    before = {name: refs.reflog(name) for name in ("HEAD", BASE, other)}
    monkeypatch.setattr(FileLock, "commit", fail)
    for name, old in ((BASE, commits[1]), (other, None)):
        with pytest.raises(OSError, match="no space"):
            put(refs, name, commits[2], old)
    with pytest.raises(OSError, match="no space"):
        refs.set_head(commits[0], message="never came", who=WHO)
    assert {name: refs.reflog(name) for name in before} == before
    assert list(logged.unlogged()) == []


def test_what_stock_git_does_is_logged(
    refs: RefStore, logged: LoggedRefs, stock: StockGit, commits: list[ObjectID]
) -> None:
    stock("config", "core.logAllRefUpdates", "always")
    stock("update-ref", BASE, commits[2].hex())
    stock("branch", "other", "base")
    stock("tag", "v1", "base")
    stock("branch", "-m", "other", "another")
    stock("symbolic-ref", "refs/heads/alias", "refs/heads/another")
    stock("pack-refs", "--all")
    put(refs, "refs/heads/another", commits[0], commits[2])
    assert list(logged.unlogged()) == []
    stock("reflog", "expire", "--expire=all", "--all")
    assert list(logged.unlogged()) == []


def test_a_ref_that_was_set_by_hand(
    refs: RefStore, logged: LoggedRefs, git_dir: Path, commits: list[ObjectID]
) -> None:
    before = refs.reflog(BASE)
    (git_dir / BASE).write_text(commits[0].hex() + "\n")
    (one,) = logged.unlogged()
    assert one == Unlogged(BASE, commits[0], commits[1])
    lock = git_dir / f"{BASE}.lock"
    lock.touch()  # stock Git's
    assert not logged.log_anew(one, ITSELF)
    assert refs.reflog(BASE) == before
    lock.unlink()
    assert logged.log_anew(one, ITSELF)
    assert not logged.log_anew(one, ITSELF)
    assert list(logged.unlogged()) == []
    (entry, *rest) = refs.reflog(BASE)
    assert (entry.old, entry.new, entry.message) == (commits[1], commits[0], FOUND_SO)
    assert tuple(rest) == before
