"""Containers that are out of sight: on a disk that is not mounted, or only in a backup."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.objects import filelock
from lxgit.objects.ids import from_hex
from lxgit.objects.refnames import PINS
from lxgit.operations import launching, pins
from lxgit.operations.branches import drop_branch
from lxgit.operations.containers import remove_container
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.prune import prune
from lxgit.records import replace
from lxgit.runtime import interrupts
from tests.operations.test_commit import changed
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from types import ModuleType

    from lxgit.runtime.containers import Container
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def passes(container: Container) -> None:
    """As if it had been to go, and nobody had lived to see its end."""
    container.configured(replace(container.config, remove=True))


@pytest.fixture
def web(lab: Lab) -> Lab:
    """A container `d` with a change, of a commit that only `topic` and it have."""
    lab.run("c", "echo yours > /yours")
    lab.commit("c", "topic")
    remove_container(lab.repository, "c", force=True)
    lab.run("d", "echo mine > /mine", image="topic")
    return lab


def faults(lab: Lab) -> list[str]:
    return [one.message for one in fsck(lab.repository, progress=Listener()) if one.hint]


def collect(lab: Lab) -> None:
    prune(lab.repository, progress=Listener())
    gc(lab.repository, now=True, progress=Listener())


def drop_topic(lab: Lab) -> None:
    tip = lab.tip("topic")
    assert tip is not None
    drop_branch(lab.repository, "topic", from_hex(tip), WHO)


def kept(lab: Lab) -> list[str]:
    return [ref for ref in lab.repository.refs.list(PINS) if "-base" not in ref]


def killed(lab: Lab, module: ModuleType, step: str) -> None:
    """Have a container `e` of `topic` made by one who is killed where that function is called."""
    child = os.fork()
    if child == 0:
        try:
            setattr(module, step, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
            lab.run("e", "true", image="topic")
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def sees_again(lab: Lab, container: Container, aside: str) -> None:
    """The container is back, and what it stands on is there."""
    os.rename(aside, container.path)
    lab.repository.objects.scan()
    list(fsck(lab.repository, repair=True, progress=Listener()))  # its name and ids are its again
    assert faults(lab) == []
    assert changed(lab, container.config.name).keys() == {b"mine"}


@pytest.mark.parametrize("named", ["not at all", "for a while"])
def test_what_it_was_made_of_stays(web: Lab, named: str) -> None:
    d, aside = web.container("d"), f"{web.repository.path}/elsewhere"
    if named == "not at all":
        drop_topic(web)
    os.rename(d.path, aside)
    collect(web)
    if named == "for a while":
        drop_topic(web)
        collect(web)
    (told,) = faults(web)
    assert "is gone, and nobody deleted it: the commit that it stood on is there" in told
    sees_again(web, d, aside)


def test_what_another_one_was_made_of_as_well_stays(web: Lab) -> None:
    """Be that deleted meanwhile."""
    web.run("e", "echo mine > /mine", image="topic")
    d, aside = web.container("d"), f"{web.repository.path}/elsewhere"
    drop_topic(web)
    os.rename(d.path, aside)
    collect(web)
    remove_container(web.repository, "e", force=False)
    collect(web)
    sees_again(web, d, aside)


def test_one_whose_maker_was_killed_when_it_was_whole_is_kept_as_any(web: Lab) -> None:
    killed(web, launching, "settle")
    e, aside = web.container("e"), f"{web.repository.path}/elsewhere"
    wait_until(lambda: not e.is_running)
    drop_topic(web)
    collect(web)
    os.rename(e.path, aside)
    collect(web)
    assert len(faults(web)) == 1
    os.rename(aside, e.path)
    list(fsck(web.repository, repair=True, progress=Listener()))
    assert faults(web) == []


@pytest.mark.parametrize("has_commit", [True, False])
def test_one_that_was_to_go_and_stays_is_kept_as_any(web: Lab, *, has_commit: bool) -> None:
    d, aside = web.container("d"), f"{web.repository.path}/elsewhere"
    passes(d)
    if has_commit:
        web.commit("d")
    drop_topic(web)
    collect(web)
    os.rename(d.path, aside)
    collect(web)
    assert faults(web) != []
    os.rename(aside, d.path)
    list(fsck(web.repository, repair=True, progress=Listener()))
    assert faults(web) == []


@pytest.mark.parametrize("again", ["fsck", "commit"])
def test_one_whose_ref_was_made_again_is_kept_as_any(web: Lab, again: str) -> None:
    d, aside = web.container("d"), f"{web.repository.path}/elsewhere"
    drop_topic(web)
    StockGit(web.repository.git_dir)("update-ref", "-d", f"{PINS}{d.id}")
    if again == "fsck":
        list(fsck(web.repository, repair=True, progress=Listener()))
    else:
        web.commit("d", "other")
        tip = web.tip("other")
        assert tip is not None
        drop_branch(web.repository, "other", from_hex(tip), WHO)
    os.rename(d.path, aside)
    collect(web)
    assert len(faults(web)) == 1
    os.rename(aside, d.path)
    web.repository.objects.scan()
    list(fsck(web.repository, repair=True, progress=Listener()))
    assert faults(web) == []


def test_a_damaged_ref_keeps_nobody_from_tidying_up(web: Lab) -> None:
    refs = web.repository.git_dir / PINS
    damaged, other = refs / web.container("d").id, refs / ("e" * 64)
    damaged.write_text("zz\n")
    (web.repository.git_dir / "logs" / PINS / damaged.name).unlink()
    other.write_text(f"{web.tip('topic')}\n")
    prune(web.repository, progress=Listener())
    assert not other.exists()
    damaged.unlink()


def test_a_damaged_ref_goes_with_its_container(web: Lab) -> None:
    d = web.container("d")
    (web.repository.git_dir / PINS / d.id).write_text("zz\n")
    remove_container(web.repository, "d", force=False)
    assert web.repository.refs.damaged(PINS) == ()
    assert faults(web) == []


def test_one_that_was_about_to_be_made_leaves_nothing(web: Lab) -> None:
    """Its commit has no other name, and is garbage with it."""
    killed(web, interrupts, "hold_back")
    remove_container(web.repository, "d", force=False)
    drop_topic(web)
    assert len(kept(web)) == 1
    assert faults(web) == []
    collect(web)
    assert kept(web) == []


def test_what_is_left_of_one_that_passes_goes_last_with_what_says_so(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lets go of it may be killed before, and another goes on."""
    d = web.container("d")
    passes(d)
    web.commit("d")
    d.path.rename(web.repository.path / "elsewhere")
    update = web.repository.refs.update
    gone: list[str] = []

    def once(name: str, *arguments: Any, **more: Any) -> None:
        if gone:
            pytest.fail("killed", pytrace=False)
        update(name, *arguments, **more)
        gone.append(name)

    pins.keep_commit(web.repository, d.id, from_hex(d.config.commit), WHO, "before")
    with monkeypatch.context() as patch:
        patch.setattr(web.repository.refs, "update", once)
        with pytest.raises(pytest.fail.Exception, match="killed"):
            prune(web.repository, progress=Listener())
    assert len(gone) == 1
    assert faults(web) == []
    prune(web.repository, progress=Listener())
    assert kept(web) == []


def test_a_deleted_one_whose_refs_are_locked_is_in_nobodys_way(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelock, "_PATIENCE", 0.1)
    lock = web.repository.git_dir / "packed-refs.lock"
    lock.touch()
    remove_container(web.repository, "d", force=False)
    collect(web)
    lock.unlink()
    assert len(kept(web)) == 1
    collect(web)
    assert kept(web) == []
