"""What a branch or a tag was stays known, and kept, when it is deleted or has another name."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Signature
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.lostrefs import LostRefs
from lxgit.objects.refs import RefMoved
from lxgit.operations.branches import create_branch, drop_branch, rename_branch
from lxgit.operations.gc import gc
from lxgit.operations.leftovers import sweep
from lxgit.operations.undo import undo
from lxgit.operations.values import Identity
from lxgit.repository import open_repository
from tests.support.stockgit import StockGit
from tests.support.stores import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.repository import Repository

STEPS = {"link", "rename", "unlink", "write"}
"""Calls that change a store: what a kill lets stand is the same in between."""


def who(number: int = 0) -> Identity:
    signature = Signature("Ada", "ada@example.org", int(time.time()) + number, 0)
    return Identity(signature, signature)


@pytest.fixture
def git(repository: Repository) -> StockGit:
    return StockGit(repository.git_dir)


@pytest.fixture
def commits(git: StockGit) -> list[ObjectID]:
    made = git.graph([[1], [2, 1], [3, 1]], git.image())
    return [from_hex(made[number]) for number in (1, 2, 3)]


def grow(repository: Repository, name: str, commits: list[ObjectID]) -> tuple[ReflogEntry, ...]:
    """A branch that was at each of them, a second apart, and is at the last; its log."""
    for number, oid in enumerate(commits):
        create_branch(repository, name, hex_id(oid), force=True, identity=who(number - 9))
    return repository.refs.reflog(f"refs/heads/{name}")


def known(repository: Repository, *names: str) -> set[ReflogEntry]:
    """All that is told of branches of these names, by their logs and of their deletions."""
    refs = [f"refs/heads/{name}" for name in names]
    told = {entry for ref in refs for entry in repository.refs.reflog(ref)}
    return told.union(*(one.log for one in repository.refs.deleted() if one.ref in refs))


def killed_at(step: int, command: Callable[[Repository], object], repository: Repository) -> bool:
    """Whether the command was killed before its n-th call that changes something; in a child."""
    child = os.fork()
    if not child:
        left = step

        def count_down(_frame: object, event: str, called: object) -> None:
            nonlocal left
            if event == "c_call" and getattr(called, "__name__", "") in STEPS:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        other = open_repository(repository.path)
        sys.setprofile(count_down)
        command(other)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status != 0


def check_none_lost(repository: Repository, *, swept: bool) -> None:
    """What a kill has left tells of no ref that is lost, also not when it is swept up."""
    assert LostRefs(repository.git_dir).lost() == {}
    if swept:
        sweep(repository)
        assert LostRefs(repository.git_dir).lost() == {}


@pytest.mark.parametrize("swept", [False, True])
def test_a_kill_at_each_step_of_what_makes_a_branch(
    repository: Repository, commits: list[ObjectID], *, swept: bool
) -> None:
    tip = commits[-1]
    for step in count(1):
        ref = f"refs/heads/new{step}"

        def make(one: Repository, ref: str = ref) -> None:
            one.refs.update(ref, tip, old=None, message="made", who=who().committer)

        was_killed = killed_at(step, make, repository)
        check_none_lost(repository, swept=swept)
        there = repository.refs.read(ref)
        if swept and there is None:
            assert repository.refs.reflog(ref) == ()
        if there is None:
            with pytest.raises(RefMoved):  # it has the lock of the one that was killed
                repository.refs.update(ref, None, old=tip, message="", who=who().committer)
            assert LostRefs(repository.git_dir).lost() == {}
            make(open_repository(repository.path))
        assert [entry.new for entry in repository.refs.reflog(ref)] == [tip]
        if not was_killed:
            break
    assert step > 8


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.scale
def test_a_kill_at_each_step_of_a_deletion(
    repository: Repository, commits: list[ObjectID], *, swept: bool
) -> None:
    """What is done again comes to the same end, and undone the log is what it was."""
    for step in count(1):
        name = f"old{step}"
        log = grow(repository, name, commits)
        ref, tip = f"refs/heads/{name}", commits[-1]
        was_killed = killed_at(
            step, partial(drop_branch, name=name, oid=tip, identity=who()), repository
        )
        check_none_lost(repository, swept=swept)
        assert known(repository, name) >= set(log), step
        if repository.refs.read(ref) is not None:
            assert repository.refs.reflog(ref) == log
            again = open_repository(repository.path)
            drop_branch(again, name, tip, who())
        assert repository.refs.read(ref) is None
        undo(open_repository(repository.path), identity=who(), progress=Listener())
        assert repository.refs.reflog(ref)[1:] == log, step
        if not was_killed:
            break
    assert step > 5


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.scale
def test_a_kill_at_each_step_of_a_rename(
    repository: Repository, commits: list[ObjectID], *, swept: bool
) -> None:
    for step in count(1):
        old, new = f"old{step}", f"new{step}"
        log = grow(repository, old, commits)
        was_killed = killed_at(
            step, partial(rename_branch, old=old, new=new, force=False, identity=who()), repository
        )
        check_none_lost(repository, swept=swept)
        assert known(repository, old, new) >= set(log), step
        if repository.refs.read(f"refs/heads/{old}") is not None:
            again = open_repository(repository.path)
            rename_branch(again, old, new, force=False, identity=who())
        told = [one for one in repository.refs.reflog(f"refs/heads/{new}") if one in log]
        assert told == list(log), step
        if not was_killed:
            break
    assert step > 15


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.scale
def test_a_kill_at_each_step_of_an_undo(
    repository: Repository, commits: list[ObjectID], *, swept: bool
) -> None:
    for step in count(1):
        old, new = f"old{step}", f"new{step}"
        log = grow(repository, old, commits)
        rename_branch(open_repository(repository.path), old, new, force=False, identity=who())
        was_killed = killed_at(step, partial(undo, identity=who(), progress=Listener()), repository)
        check_none_lost(repository, swept=swept)
        assert known(repository, old, new) >= set(log), step
        if repository.refs.read(f"refs/heads/{new}") is not None:
            undo(open_repository(repository.path), identity=who(), progress=Listener())
        assert repository.refs.read(f"refs/heads/{new}") is None
        told = [one for one in repository.refs.reflog(f"refs/heads/{old}") if one in log]
        assert told == list(log), step
        if not was_killed:
            break
    assert step > 15


def test_which_of_several_deletions_an_undo_takes_back(
    repository: Repository, commits: list[ObjectID]
) -> None:
    """One of the same name and commit had another life before."""
    tip = commits[-1]
    first = grow(repository, "one", commits)
    drop_branch(open_repository(repository.path), "one", tip, who())
    time.sleep(1)  # in which a deletion is told of
    create_branch(
        open_repository(repository.path), "one", hex_id(tip), force=False, identity=who(2)
    )
    second = repository.refs.reflog("refs/heads/one")
    drop_branch(open_repository(repository.path), "one", tip, who(3))
    assert len(second) == 1
    for came_back in (second, (), first):
        undo(open_repository(repository.path), identity=who(4), progress=Listener())
        assert repository.refs.reflog("refs/heads/one")[1:] == came_back
    for came_back in ((), second, ()):
        undo(open_repository(repository.path), redo=True, identity=who(5), progress=Listener())
        log = repository.refs.reflog("refs/heads/one")
        assert tuple(one for one in log if "do: " not in one.message) == came_back


def test_a_deletion_is_of_when_it_was_whatever_time_a_user_gives(
    repository: Repository, commits: list[ObjectID]
) -> None:
    """So gc keeps for ninety days what was deleted just now."""
    tip, long_ago = commits[-1], who(-100 * 86_400)
    create_branch(repository, "old", hex_id(tip), force=False, identity=long_ago)
    drop_branch(repository, "old", tip, long_ago)
    gc(open_repository(repository.path), progress=Listener())
    assert [one.ref for one in repository.refs.deleted()] == ["refs/heads/old"]


@pytest.mark.parametrize(("gone", "name"), [("a", "a/b/c"), ("a/b/c", "a"), ("a/b", "a/b/c")])
def test_a_log_that_a_kill_left_is_in_no_ones_way(
    repository: Repository, git: StockGit, commits: list[ObjectID], gone: str, name: str
) -> None:
    log = grow(repository, gone, commits)
    path = repository.git_dir / "logs/refs/heads" / gone
    content = path.read_bytes()
    drop_branch(repository, gone, commits[-1], who())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    before = repository.refs.deleted()
    create_branch(repository, name, hex_id(commits[0]), force=False, identity=who())
    assert repository.refs.deleted() == before
    assert before[0].log == log
    assert len(repository.refs.reflog(f"refs/heads/{name}")) == 1
    assert git.fsck() == b"notice: HEAD points to an unborn branch (main)\n"


def test_a_log_that_nobody_knew_of_is_known_before_it_goes(
    repository: Repository, git: StockGit, commits: list[ObjectID]
) -> None:
    log = grow(repository, "a", commits)
    (repository.git_dir / "refs/heads/a").unlink()  # by who was told that it is damaged
    create_branch(repository, "a/b", hex_id(commits[0]), force=False, identity=who())
    [gone] = repository.refs.deleted()
    assert (gone.ref, gone.oid, gone.log) == ("refs/heads/a", commits[-1], log)
    git("gc", "-q", "--prune=now")
    assert git.word("cat-file", "-t", hex_id(commits[1])) == "commit"


def test_a_deletion_costs_the_same_however_many_there_were(
    repository: Repository, commits: list[ObjectID]
) -> None:
    """In bytes that are read and written."""
    spent = []
    for number in range(60):
        grow(repository, f"one{number}", commits)
        before = _moved()
        drop_branch(repository, f"one{number}", commits[-1], who())
        spent.append(_moved() - before)
    assert max(spent[50:]) < min(spent[1:10]) * 1.5


def _moved() -> int:
    """Bytes that this thread has read and written: one of another talks to who gives out tests."""
    lines = Path("/proc/thread-self/io").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))


def test_a_kill_while_one_that_was_lost_is_brought_back(
    repository: Repository, commits: list[ObjectID]
) -> None:
    """What it was before is kept all the same, and known."""
    for step in count(1):
        name = f"x{step}"
        log = grow(repository, name, commits)
        (repository.git_dir / "refs/heads" / name).unlink()

        def make(one: Repository, name: str = name) -> None:
            create_branch(one, name, hex_id(commits[-1]), force=False, identity=who())

        was_killed = killed_at(step, make, repository)
        is_back = repository.refs.read(f"refs/heads/{name}") is not None
        gc(open_repository(repository.path), now=not is_back, progress=Listener())
        assert set(log) <= known(repository, name)
        assert all(oid in open_repository(repository.path).objects for oid in commits)
        if not was_killed:
            break


def test_a_kill_while_one_is_deleted_and_then_gc(repository: Repository, git: StockGit) -> None:
    """Which drops what it was, and its log: it is not lost."""
    for step in count(1):
        made = git.graph([[1], [2, 1], [3, 1]], git.image())
        name = f"x{step}"
        grow(repository, name, [from_hex(made[number]) for number in (2, 3, 1)])

        drop = partial(drop_branch, name=name, oid=from_hex(made[1]), identity=who())
        was_killed = killed_at(step, drop, repository)
        for now in (True, False):
            gc(open_repository(repository.path), now=now, progress=Listener())
            assert LostRefs(repository.git_dir).lost() == {}
        if not was_killed:
            break
