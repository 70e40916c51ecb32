"""What moved the files of a container is undone, and done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.objects.operationlog import Stand
from lxgit.operations import moving, stashing
from lxgit.operations.branches import create_branch
from lxgit.operations.containers import remove_container
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.launching import start_detached
from lxgit.operations.placing import ContainerRuns
from lxgit.operations.standing import ChangedSince, put_back
from lxgit.operations.undo import NothingToUndo, undo
from lxgit.operations.undosteps import GoneSince
from lxgit.repository import open_repository
from lxgit.runtime.containers import LostUpper
from tests.operations.test_commit import changed, content
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lxgit.operations.values import Undone
    from lxgit.repository import Repository
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

SCRIPT = """
[ -e /wait ] && exec sleep 60
[ -e /d ] && exit
mkdir /d; echo x > /d/x; ln /d/x /d/y; rm /etc/profile
"""
CHANGED = {b"etc/profile": "D", b"d": "A", b"d/x": "A", b"d/y": "A"}


@pytest.fixture
def web(lab: Lab) -> Iterator[Lab]:
    """A branch `other` with a commit more than `base`; a container `c` of `base`, changed."""
    create_branch(lab.repository, "other", "base", force=False, identity=WHO)
    lab.run("n", "echo new > /etc/motd; rm -r /var/log", image="other")
    lab.repository.operations.next_operation()
    lab.commit("n")
    lab.run("c", SCRIPT)
    yield lab
    assert list(fsck(lab.repository, progress=Listener())) == []


def checkout(repository: Repository, *, merge: bool = False, stash: bool = False) -> None:
    moving.checkout_container(
        repository, "other", "c", merge=merge, stash=stash, identity=WHO, progress=Listener()
    )


def reset(repository: Repository) -> None:
    moving.reset(repository, "c", identity=WHO, progress=Listener())


def restore(repository: Repository, path: bytes = b"/d", source: str | None = None) -> None:
    moving.restore(repository, "c", [path], source, identity=WHO, progress=Listener())


def new_motd(repository: Repository) -> None:
    restore(repository, b"/etc/motd", "other")


def push(repository: Repository) -> None:
    stashing.push(repository, "c", None, identity=WHO, progress=Listener())


def pop(repository: Repository) -> None:
    stashing.pop(repository, "c", identity=WHO, progress=Listener())


def drop(repository: Repository) -> None:
    stashing.drop(repository, "c", None, identity=WHO)


def merge(repository: Repository) -> None:
    checkout(repository, merge=True)


def put_away(repository: Repository) -> None:
    checkout(repository, stash=True)


def back(
    lab: Lab,
    *,
    redo: bool = False,
    dry_run: bool = False,
    force: bool = False,
    listener: Listener | None = None,
) -> Undone:
    repository = open_repository(lab.repository.path)
    return undo(
        repository,
        redo=redo,
        dry_run=dry_run,
        force=force,
        identity=WHO,
        progress=listener or Listener(),
    )


def state(lab: Lab) -> object:
    """All that one sees of the container."""
    row = lab.row("c")
    stashes = stashing.list_stashes(lab.repository, "c")
    return row.commit, row.branch, row.image, changed(lab, "c"), [one.oid for one in stashes]


COMMANDS: dict[str, tuple[list[Callable[[Repository], None]], str]] = {
    "checkout": ([reset, checkout], "checkout: moving c from base to other"),
    "checkout --merge": ([merge], "checkout: moving c from base to other"),
    "checkout --stash": ([put_away], "checkout: moving c from base to other"),
    "reset": ([reset], "reset: c"),
    "restore": ([restore], "restore: c"),
    "stash push": ([push], "stash push: c"),
    "stash pop": ([push, pop], "stash pop: c"),
    "stash pop onto changes": ([push, new_motd, pop], "stash pop: c"),
    "stash pop elsewhere": ([push, checkout, pop], "stash pop: c"),
    "stash drop": ([push, drop], "stash drop: c"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_there_and_back(web: Lab, name: str) -> None:
    commands, message = COMMANDS[name]
    states = [state(web)]
    for command in commands:
        command(open_repository(web.repository.path))
        states.append(state(web))
    assert back(web, dry_run=True).message == message
    assert state(web) == states[-1]
    gc(web.repository, progress=Listener())
    for expected in reversed(states[:-1]):
        assert [one.kept for one in back(web).containers if one.kept] == []
        assert state(web) == expected
    for expected in states[1:]:
        back(web, redo=True)
        assert state(web) == expected
    assert back(web).message == message
    assert state(web) == states[-2]


def test_what_it_shows_is_whole(web: Lab) -> None:
    reset(open_repository(web.repository.path))
    back(web)
    assert content(web, "c:/d/y") == b"x\n"
    upper = web.container("c").upper
    assert (upper / "d/x").stat().st_ino == (upper / "d/y").stat().st_ino
    assert web.start("c")[0] == 0
    web.repository.operations.next_operation()
    web.commit("c")
    assert back(web).message.startswith("commit: ")
    assert changed(web, "c") == CHANGED


def test_one_that_has_changed_since_refuses(web: Lab) -> None:
    checkout(open_repository(web.repository.path), stash=True)
    web.start("c")
    for dry_run in (True, False):
        with pytest.raises(ChangedSince) as caught:
            back(web, dry_run=dry_run)
        assert "--force" in (caught.value.hint or "")
    assert web.row("c").branch == "other"
    (container,) = back(web, force=True).containers
    kept = container.kept
    assert container.name == "c"
    assert content(web, f"{kept}:/etc/motd") == b"new\n"
    assert content(web, f"{kept}:/d/x") == b"x\n"
    assert (web.row("c").branch, changed(web, "c")) == ("base", CHANGED)
    assert stashing.list_stashes(web.repository) == []


def test_one_that_runs_refuses(web: Lab) -> None:
    restore(open_repository(web.repository.path))
    (web.container("c").upper / "wait").touch()
    start_detached(web.repository, "c", progress=Listener())
    try:
        with pytest.raises(ContainerRuns):
            back(web, force=True)
    finally:
        remove_container(web.repository, "c", force=True)


def test_what_gc_took_does_not_come_back(web: Lab) -> None:
    """Forced to, undo goes on to what came before that."""
    for command in (push, drop):
        command(open_repository(web.repository.path))
    gc(web.repository, now=True, progress=Listener())
    before = state(web)
    with pytest.raises(GoneSince, match="before 'stash drop: c'") as caught:
        back(web)
    assert caught.value.hint == "'lxgit undo --force' goes on to the one before"
    listener = Listener()
    assert back(web, force=True, listener=listener).message.startswith("commit: ")
    assert state(web) == before
    lost = "passed over: what was before '{}' is not in the store: "
    for told, message in zip(listener.warnings, ("stash drop: c", "stash push: c"), strict=True):
        assert told.startswith(lost.format(message))


def test_what_gc_took_is_not_done_again(web: Lab) -> None:
    push(open_repository(web.repository.path))
    repository = open_repository(web.repository.path)
    create_branch(repository, "later", "other", force=False, identity=WHO)
    for message in ("branch: ", "stash push: "):
        assert back(web).message.startswith(message)
    gc(web.repository, now=True, progress=Listener())
    with pytest.raises(GoneSince, match="after 'stash push: c' is not in the store") as caught:
        back(web, redo=True)
    assert caught.value.hint == "'lxgit undo --redo --force' goes on to the one after"
    assert back(web, redo=True, force=True).message.startswith("branch: ")


def test_one_whose_changes_are_lost_refuses(web: Lab) -> None:
    """Before anything moves: neither the branch alone comes back, nor is it half done again."""
    web.repository.operations.next_operation()
    web.commit("c")
    back(web)
    tip = web.tip("base")
    remove_tree(web.container("c").upper)
    for dry_run in (True, False):
        with pytest.raises(LostUpper):
            back(web, redo=True, dry_run=dry_run)
        assert (web.tip("base"), web.row("c").commit) == (tip, tip)
    assert len(list(fsck(web.repository, repair=True, progress=Listener()))) == 1
    back(web, redo=True)
    assert web.tip("base") == web.row("c").commit != tip


def test_one_that_has_gone_is_passed_over(web: Lab) -> None:
    for command in (push, drop, new_motd):
        command(open_repository(web.repository.path))
    gone = web.container("c").config.id[:12]
    for name in ("c", "n"):
        remove_container(web.repository, name, force=False)
    listener = Listener()
    assert back(web, listener=listener).message.startswith("commit: ")
    assert listener.warnings == [
        f"passed over '{message}: c': container {gone} is gone"
        for message in ("restore", "stash drop", "stash push")
    ]
    assert list(web.repository.refs.list("refs/lxgit/containers/")) == []
    assert back(web).message.startswith("import: ")
    with pytest.raises(NothingToUndo):
        back(web)


def test_an_undo_that_was_cut_short_is_completed(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(web)
    checkout(open_repository(web.repository.path), stash=True)

    def crash(*_: object) -> None:
        pytest.fail("killed", pytrace=False)

    with monkeypatch.context() as patch:
        patch.setattr("lxgit.operations.undo._move", crash)
        with pytest.raises(pytest.fail.Exception):
            back(web)
    assert changed(web, "c") == CHANGED
    assert len(stashing.list_stashes(web.repository)) == 1
    back(web)
    assert state(web) == before


def test_one_that_another_command_has_moved_meanwhile_stays(web: Lab) -> None:
    config = web.container("c").config
    elsewhere = Stand("0" * 40, config.branch)
    with pytest.raises(ChangedSince, match="'c' has changed since"):
        put_back(web.repository, config.id, elsewhere, Stand(config.commit, None), WHO)
    assert web.container("c").config == config
