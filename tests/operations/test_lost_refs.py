"""Branches and tags that are gone though nobody deleted them: told of and kept, never imagined."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import lostrefs
from lxgit.objects.ids import hex_id
from lxgit.objects.lostrefs import LostRefs
from lxgit.objects.refnames import DELETED, RENAMED
from lxgit.objects.refs import RefConflict
from lxgit.operations.branches import branch_tip, create_branch, drop_branch, rename_branch
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.importing import import_image
from lxgit.operations.reflogs import deleted, reflog
from lxgit.operations.undo import undo
from lxgit.repository import open_repository
from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.stockgit import ENVIRONMENT, StockGit
from tests.support.stores import WHO, Listener, stock_fsck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.operations.values import Problem
    from lxgit.repository import Repository

BASE, OTHER, TAG = "refs/heads/base", "refs/heads/team/other", "refs/tags/base/v1"


@pytest.fixture
def small(repository: Repository, scratch: Path) -> Repository:
    """A store with an image each on two branches, and a tag; none has moved since it was made."""
    for name in ("base", "team/other"):
        (root := scratch / "root").mkdir(exist_ok=True)
        (root / "file").write_text(name)
        import_image(repository, root, name, identity=WHO, progress=Listener())
    tip = repository.refs.read(OTHER)
    repository.refs.update(TAG, tip, old=None, message="tag", who=WHO.committer)
    return repository


@pytest.fixture
def git(small: Repository) -> StockGit:
    return StockGit(small.git_dir)


def problems(store: Repository, *, repair: bool = False) -> list[Problem]:
    repository = open_repository(store.path)
    found = list(fsck(repository, repair=repair, progress=Listener()))
    repository.objects.close()
    return found


def test_a_store_whose_packed_refs_were_emptied(small: Repository, git: StockGit) -> None:
    """Each is told of, with what brings it back; gc tells of them, too, and drops nothing."""
    before = small.refs.list()
    git("pack-refs", "--all")
    (small.git_dir / "packed-refs").write_bytes(b"")
    assert small.refs.list() == {}
    found = {problem.message: problem for problem in problems(small)}
    names = {BASE: "branch base", OTHER: "branch team/other", TAG: "tag base/v1"}
    for ref, words in names.items():
        word, name = words.split()
        problem = found[f"the {word} '{name}' is gone, and nobody deleted it"]
        assert f"'lxgit {word} {name} {hex_id(before[ref])[:12]}' brings" in (problem.hint or "")
        for spelling in (name, ref):
            assert [row.oid for row in reflog(small, spelling)] == [hex_id(before[ref])]
    objects = git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    for now, dry_run in itertools.product((True, False), (True, False)):
        listener = Listener()
        told = gc(small, now=now, dry_run=dry_run, progress=listener)
        assert told.objects == 0
        if now and dry_run:
            assert len(listener.warnings) == len(names)
            assert "'lxgit branch base " in listener.warnings[0]
    assert git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)") == objects
    assert problems(small) == []
    assert {row.ref for row in deleted(small)} == names.keys()
    for ref in (BASE, OTHER):
        back = hex_id(before[ref])[:12]
        create_branch(small, ref.removeprefix("refs/heads/"), back, force=False, identity=WHO)
    gc(small, now=True, progress=Listener())
    assert small.refs.list("refs/heads/") == {ref: before[ref] for ref in (BASE, OTHER)}
    assert stock_fsck(small) == ""


def test_one_whose_file_is_gone(small: Repository) -> None:
    """Also where it was deleted before, and came back."""
    drop_branch(open_repository(small.path), "team/other", branch_tip(small, "team/other"), WHO)
    assert problems(small) == []
    undo(open_repository(small.path), identity=WHO, progress=Listener())
    assert problems(small) == []
    (small.git_dir / OTHER).unlink()
    (problem,) = problems(small)
    assert problem.message == "the branch 'team/other' is gone, and nobody deleted it"


def deleted_log(small: Repository) -> Path:
    """Delete a branch of one image, and then another's; the log that tells of both."""
    create_branch(small, "third", "base", force=False, identity=WHO)
    for name in ("team/other", "third"):
        drop_branch(open_repository(small.path), name, branch_tip(small, name), WHO)
    assert problems(small) == []
    return small.git_dir / "logs" / DELETED


@pytest.mark.parametrize("harm", ["gone", "another's"])
def test_what_was_deleted_has_lost_its_log(small: Repository, harm: str) -> None:
    """It alone has it. What went last is still to be had; a deletion after that is told of."""
    log, last = deleted_log(small), hex_id(branch_tip(small, "base"))[:12]
    if harm == "gone":
        log.unlink()
    else:
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(line for line in lines if b"heads/third" not in line))
    (problem,) = problems(small)
    assert problem.affected == ("deleted branches",)
    assert f"'lxgit branch NAME {last}' brings back what was deleted last" in str(problem.hint)
    assert [one.repaired for one in problems(small, repair=True)] == [True]
    assert problems(small) == []
    create_branch(small, "fourth", "base", force=False, identity=WHO)
    drop_branch(open_repository(small.path), "fourth", branch_tip(small, "base"), WHO)
    assert deleted(small)[0].ref == "refs/heads/fourth"
    gc(small, progress=Listener())
    assert problems(small) == []


def test_a_deletion_whose_name_was_changed(small: Repository) -> None:
    """Nobody sees it, nor can bring it back but by what fsck says."""
    log, oid = deleted_log(small), branch_tip(small, "base")
    log.write_bytes(log.read_bytes().replace(b"\trefs/heads/third: ", b"\trefs/headc/third: "))
    (problem,) = problems(small)
    assert "refs/headc/third: branch: deleted" in problem.message
    assert f"'lxgit branch NAME {hex_id(oid)[:12]}' brings back what it was" in str(problem.hint)
    log.write_bytes(log.read_bytes().replace(b"headc", b"heads"))
    assert problems(small) == []
    gc(small, now=True, progress=Listener())
    assert problems(small) == []


def test_a_name_in_packed_refs_that_was_changed(small: Repository, git: StockGit) -> None:
    git("pack-refs", "--all")
    packed = small.git_dir / "packed-refs"
    packed.write_bytes(packed.read_bytes().replace(b"heads/base", b"heads/basf"))
    assert ("base",) in [problem.affected for problem in problems(small)]


CHANGES: dict[str, list[list[str]]] = {
    "branch -D": [["branch", "-D", "team/other"]],
    "branch -D of a packed one": [["pack-refs", "--all"], ["branch", "-D", "team/other"]],
    "update-ref -d": [["update-ref", "-d", OTHER]],
    "a push of nothing": [["push", "-q", "origin", f":{OTHER}"]],
    "a tag": [["tag", "-d", "base/v1"]],
    "branch -m": [["branch", "-m", "team/other", "team"]],
    "branch -M over another": [["symbolic-ref", "HEAD", OTHER], ["branch", "-M", "base"]],
    "branch -c": [["branch", "-c", "team/other", "third"]],
    "a new one by push": [["push", "-q", "origin", f"{OTHER}:refs/heads/third"]],
    "expired reflogs": [["reflog", "expire", "--expire=all", "--all"]],
    "expired reflogs and a deletion": [
        ["reflog", "expire", "--expire=all", "--all"],
        ["branch", "-D", "team/other"],
    ],
    "a deleted entry": [["reflog", "delete", f"{OTHER}@{{0}}"]],
    "gc": [["pack-refs", "--all"], ["gc", "-q", "--prune=now"]],
    "a symbolic ref": [
        ["symbolic-ref", "-m", "why", "refs/heads/alias", OTHER],
        ["symbolic-ref", "-d", "refs/heads/alias"],
    ],
    "a symbolic ref to nothing": [
        ["symbolic-ref", "-m", "why", "refs/heads/alias", "refs/heads/x"]
    ],
    "transactions": [["update-ref", "--stdin"]],
}


@pytest.mark.parametrize("how", CHANGES)
def test_what_stock_git_does_loses_none(
    small: Repository, git: StockGit, how: str, scratch: Path
) -> None:
    changes = f"delete {OTHER}\ncreate refs/heads/third {BASE}\ndelete {TAG}\n"
    for words in CHANGES[how]:
        if words[0] == "push":
            git("clone", "-q", "--bare", f"file://{small.git_dir}", str(scratch / "clone"))
            StockGit(scratch / "clone")(*words)
        else:
            git(*words, stdin=changes.encode() if "--stdin" in words else b"")
    assert LostRefs(small.git_dir).lost() == {}
    gc(small, progress=Listener())
    assert LostRefs(small.git_dir).lost() == {}


def test_one_that_stock_git_is_making_is_not_lost(small: Repository) -> None:
    """Its log is there before it; its lock tells that."""
    log = small.git_dir / "logs/refs/heads/new"
    log.write_bytes((small.git_dir / "logs" / BASE).read_bytes())
    lock = small.git_dir / "refs/heads/new.lock"
    lock.touch()
    assert LostRefs(small.git_dir).lost() == {}
    lock.unlink()
    assert list(LostRefs(small.git_dir).lost()) == ["refs/heads/new"]
    log.write_bytes(b"")
    assert LostRefs(small.git_dir).lost() == {}


OWN: dict[str, Callable[[Repository], object]] = {
    "a deletion": lambda r: drop_branch(r, "team/other", branch_tip(r, "team/other"), WHO),
    "a rename": lambda r: rename_branch(r, "team/other", "third", force=False, identity=WHO),
    "a rename to what is above": lambda r: [
        rename_branch(r, "team/other", "third", force=False, identity=WHO),
        rename_branch(r, "third", "team", force=False, identity=WHO),
    ],
    "an undo": lambda r: undo(open_repository(r.path), identity=WHO, progress=Listener()),
}


@pytest.mark.parametrize("how", OWN)
@pytest.mark.parametrize("now", [False, True])
def test_what_lxgit_does_loses_none(small: Repository, how: str, *, now: bool) -> None:
    """Nor once gc has dropped what was known of it."""
    OWN[how](small)
    assert problems(small) == []
    gc(small, now=now, progress=Listener())
    assert problems(small) == []


def test_one_that_cannot_be_made_leaves_no_log(small: Repository) -> None:
    """Something is where its file would be that is no ref."""
    inside = small.git_dir / "refs/heads/new/no..ref"
    inside.parent.mkdir()
    inside.touch()
    tip = small.refs.read(BASE)
    with pytest.raises(RefConflict):
        small.refs.update("refs/heads/new", tip, old=None, message="", who=WHO.committer)
    assert not os.path.lexists(small.git_dir / "logs/refs/heads/new")
    assert LostRefs(small.git_dir).lost() == {}


def test_the_log_of_a_lost_one_stays_where_making_it_fails(small: Repository) -> None:
    log = small.git_dir / "logs" / OTHER
    before, tip = log.read_bytes(), small.refs.read(OTHER)
    path = small.git_dir / OTHER
    path.unlink()
    path.mkdir()
    (path / "no..ref").touch()
    with pytest.raises(RefConflict):
        small.refs.update(OTHER, tip, old=None, message="", who=WHO.committer)
    assert log.read_bytes() == before
    assert LostRefs(small.git_dir).lost() == {OTHER: tip}


@pytest.mark.root
@pytest.mark.parametrize(
    ("words", "call", "gone"),
    [
        ("-m", "rename:signal=KILL:when=2", True),
        ("-m", "unlink:signal=KILL:when=1", False),
        ("-c", "rename:signal=KILL:when=1", False),
    ],
)
def test_one_that_stock_git_was_renaming_when_it_died(
    small: Repository, git: StockGit, words: str, call: str, *, gone: bool
) -> None:
    """Its log is put aside, while it has no name; also of one that stays, before it is gone."""
    if reason := lacks_program("strace"):
        unable(reason)
    tip, log = small.refs.read(OTHER), small.refs.reflog(OTHER)
    assert tip is not None
    trace = ("strace", "-o", "/dev/null", "--trace=rename,unlink", f"--inject={call}")
    command = ("git", f"--git-dir={small.git_dir}", "branch", words, "team/other", "third")
    killed = subprocess.run([*trace, *command], env=ENVIRONMENT, check=False)
    assert killed.returncode == -signal.SIGKILL
    aside = small.git_dir / "logs/refs/.tmp-renamed-log"
    assert aside.exists()
    found = [one for one in problems(small) if "stock Git died" in one.message]
    if words == "-c":
        assert found == []
        return
    assert small.refs.read(OTHER) == (None if gone else tip)
    back = f"'lxgit branch NAME {hex_id(tip)[:12]}' brings it back"
    assert [(one.message, one.affected, (one.hint or "").partition(";")[0]) for one in found] == [
        ("stock Git died while it renamed a branch", (), back)
    ]
    listener = Listener()
    gc(open_repository(small.path), now=True, progress=listener)
    assert listener.warnings == [f"stock Git died while it renamed a branch: {back}"]
    assert tip in open_repository(small.path).objects
    assert [(row.name, row.message) for row in reflog(small, ".tmp-renamed-log")][1:] == [
        (f".tmp-renamed-log@{{{number}}}", entry.message) for number, entry in enumerate(log, 1)
    ]
    assert aside.exists()  # a Git may be at it
    assert problems(small) == []
    assert LostRefs(small.git_dir).lost() == {}
    known = small.refs.deleted()
    LostRefs(small.git_dir).bury_lost(small.objects.__contains__, int(time.time()) + 100)
    assert not aside.exists()
    assert small.refs.deleted() == known


def test_one_that_stock_git_is_renaming_is_not_lost(
    small: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the log aside first, then in its place, and makes the branch last."""
    monkeypatch.setattr(lostrefs, "_PATIENCE", 60.0)  # of which one second is needed
    aside, log = (small.git_dir / f"logs/{name}" for name in (RENAMED, OTHER))
    ref = small.git_dir / OTHER
    content = ref.read_bytes()
    ref.unlink()
    log.rename(aside)
    steps = [
        threading.Timer(0.3, aside.rename, [log]),
        threading.Timer(0.6, ref.write_bytes, [content]),
    ]
    for step in steps:
        step.start()
    assert LostRefs(small.git_dir).lost() == {}
    for step in steps:
        step.join()
