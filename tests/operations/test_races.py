"""Two commands at once about one thing: what either was told to have done stays done."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lxgit import locks
from lxgit.locks import LockHeld, locked, on_wait
from lxgit.objects.refs import HeadElsewhere, RefMoved
from lxgit.operations import attached, branches, finding, running
from lxgit.operations import undo as undoing
from lxgit.operations.branches import (
    checkout,
    create_branch,
    delete_branch,
    list_branches,
    rename_branch,
)
from lxgit.operations.containers import remove_container
from lxgit.operations.fsck import fsck
from lxgit.operations.launching import start_detached
from lxgit.operations.lookup import AlreadyRunning
from lxgit.operations.naming import set_ref
from lxgit.operations.prune import prune
from lxgit.operations.undo import undo
from lxgit.records import replace
from lxgit.repository import open_repository
from lxgit.runtime import containers as records
from lxgit.runtime import index, rundir
from lxgit.runtime.containers import edited
from lxgit.runtime.index import NoSuchContainer
from tests.support.stores import WHO, Listener
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lxgit.operations.containerrows import ContainerRow
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def web(lab: Lab) -> Lab:
    """A container on a branch that is not HEAD's."""
    create_branch(lab.repository, "topic", "base", force=False, identity=WHO)
    lab.run("web", "echo mine >/etc/motd", image="topic")
    return lab


def test_a_deleted_branch_leaves_the_rest_of_a_record(web: Lab) -> None:
    """Whatever was changed of it after the containers of the branch had been looked for."""
    stale = web.container("web")
    with edited(stale) as now:
        now.configured(replace(now.config, labels=("changed=meanwhile",)))
    attached.detach(web.repository, [stale], WHO)
    config = web.container("web").config
    assert (config.branch, config.labels) == (None, ("changed=meanwhile",))


def test_a_container_that_is_on_another_branch_by_now_stays_there(web: Lab) -> None:
    stale = web.container("web")
    attached.detach(web.repository, [stale], WHO, onto="base")
    assert attached.detach(web.repository, [stale], WHO) == ()
    assert web.row("web").branch == "base"


def test_what_is_committed_to_a_branch_comes_along_when_it_is_renamed(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = attached.detach

    def late(
        repository: Repository, containers: Iterable[Container], *rest: object, **more: object
    ) -> tuple[ContainerRow, ...]:
        web.commit("web")
        return inner(repository, containers, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(attached, "detach", late)
    rename_branch(web.repository, "topic", "renamed", force=False, identity=WHO)
    assert [row.name for row in list_branches(web.repository)] == ["base", "renamed"]
    assert web.tip("renamed") == web.row("web").commit != web.tip("base")
    assert web.row("web").branch == "renamed"
    assert list(fsck(web.repository, progress=Listener())) == []


def test_head_that_is_elsewhere_by_now_stays_there(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was told so has moved it while a branch was renamed, and while that is undone."""
    create_branch(web.repository, "other", "base", force=False, identity=WHO)

    def late(*values: Any, **named: Any) -> None:
        set_ref(*values, **named)
        checkout(web.repository, "other", identity=WHO)

    with monkeypatch.context() as patched:
        patched.setattr(branches, "set_ref", late)
        rename_branch(web.repository, "base", "renamed", force=False, identity=WHO)
    assert web.repository.refs.head() == "refs/heads/other"
    assert [row.name for row in list_branches(web.repository)] == ["other", "renamed", "topic"]
    checkout(web.repository, "renamed", identity=WHO)
    web.repository.operations.next_operation()
    rename_branch(web.repository, "renamed", "base", force=False, identity=WHO)
    store = open_repository(web.repository.path)
    monkeypatch.setattr(undoing, "set_ref", late)
    with pytest.raises(HeadElsewhere, match="it is on 'other'"):
        undo(store, identity=WHO, progress=Listener())
    assert store.refs.head() == "refs/heads/other"
    assert {"base", "renamed"} <= {row.name for row in list_branches(store)}


def test_a_name_that_goes_from_a_container_to_a_branch_is_not_of_two(
    web: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`fsck` reads the ones after the others."""
    inner = index.container_names

    def late(containers: Path) -> dict[str, str]:
        names = inner(containers)
        monkeypatch.undo()
        running.rename(web.repository, "web", "other")
        create_branch(web.repository, "web", "base", force=False, identity=WHO)
        return names

    monkeypatch.setattr(index, "container_names", late)
    assert list(fsck(web.repository, progress=Listener())) == []
    assert web.tip("web") == web.tip("base")


@pytest.mark.timeout(300)
def test_prune_does_not_wait_for_a_container_that_waits_for_the_layers(web: Lab) -> None:
    container = web.container("web")
    left = container.path / "upper.other"
    left.mkdir()
    with edited(container):
        prune(web.repository, progress=Listener())
        assert left.exists()
    prune(web.repository, progress=Listener())
    assert not left.exists()


def test_heads_branch_is_not_deleted_by_who_saw_another_head(web: Lab) -> None:
    """The look at HEAD and the deletion are one, as are a checkout's look and its move."""
    seen = web.repository.refs.read("refs/heads/base")
    checkout(web.repository, "topic", identity=WHO)
    delete_branch(web.repository, "base", force=True, identity=WHO)
    with pytest.raises(RefMoved, match="is gone"):
        web.repository.refs.set_head("refs/heads/base", message="late", who=WHO.committer)
    assert web.repository.refs.head() == "refs/heads/topic"
    create_branch(web.repository, "base", seen.hex() if seen else "", force=False, identity=WHO)


def test_the_list_of_containers_is_only_changed_by_its_owner(web: Lab) -> None:
    """A name that a crash left is not removed by who reads, but it is free."""
    link = web.repository.containers_dir / ".names/left"
    link.symlink_to("0" * 64)
    with locked(web.repository.containers_dir / ".lock", what="the list"):
        assert [name for _, name in finding.complete_containers(web.repository)] == ["web"]
    assert link.is_symlink()
    web.run("left", "true")
    assert web.row("left").id == link.readlink().name
    prune(web.repository, progress=Listener())
    assert link.is_symlink()


def test_a_name_that_is_missing_from_the_list_is_entered_again(web: Lab) -> None:
    (web.repository.containers_dir / ".names/web").unlink()
    (problem,) = fsck(web.repository, progress=Listener())
    assert "its name 'web' is not its" in problem.message
    assert [one.repaired for one in fsck(web.repository, repair=True, progress=Listener())] == [
        True
    ]
    assert list(fsck(web.repository, progress=Listener())) == []
    assert web.container("web").config.name == "web"


def test_what_is_started_while_it_is_about_to_be_deleted_stays(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run("web", "[ -e /lives ] || exec touch /lives; sleep 600")
    inner = records.edited

    def late(container: Container, **more: bool) -> AbstractContextManager[Container]:
        monkeypatch.undo()
        start_detached(lab.repository, "web", progress=Listener())
        return inner(container, **more)

    monkeypatch.setattr(records, "edited", late)
    with pytest.raises(AlreadyRunning):
        remove_container(lab.repository, "web", force=False)
    assert lab.container("web").is_running
    remove_container(lab.repository, "web", force=True)


def test_the_end_of_one_that_has_gone_is_not_taken_for_success(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.run("web", "exit 3")
    found = lab.container("web")
    assert running.wait(lab.repository, "web") == 3
    remove_container(lab.repository, "web", force=False)
    monkeypatch.setattr(running, "find_container", lambda *_: found)
    with pytest.raises(NoSuchContainer):
        running.wait(lab.repository, "web")


def held_elsewhere(path: Path) -> AbstractContextManager[subprocess.Popen[str]]:
    """Another process that has a lock; it lets go when its input ends."""
    hold = (
        "import fcntl, os, sys\n"
        "fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)\n"
        "print(flush=True); sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", hold, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def heard() -> Iterator[list[str]]:
    """What is told of waiting meanwhile, a line each."""
    told: list[str] = []
    on_wait(told.append)
    try:
        yield told
    finally:
        on_wait(lambda _: None)


@pytest.fixture
def impatient() -> Iterator[pytest.MonkeyPatch]:
    """Nobody is waited for longer than that is told of, until this is undone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "LAST_STEPS", 0.2)
        patch.setattr(locks, "TOLD_AFTER", 0.1)
        yield patch


def test_a_damaged_container_that_another_command_has_stays(
    web: Lab, impatient: pytest.MonkeyPatch
) -> None:
    """It is waited for, which is told, and no longer than for the last steps of a supervisor."""
    container = web.container("web")
    claim = rundir.CONTAINERS / container.id
    wait_until(lambda: not claim.exists())  # its own supervisor is at its last steps
    (container.path / "config.json").write_text("{")
    with held_elsewhere(container.path / "lock") as owner, heard() as told:
        assert owner.stdout is not None
        owner.stdout.readline()
        what = f"container {container.id[:12]} is in use"
        with pytest.raises(LockHeld, match=f"{what} by process {owner.pid} "):
            remove_container(web.repository, container.id, force=True)
        owner.communicate()
    (line,) = told
    assert line.startswith(f"waiting for process {owner.pid} (")
    assert line.endswith(f"): {what}")
    impatient.undo()
    assert remove_container(web.repository, container.id, force=True).container.id == container.id


def test_whoever_is_at_what_a_killed_supervisor_left_is_told(
    lab: Lab, impatient: pytest.MonkeyPatch
) -> None:
    """And named in the end: it is no copy of the store that is in the way."""
    lab.run("web", "true")
    container = lab.container("web")
    claim = rundir.CONTAINERS / container.id
    wait_until(lambda: not claim.exists())
    unseen = rundir.RUN / container.id  # until it is locked, or whoever comes by sweeps it up
    unseen.mkdir()
    with held_elsewhere(unseen) as owner, heard() as told:
        assert owner.stdout is not None
        owner.stdout.readline()
        unseen.rename(claim)
        with pytest.raises(LockHeld, match=f"container 'web' is in use by process {owner.pid} "):
            remove_container(lab.repository, "web", force=False)
        owner.communicate()
    (line,) = told
    assert line.startswith(f"waiting for process {owner.pid} (")
    impatient.undo()  # who sweeps up at this moment is waited for
    assert remove_container(lab.repository, "web", force=False).container.name == "web"
    assert not claim.exists()
