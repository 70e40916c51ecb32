"""A container that is deleted while a command is at it: `run --rm` does that at any moment."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.errors import LxgitError
from lxgit.operations import changed, committing, lookup, moving, undo, views, worktree
from lxgit.operations.committing import CommitRequest
from lxgit.operations.containers import remove_container
from lxgit.repository import open_repository
from lxgit.runtime import containers as records
from lxgit.runtime.index import NoSuchContainer
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from lxgit.repository import Repository
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def web(lab: Lab) -> Lab:
    """Two containers that have changed, `web` and `db`."""
    for name in ("web", "db"):
        lab.run(name, "mkdir -p /d; cat /proc/uptime >/d/x")  # something else each time
    return lab


def goes_before(monkeypatch: pytest.MonkeyPatch, web: Lab, module: ModuleType, name: str) -> None:
    """Delete `web` when a function is called, before it does what it does."""
    inner = getattr(module, name)
    calls: list[object] = []

    def late(*arguments: Any, **options: Any) -> Any:
        if not calls:
            calls.append(arguments)
            remove_container(open_repository(web.repository.path), "web", force=False)
        return inner(*arguments, **options)

    monkeypatch.setattr(module, name, late)


@pytest.mark.parametrize("look", [lookup.find_container, lookup.classify])
def test_it_is_looked_for(
    web: Lab, monkeypatch: pytest.MonkeyPatch, look: Callable[[Repository, str], object]
) -> None:
    """It has been found by its name, and is deleted before its record is read."""
    goes_before(monkeypatch, web, records, "load")
    with pytest.raises(LxgitError, match="'web'") as caught:
        look(web.repository, "web")
    assert "did you mean" not in (caught.value.hint or "")


@pytest.mark.parametrize("place", ["read_upper", "restore_times"])
def test_others_are_looked_at(web: Lab, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """What is asked of all containers of a branch passes over it."""
    with monkeypatch.context() as patch:
        goes_before(patch, web, worktree, place)
        found = changed.status(web.repository)
    assert [one.container.name for one in found.containers] == ["db"]


def test_the_only_one_is_looked_for(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_before(monkeypatch, web, worktree, "read_upper")
    assert changed.only_changed(web.repository, "commit").config.name == "db"


def test_who_stays_on_a_branch_is_looked_for(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_before(monkeypatch, web, worktree, "read_upper")
    (row,) = changed.changed_containers_of(web.repository, "base")
    assert row.name == "db"


def test_it_is_compared(web: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = contextlib.ExitStack()
    goes_before(monkeypatch, web, worktree, "read_upper")
    with pytest.raises(NoSuchContainer, match="'web' has just been deleted"):
        stack.enter_context(views.compare(web.repository, ["web"]))


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
    goes_before(monkeypatch, web, undo, place)
    again = open_repository(web.repository.path)
    assert undo.undo(again, identity=WHO, progress=Listener()).message == "restore: web"
    done, _ = web.repository.operations.read()
    assert "restore: web" not in [one.message for one in done]
