"""What a container has changed is put away, and brought back."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import filelock
from lxgit.objects.database import MissingObject
from lxgit.objects.ids import from_hex
from lxgit.objects.refnames import PINS
from lxgit.objects.refs import CorruptRef
from lxgit.operations import stashing
from lxgit.operations.branches import create_branch, drop_branch
from lxgit.operations.changed import NothingChanged
from lxgit.operations.containers import remove_container
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.moving import checkout_container, reset, restore
from lxgit.operations.placing import Conflicts
from lxgit.operations.prune import prune
from lxgit.operations.stashing import NoStash, drop, find_stash, list_stashes, pop, push
from lxgit.runtime import erasing
from tests.operations.conftest import killed_behind
from tests.operations.test_commit import changed, content
from tests.operations.test_moving import CHANGE, CHANGED
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener, copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.operations.values import Popped, Stash
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def web(lab: Lab) -> Iterator[Lab]:
    """A container `c` of `base` that has changes; the store is sound at the end."""
    lab.run("c", CHANGE)
    yield lab
    assert list(fsck(lab.repository, progress=Listener())) == []


def put_away(lab: Lab, message: str | None = None) -> Stash:
    return push(lab.repository, "c", message, identity=WHO, progress=lab.listener)


def back(lab: Lab, which: str | None = None) -> Popped:
    return pop(lab.repository, "c", which, identity=WHO, progress=lab.listener)


def put_back(lab: Lab, path: bytes, source: str) -> None:
    restore(lab.repository, "c", [path], source, identity=WHO, progress=lab.listener)


@pytest.fixture
def other(web: Lab) -> Lab:
    """The same with a branch `other` that has a commit more than `base`."""
    create_branch(web.repository, "other", "base", force=False, identity=WHO)
    web.run("n", "echo new > /etc/motd; echo theirs > /etc/mine", image="other")
    web.commit("n")
    return web


def test_put_away_and_back(web: Lab) -> None:
    stash = put_away(web)
    assert changed(web, "c") == {}
    assert stash.parent == web.tip("base")
    assert stash.message.startswith(f"WIP on base: {stash.parent[:12]} ")
    assert content(web, f"{stash.oid}:/d/x") == b"x\n"
    with pytest.raises(NothingChanged):
        put_away(web)
    assert back(web).paths == len(CHANGED)
    assert changed(web, "c") == CHANGED
    inodes = {(web.container("c").upper / name).stat().st_ino for name in ("d/x", "d/y")}
    assert len(inodes) == 1
    with pytest.raises(NoStash):
        back(web)


def test_gc_leaves_it_alone_until_it_goes(web: Lab) -> None:
    old = put_away(web, "the\nfirst")
    assert old.message == "On base: the first"
    web.start("c")
    young = put_away(web)
    drop(web.repository, "c", "stash@{0}", identity=WHO)
    gc(web.repository, now=True, progress=web.listener)
    web.repository.objects.scan()
    assert [one.oid for one in list_stashes(web.repository)] == [old.oid]
    assert from_hex(young.oid) not in web.repository.objects
    assert back(web).paths == len(CHANGED)
    web.start("c")


def test_onto_another_commit_and_other_changes(other: Lab) -> None:
    lab = other
    put_back(lab, b"/etc/mine", "base")
    moved = checkout_container(
        lab.repository, "other", "c", stash=True, identity=WHO, progress=lab.listener
    )
    assert (moved.branch, moved.carried, moved.kept) == ("other", 0, None)
    assert changed(lab, "c") == {}
    put_back(lab, b"/etc/motd", "base")
    assert back(lab).paths == len(CHANGED) - 1
    assert changed(lab, "c") == {
        **{path: kind for path, kind in CHANGED.items() if path != b"etc/mine"}, b"etc/motd": "M",
    }  # fmt: skip


def test_what_is_in_the_way_leaves_everything_as_it_was(other: Lab) -> None:
    lab = other
    checkout_container(
        lab.repository, "other", "c", stash=True, identity=WHO, progress=lab.listener
    )
    with pytest.raises(Conflicts) as caught:
        back(lab)
    assert caught.value.paths == (b"etc/mine",)
    assert "stash@{0} is still there" in (caught.value.hint or "")
    assert changed(lab, "c") == {}
    (stash,) = list_stashes(lab.repository, "c")
    way_out = f"'lxgit checkout {stash.parent[:12]} c' first"
    assert f"the commit differs there from the stash's: {way_out}" in (caught.value.hint or "")
    checkout_container(lab.repository, stash.parent, "c", identity=WHO, progress=lab.listener)
    assert back(lab).paths == len(CHANGED)


def test_what_the_container_has_changed_itself_is_in_the_way(web: Lab) -> None:
    put_away(web)
    web.start("c")  # its changes again, of another time
    with pytest.raises(Conflicts) as caught:
        back(web)
    assert (caught.value.hint or "").endswith("'lxgit restore' what is in its way first")


def test_a_clean_one_is_moved_without_a_stash(other: Lab) -> None:
    reset(other.repository, "c", identity=WHO, progress=other.listener)
    moved = checkout_container(
        other.repository, "other", "c", stash=True, identity=WHO, progress=other.listener
    )
    assert moved.stashed is None
    assert list_stashes(other.repository, "c") == []


def test_they_are_numbered_from_the_youngest(web: Lab) -> None:
    made = [put_away(web)]
    for _ in range(10):  # so that numbers have two digits
        web.start("c")
        made.append(put_away(web))
    listed = list_stashes(web.repository, "c")
    assert [one.oid for one in listed] == [one.oid for one in reversed(made)]
    assert [one.name for one in listed[:2]] == ["stash@{0}", "stash@{1}"]
    assert drop(web.repository, "c", "10", identity=WHO).oid == made[0].oid
    with pytest.raises(NoStash):
        drop(web.repository, "c", "10", identity=WHO)


def test_they_go_with_the_container(web: Lab) -> None:
    put_away(web)
    gone = remove_container(web.repository, "c", force=False)
    assert (gone.uncommitted, gone.stashes) == (0, 1)
    assert list(web.repository.refs.list("refs/lxgit/")) == []


def test_they_stay_while_the_container_is_out_of_sight(web: Lab) -> None:
    """Nothing else has them, and what the container stood on may be on no branch."""
    web.commit("c", "topic")
    stood = from_hex(web.container("c").config.commit)
    drop_branch(web.repository, "topic", stood, WHO)
    web.start("c")
    stash = put_away(web)
    place, aside = web.repository.containers_dir, web.repository.path / "elsewhere"
    place.rename(aside)
    list(fsck(web.repository, repair=True, progress=Listener()))
    prune(web.repository, progress=Listener())
    gc(web.repository, now=True, progress=Listener())
    told = list(fsck(web.repository, progress=Listener()))
    assert all("is gone, and nobody deleted it" in one.message for one in told)
    [hint] = [str(one.hint) for one in told if one.message.endswith(": a stash of it is there")]
    assert f"'lxgit branch NAME {stash.oid[:12]}' keeps what that is" in hint
    shutil.rmtree(place)
    aside.rename(place)
    web.repository.objects.scan()
    assert stood in web.repository.objects
    assert back(web).paths > 0


def test_a_deletion_that_was_killed_is_one(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    put_away(web)
    with killed_behind(monkeypatch, erasing, "erase"):
        remove_container(web.repository, "c", force=False)
    assert list(web.repository.refs.list("refs/lxgit/")) != []
    assert list(fsck(web.repository, progress=Listener())) == []
    prune(web.repository, progress=Listener())
    assert list(web.repository.refs.list("refs/lxgit/")) == []
    assert not list(web.repository.containers_dir.glob(".gone-*"))


def test_what_a_deleted_one_took_is_free_before_its_refs_go(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk has no room for a lock, and is full until then."""
    put_away(web)
    monkeypatch.setattr(filelock, "_PATIENCE", 0.1)
    lock = web.repository.git_dir / "packed-refs.lock"
    lock.touch()
    remove_container(web.repository, "c", force=False)
    (gone,) = web.repository.containers_dir.glob(".gone-*")
    assert os.listdir(gone) == []
    prune(web.repository, progress=Listener())  # it goes on without
    lock.unlink()
    assert list(fsck(web.repository, progress=Listener())) == []
    prune(web.repository, progress=Listener())
    assert list(web.repository.refs.list("refs/lxgit/")) == []
    assert not gone.exists()


def test_one_whose_refs_cannot_go_is_in_no_others_way(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelock, "_PATIENCE", 0.1)
    web.run("d", "true")
    lock = web.repository.git_dir / f"{PINS}{web.container('c').id}.lock"
    lock.touch()
    remove_container(web.repository, "c", force=False)
    d = web.container("d").id
    remove_container(web.repository, "d", force=False)
    assert list(web.repository.refs.list(f"{PINS}{d}")) == []
    lock.unlink()
    prune(web.repository, progress=Listener())
    assert list(web.repository.refs.list(PINS)) == []


def test_a_commit_that_is_made_is_told_while_packed_refs_is_locked(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the container no longer needs goes the next time."""
    monkeypatch.setattr(filelock, "_PATIENCE", 0.1)
    lock = web.repository.git_dir / "packed-refs.lock"
    lock.touch()
    made = web.commit("c")
    lock.unlink()
    assert web.tip("base") == made.oid


def test_one_that_a_backup_brings_back_has_its_stashes(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_away(web)
    path = web.container("c").path
    saved = copied(path, web.repository.path / "saved")
    with killed_behind(monkeypatch, erasing, "erase"):
        remove_container(web.repository, "c", force=False)
    saved.rename(path)
    list(fsck(web.repository, repair=True, progress=Listener()))  # its name and ids are its again
    assert not list(path.parent.glob(".gone-*"))
    assert back(web).paths == len(CHANGED)


@pytest.mark.parametrize("step", ["put_aside", "place", "show"])
def test_a_crash_loses_nothing(web: Lab, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    act: Callable[[Lab], object] = put_away
    if step == "show":
        put_away(web)
        act = back
    with killed_behind(monkeypatch, stashing, step):
        act(web)
    assert len(list_stashes(web.repository, "c")) == 1
    assert changed(web, "c") == ({} if step == "place" else CHANGED)


def test_fsck_says_whose_a_damaged_one_is(web: Lab) -> None:
    """The list has it too, and it can be dropped."""
    put_away(web)
    web.start("c")
    young = put_away(web)
    ref = web.repository.git_dir / f"refs/lxgit/containers/{web.container('c').id}-stash-1"
    ref.write_text("1" * 40 + "\n")
    assert ("container c",) in {one.affected for one in fsck(web.repository, progress=Listener())}
    listed, damaged = list_stashes(web.repository, "c")
    assert (listed.oid, listed.is_damaged) == (young.oid, False)
    assert (damaged.name, damaged.oid, damaged.is_damaged) == ("stash@{1}", "1" * 40, True)
    assert damaged.message.startswith("damaged: object 1111")
    with pytest.raises(MissingObject):
        find_stash(web.repository, "c", "1")
    assert drop(web.repository, "c", "1", identity=WHO).name == "stash@{1}"


@pytest.mark.parametrize("end", ["x", "01", "1_0", "\u0661", ""])
def test_a_ref_that_is_only_named_as_one_is_in_no_way(web: Lab, end: str) -> None:
    """It ended `stash list`, and no command deleted the container. fsck tells of it."""
    ref = f"refs/lxgit/containers/{web.container('c').id}-stash-{end}"
    git = StockGit(web.repository.git_dir)
    git("update-ref", ref, "base")
    made = put_away(web)
    assert [stash.oid for stash in list_stashes(web.repository)] == [made.oid]
    back(web)
    [told] = fsck(web.repository, progress=Listener())
    assert ref in told.message
    assert told.affected == ("container c",)
    assert f"update-ref -d {ref}'" in str(told.hint)
    assert remove_container(web.repository, "c", force=False).stashes == 0
    assert list(web.repository.refs.list("refs/lxgit/")) == []


@pytest.mark.parametrize("content", ["", "junk\n"])
def test_one_whose_ref_is_damaged_comes_back_as_fsck_says(web: Lab, content: str) -> None:
    """It said that nothing says what it was; who removed the file as told lost it with gc."""
    put_away(web)
    back(web)
    made = put_away(web)
    ref = f"refs/lxgit/containers/{web.container('c').id}-stash-1"
    path = web.repository.git_dir / ref
    path.write_text(content)
    told = {one.hint for one in fsck(web.repository, progress=Listener()) if one.affected}
    short = made.oid[:12]
    assert told == {f"'lxgit branch NAME {short}' keeps what it was; then remove '{path}'"}
    web.start("c")
    with pytest.raises(CorruptRef) as refused:
        put_away(web)
    assert "'lxgit fsck' says" in str(refused.value.hint)
    create_branch(web.repository, "kept", short, force=False, identity=WHO)
    path.unlink()
    gc(web.repository, now=True, progress=Listener())
    assert web.repository.revisions.resolve("kept") == from_hex(made.oid)


def test_one_that_nothing_tells_of(web: Lab) -> None:
    ref = f"refs/lxgit/containers/{web.container('c').id}-stash-1"
    path = web.repository.git_dir / ref
    path.write_text("")
    told = {one.hint for one in fsck(web.repository, progress=Listener()) if one.affected}
    assert told == {f"nothing says what it was: remove '{path}'"}
    path.unlink()
