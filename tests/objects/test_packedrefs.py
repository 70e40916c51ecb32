"""Deleting refs beside stock Git, which packs them: what was said to be gone stays gone."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import filelock
from lxgit.objects.refs import ANY, CorruptRef, RefLocked, RefStore
from tests.conftest import unable
from tests.objects.conftest import BASE, WHO, put
from tests.support.machine import lacks_program
from tests.support.stockgit import ENVIRONMENT
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.ids import ObjectID
    from tests.support.stockgit import StockGit


@contextmanager
def packing(stock: StockGit) -> Iterator[None]:
    """Meanwhile Git has written all refs into the new packed-refs, and is about to rename it."""
    if reason := lacks_program("strace"):
        unable(reason)
    tracing = ("strace", "-o", "/dev/null", "--trace=rename")
    delay = "--inject=rename:delay_enter=3000000"  # microseconds
    git = ("git", f"--git-dir={stock.git_dir}", "pack-refs", "--all")
    with subprocess.Popen([*tracing, delay, *git], env=ENVIRONMENT) as process:
        new = stock.git_dir / "packed-refs.new"
        wait_until(lambda: new.exists() and new.stat().st_size)
        yield
    assert process.returncode == 0


@pytest.mark.parametrize("name", [BASE, "refs/lxgit/containers/1-stash-1"])
def test_what_git_is_about_to_pack_is_not_back(
    refs: RefStore,
    stock: StockGit,
    commits: list[ObjectID],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(filelock, "_PATIENCE", 60.0)
    put(refs, name, commits[0])
    put(refs, "refs/heads/other", commits[1])
    with packing(stock):
        put(refs, name, None, commits[0])
    assert refs.read(name) is None
    assert refs.list("refs/heads/other") == {"refs/heads/other": commits[1]}
    assert "other" not in {path.name for path in (stock.git_dir / "refs/heads").iterdir()}


def test_what_is_dropped_neither(
    refs: RefStore, stock: StockGit, commits: list[ObjectID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filelock, "_PATIENCE", 60.0)
    put(refs, BASE, commits[0])
    with packing(stock):
        refs.drop(BASE)
    assert refs.list() == {}


def test_what_cannot_be_deleted_is_not_told_of(
    refs: RefStore, stock: StockGit, commits: list[ObjectID]
) -> None:
    put(refs, BASE, commits[0])
    stock("pack-refs", "--all")
    packed = stock.git_dir / "packed-refs"
    lock = stock.git_dir / "packed-refs.lock"
    lock.touch()
    with pytest.raises(RefLocked):
        put(refs, BASE, None, commits[0])
    lock.unlink()
    put(refs, "refs/heads/loose", commits[1])
    good = packed.read_bytes()
    packed.write_bytes(good + b"rubbish\n")
    with pytest.raises(CorruptRef):
        refs.update("refs/heads/loose", None, old=ANY, message="test", who=WHO)
    packed.write_bytes(good)
    assert refs.deleted() == ()
    assert refs.list() == {BASE: commits[0], "refs/heads/loose": commits[1]}
