"""A container that is deleted while a command is at it: `run --rm` does that at any moment."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.content import Below
from lxgit.objects.refnames import PINS
from lxgit.operations import changed, committing, lookup, moving, stashing, undo, worktree
from lxgit.operations.committing import CommitRequest
from lxgit.operations.containers import remove_container
from lxgit.repository import open_repository
from lxgit.runtime import containers as records
from lxgit.runtime.index import NoSuchContainer
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.operations.values import Undone
    from lxgit.repository import Repository
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def web(lab: Lab) -> Lab:
    """Two containers that have changed, `web` and `db`."""
    for name in ("web", "db"):
        lab.run(name, "mkdir -p /d; cat /proc/uptime >/d/x")  # something else each time
    return lab


def goes_before(
    monkeypatch: pytest.MonkeyPatch, web: Lab, place: object, name: str, call: int = 1
) -> None:
    """Delete `web` when a function is called for the nth time, before it does what it does."""
    inner = getattr(place, name)
    calls: list[object] = []

    def late(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == call:
            remove_container(open_repository(web.repository.path), "web", force=False)
        return inner(*arguments, **options)

    monkeypatch.setattr(place, name, late)


@pytest.mark.parametrize("look", [lookup.find_container, lookup.classify])
def test_it_is_looked_for(
    web: Lab, monkeypatch: pytest.MonkeyPatch, look: Callable[[Repository, str], object]
) -> None:
    """It has been found by its name, and is deleted before its record is read."""
    goes_before(monkeypatch, web, records, "load")
    with pytest.raises(LxgitError, match="'web'") as caught:
        look(web.repository, "web")
    assert "did you mean" not in (caught.value.hint or "")


@pytest.fixture(params=[("read_upper", 1), ("read_upper", 2), ("restore_times", 2)])
def going(request: pytest.FixtureRequest, web: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """`web` goes while `db` is looked at, which is looked at first, and while it is itself."""
    place, call = request.param
    goes_before(monkeypatch, web, worktree, place, call)
    return web


def test_all_are_looked_at(going: Lab) -> None:
    found = changed.status(going.repository)
    assert [one.container.name for one in found.containers] == ["db"]


def test_the_only_one_is_looked_for(going: Lab) -> None:
    assert changed.only_changed(going.repository, "commit").config.name == "db"


def test_who_stays_on_a_branch_is_looked_for(going: Lab) -> None:
    (row,) = changed.changed_containers_of(going.repository, "base")
    assert row.name == "db"


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize(
    ("place", "name"),
    [(os, "open"), (worktree, "read_upper"), (Below, "opened")],
    ids=["all", "names", "contents"],
)
def test_it_is_compared(
    web: Lab, monkeypatch: pytest.MonkeyPatch, place: object, name: str, *, busy: bool
) -> None:
    stack = contextlib.ExitStack()
    web_now = web.container("web")
    goes_before(monkeypatch, web, place, name)
    with pytest.raises(NoSuchContainer, match="'web' has just been deleted"):
        stack.enter_context(worktree.open_work_tree(web.repository, web_now, busy=busy))


def test_a_commit_of_it_is_prepared(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_before(monkeypatch, web, worktree, "read_upper")
    with pytest.raises(NoSuchContainer, match="'web' has just been deleted"):
        committing.prepare_commit(web.repository, CommitRequest("web", None))


@pytest.mark.parametrize("place", ["_detached", "_check_unchanged", "_place"])
def test_it_is_put_back(web: Lab, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """One that has gone is no obstacle to an undo, at any of its steps."""
    store = open_repository(web.repository.path)
    moving.restore(store, "web", [b"/d"], None, identity=WHO, progress=Listener())
    if place == "_check_unchanged":
        web.start("web")
    identity = web.container("web").id
    goes_before(monkeypatch, web, undo, place)
    done, warned = undone(web)
    assert done.containers == ()
    assert warned == [f"passed over container {identity[:12]}: it is gone"]


def push(store: Repository) -> None:
    stashing.push(store, "web", None, identity=WHO, progress=Listener())


def drop(store: Repository) -> None:
    stashing.drop(store, "web", None, identity=WHO)


@pytest.mark.parametrize("place", ["_detached", "_take", "_move"])
@pytest.mark.parametrize("command", [push, drop])
def test_its_stash_is_put_back(
    web: Lab, monkeypatch: pytest.MonkeyPatch, place: str, command: Callable[..., object]
) -> None:
    identity = web.container("web").id
    for each in dict.fromkeys((push, command)):
        each(open_repository(web.repository.path))
    goes_before(monkeypatch, web, undo, place)
    _, warned = undone(web)
    assert warned == [f"passed over container {identity[:12]}: it is gone"]
    assert web.repository.refs.list(PINS).keys() == {f"{PINS}{web.container('db').id}"}


def undone(web: Lab) -> tuple[Undone, list[str]]:
    """What was undone, though no name has moved, and what was warned of."""
    listener = Listener()
    done = undo.undo(open_repository(web.repository.path), identity=WHO, progress=listener)
    assert done.moves == ()
    left, _ = web.repository.operations.read()
    assert done.message not in [one.message for one in left]
    return done, listener.warnings
