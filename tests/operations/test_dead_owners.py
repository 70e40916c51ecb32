"""What those leave in reflogs who die with a ref's lock, and what stock Git writes beside gc.

Nothing goes that came to be, nor what nobody can tell of.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.filelock import FileLock
from lxgit.objects.ids import hex_id
from lxgit.objects.logcheck import LoggedRefs, Unlogged
from lxgit.objects.lostrefs import LostRefs
from lxgit.objects.refs import ANY
from lxgit.operations import garbage
from lxgit.operations.branches import create_branch
from lxgit.operations.gc import gc
from lxgit.operations.leftovers import sweep
from lxgit.operations.reflogs import deleted
from lxgit.repository import Repository, open_repository
from tests.operations.test_former_values import commits, git, grow, killed_at, known, who
from tests.support.stores import Listener

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.operations.garbage import Entries
    from tests.support.stockgit import StockGit

__all__ = ["commits", "git"]  # fixtures

DAY = 86_400


def dies_with_the_lock(repository: Repository, ref: str, new: ObjectID) -> None:
    """Have somebody be killed who has logged that a ref moves, and has not moved it yet."""
    child = os.fork()
    if not child:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FileLock, "commit", lambda _: os.kill(os.getpid(), signal.SIGKILL))
            refs = open_repository(repository.path).refs
            refs.update(ref, new, old=ANY, message="never came", who=who().committer)
    os.waitpid(child, 0)


def ages(repository: Repository, ref: str) -> None:
    """Have the entries of a ref's log be a hundred days old."""
    log = repository.git_dir / "logs" / ref
    log.write_text(re.sub(r"> \d+ ", f"> {int(time.time()) - 100 * DAY} ", log.read_text()))


def test_a_kill_while_a_lost_branch_is_buried(
    repository: Repository, commits: list[ObjectID]
) -> None:
    """The lock that is left proves nothing: the branch is lost as before, and gc tells of it."""
    for step in count(1):
        name = f"lost{step}"
        log = grow(repository, name, commits)
        (repository.git_dir / "refs/heads" / name).unlink()

        def bury(one: Repository) -> None:
            LostRefs(one.git_dir).bury_lost(one.objects.__contains__, int(time.time()))

        was_killed = killed_at(step, bury, repository)
        lost = LostRefs(repository.git_dir).lost()
        assert lost or f"refs/heads/{name}" in {row.ref for row in deleted(repository)}, step
        gc(open_repository(repository.path), now=True, progress=Listener())
        assert known(repository, name) >= set(log), step
        assert commits[-1] in open_repository(repository.path).objects
        if not was_killed:
            break
    assert step > 5


@pytest.mark.parametrize("undone", [False, True])
def test_a_kill_while_one_moves_that_was_set_back_by_hand(
    repository: Repository, commits: list[ObjectID], *, undone: bool
) -> None:
    """What came to be stays in the log; also where it is `undone` by hand before anybody looks."""
    first, new, tip = commits
    for step in count(1):
        name = f"x{step}"
        ref, log = f"refs/heads/{name}", grow(repository, name, commits)
        file = repository.git_dir / ref
        file.write_text(f"{hex_id(first)}\n")
        move = partial(create_branch, name=name, start=hex_id(new), force=True, identity=who())
        was_killed = killed_at(step, move, repository)
        moved = repository.refs.read(ref) == new
        if undone and moved:
            file.write_text(f"{hex_id(first)}\n")
        logged = new if moved else tip
        told = [Unlogged(ref, first, logged)] if undone or not moved else []
        refs = LoggedRefs(repository.git_dir)
        assert [one for one in refs.unlogged() if one.name == ref] == told, step
        sweep(repository)
        after = repository.refs.reflog(ref)
        assert after[moved:] == log, step
        assert after[0].new == logged, step
        assert [one for one in refs.unlogged() if one.name == ref] == told, step
        if not was_killed:
            break
    assert step > 8


@pytest.mark.parametrize("how", ["a branch moves", "HEAD names another", "HEAD is detached"])
def test_what_head_was_to_be_and_never_was_is_not_in_its_log(
    repository: Repository, commits: list[ObjectID], how: str
) -> None:
    """Also where the commit is the same: `@{-1}` goes by what such an entry says."""
    refs, by = repository.refs, who().committer
    names = ["refs/heads/x", "refs/heads/y"]
    for name in names:
        refs.update(name, commits[0], old=ANY, message="made", who=by)
    refs.set_head(names[0], message="at first", who=by)

    def move(one: Repository) -> None:
        if how == "a branch moves":
            one.refs.update(names[0], commits[1], old=commits[0], message="moves", who=by)
        else:
            target = names[1] if how == "HEAD names another" else commits[0]
            one.refs.set_head(target, message="moves", who=by)

    for step in count(1):
        logs = [refs.reflog(name) for name in ("HEAD", names[0])]
        was_killed = killed_at(step, move, repository)
        came = (refs.head(), refs.read("HEAD")) != (names[0], commits[0])
        sweep(repository)
        assert refs.reflog("HEAD")[came:] == logs[0], step
        assert refs.reflog(names[0])[came and how == "a branch moves" :] == logs[1], step
        if not was_killed:
            break
        refs.set_head(names[0], message="back", who=by)
        refs.update(names[0], commits[0], old=ANY, message="back", who=by)
    assert came
    assert step > 6


@pytest.mark.parametrize("next_one", ["moves the branch", "moves HEAD", "has moved it already"])
def test_who_takes_heads_lock_over_takes_back_what_it_says(
    repository: Repository, commits: list[ObjectID], next_one: str
) -> None:
    """After a power failure, both may be there: the branch, and the file that has become it."""
    refs, by, ref = repository.refs, who().committer, "refs/heads/x"
    refs.update(ref, commits[0], old=ANY, message="made", who=by)
    refs.set_head(ref, message="at first", who=by)
    log = refs.reflog("HEAD")
    dies_with_the_lock(repository, ref, commits[1])
    assert refs.reflog("HEAD")[0].message == "never came"
    if next_one == "moves the branch":
        refs.update(ref, commits[2], old=commits[0], message="came", who=by)
    elif next_one == "moves HEAD":
        refs.set_head(commits[2], message="came", who=by)
    else:
        (file,) = repository.git_dir.glob("tmp_*")
        shutil.copy(file, repository.git_dir / ref)
    sweep(repository)
    (entry, *rest) = refs.reflog("HEAD")
    assert (entry.message == "came") == (next_one != "has moved it already")
    assert tuple(rest) == log


def test_a_commit_that_is_killed_while_gc_waits_for_it(
    repository: Repository, commits: list[ObjectID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had logged goes, and not what is true and old."""
    ref = "refs/heads/x"
    create_branch(repository, "x", hex_id(commits[0]), force=False, identity=who())
    ages(repository, ref)
    (entry,) = repository.refs.reflog(ref)
    ready, tell = os.pipe()
    child = os.fork()
    if not child:

        def stand_still(_: FileLock) -> None:
            os.write(tell, b"x")
            signal.pause()

        monkeypatch.setattr(FileLock, "commit", stand_still)
        refs = open_repository(repository.path).refs
        refs.update(ref, commits[1], old=ANY, message="never came", who=who().committer)
    os.read(ready, 1)
    assert repository.refs.reflog(ref)[0].message == "never came"
    collecting = Repository.collecting

    def killing(self: Repository) -> AbstractContextManager[int]:
        monkeypatch.undo()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return collecting(self)

    monkeypatch.setattr(Repository, "collecting", killing)
    gc(open_repository(repository.path), progress=Listener())
    assert repository.refs.reflog(ref) == (entry,)
    assert not (repository.git_dir / f"{ref}.lock").exists()
    assert list(LoggedRefs(repository.git_dir).unlogged()) == []


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_what_tells_of_a_move_that_never_came_stays_while_somebody_is_about_to_ask(
    repository: Repository, commits: list[ObjectID], how: int
) -> None:
    """Who looks at the lock, or takes it over, holds it as its owner would: so it is not swept."""
    ref = "refs/heads/x"
    log = grow(repository, "x", commits[:1])
    dies_with_the_lock(repository, ref, commits[1])
    assert len(repository.refs.reflog(ref)) == 2
    with (repository.git_dir / f"{ref}.lock").open("rb") as lock:
        fcntl.flock(lock, how)
        sweep(repository)
        gc(open_repository(repository.path), progress=Listener())
    refs = open_repository(repository.path).refs
    refs.update(ref, commits[2], old=commits[0], message="came", who=who().committer)
    assert [entry.message for entry in refs.reflog(ref)] == ["came", log[0].message]
    sweep(repository)
    assert list(repository.git_dir.glob("tmp_*")) == []


def between(monkeypatch: pytest.MonkeyPatch, git: StockGit, *commands: tuple[str, ...]) -> None:
    """Have stock Git do that after gc has read the reflogs, before it writes any."""
    expiring = garbage.expiring

    def and_git(repository: Repository, *, now: bool) -> Entries:
        entries = expiring(repository, now=now)
        for words in commands:
            git(*words)
        return entries

    monkeypatch.setattr(garbage, "expiring", and_git)


@pytest.mark.parametrize("now", [False, True])
def test_what_stock_git_logs_meanwhile_stays(
    repository: Repository,
    git: StockGit,
    commits: list[ObjectID],
    monkeypatch: pytest.MonkeyPatch,
    *,
    now: bool,
) -> None:
    first, second, third = map(hex_id, commits)
    ref = "refs/heads/x"
    create_branch(repository, "base", first, force=False, identity=who())
    grow(repository, "x", [commits[0], commits[2], commits[0]])
    if not now:
        ages(repository, ref)
    pushed = [("update-ref", "-m", "pushed", ref, oid) for oid in (second, third)]
    between(monkeypatch, git, *pushed)
    gc(repository, now=now, progress=Listener())
    log = repository.refs.reflog(ref)
    assert [entry.new for entry in log[:2]] == [commits[2], commits[1]]
    assert [entry.new for entry in log[2:]] == commits[:1]  # and what was to go has gone
    assert commits[1] in open_repository(repository.path).objects
    assert list(LoggedRefs(repository.git_dir).unlogged()) == []


def test_the_log_of_one_that_stock_git_deletes_meanwhile_is_not_back(
    repository: Repository,
    git: StockGit,
    commits: list[ObjectID],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_branch(repository, "base", hex_id(commits[0]), force=False, identity=who())
    grow(repository, "x", commits)
    ages(repository, "refs/heads/x")
    between(monkeypatch, git, ("branch", "-D", "x"))
    gc(repository, progress=Listener())
    assert not (repository.git_dir / "logs/refs/heads/x").exists()
    assert LostRefs(repository.git_dir).lost() == {}


def test_a_lost_one_that_stock_git_makes_meanwhile_keeps_its_log(
    repository: Repository,
    git: StockGit,
    commits: list[ObjectID],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = grow(repository, "x", commits)
    (repository.git_dir / "refs/heads/x").unlink()
    among = LostRefs._among_lost

    def and_git(self: LostRefs, logs: dict[str, tuple[ReflogEntry, ...]]) -> object:
        monkeypatch.undo()
        git("branch", "x", hex_id(commits[-1]))
        return among(self, logs)

    monkeypatch.setattr(LostRefs, "_among_lost", and_git)
    gc(repository, progress=Listener())
    assert repository.refs.reflog("refs/heads/x")[-len(log) :] == log
    assert deleted(repository) == []
