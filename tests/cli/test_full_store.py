"""A store whose disk is full: it is told in a line, nothing is lost, and later it works."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import ObjectType
from lxgit.operations.stashing import list_stashes
from lxgit.repository import open_repository
from tests.cli.conftest import copied
from tests.support import disks
from tests.support.program import Lxgit
from tests.support.rlimits import file_size
from tests.torture.verdict import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

COMMANDS = {
    "branch": ["branch", "new"],
    "branch -D": ["branch", "-D", "base"],
    "branch -m": ["branch", "-m", "base", "better"],
    "checkout": ["checkout", "base"],
    "tag": ["tag", "r1"],
    "tag -a": ["tag", "-a", "-m", "x" * 9000, "r1"],
    "tag -d": ["tag", "-d", "noted"],
    "rmi": ["rmi", "noted"],
    "commit": ["commit", "-m", "One", "web"],
    "undo": ["undo"],
    "stash": ["stash", "push", "web"],
    "reset": ["reset", "--hard", "web"],
    "checkout of a container": ["checkout", "--merge", "base", "web"],
}


@pytest.fixture(scope="module")
def busy_store(grown_store: Path, work_directory: Path) -> Path:
    """A store with a tag and a container `web`, which has changed."""
    made = Lxgit(copied(grown_store, work_directory / "busy"), work_directory)
    made("tag", "-a", "-m", "a note", "noted", "tuned")
    made("run", "--network", "none", "--name", "web", "HEAD", "sh", "-c", "echo hi >/srv/index")
    made("tag", "last")
    return made.store


@contextmanager
def filled(place: Path, blocks: int) -> Iterator[None]:
    """So many blocks of 1 KiB are free, and none of those that are root's alone."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
        os.fsync(file.fileno())
        file.truncate(max(file.tell() - (blocks << 10), 0))
        os.sync()
    try:
        yield
    finally:
        ballast.unlink()
        os.sync()


def state(store: Path) -> tuple[State, list[str]]:
    """Names and what they name, what containers show, and stashes."""
    repository = open_repository(store)
    stashes = [one.oid for one in list_stashes(repository)]
    repository.objects.close()
    return State.of(store), stashes


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_lost_and_what_failed_is_done_later(
    busy_store: Path, scratch: Path, name: str
) -> None:
    """With ever more blocks, so that it fails at other steps, until it is done."""
    home = scratch / "home"
    home.mkdir()
    with disks.small(scratch, 24) as place:
        lxgit = Lxgit(copied(busy_store, place / "store"), home)
        before, failures = state(lxgit.store), []
        for blocks in (0, 1, 4, 8, 16, 400):
            with filled(place, blocks):
                done = lxgit(*COMMANDS[name], code=None)
                after = state(lxgit.store)
            assert after == state(lxgit.store)
            if done.code == 0:
                break
            failures.append(after)
            assert done.code == 1
            fault, hint = done.err.splitlines()
            assert "no space left" in fault or "Out of diskspace" in fault
            assert hint.startswith("hint: free some space")
        assert failures
        assert after != before
        for names, stashes in failures:
            assert names.lost(before[0], after[0]) == []
            assert stashes in (before[1], after[1])
        assert lxgit("fsck").code == 0
        lxgit("start", "-a", "web")
        assert lxgit("show", "web:/srv/index").out == "hi\n"


def test_what_is_done_is_not_told_as_failed(busy_store: Path, lxgit: Lxgit) -> None:
    """A commit that finds many packs makes few of them at its end, for which there is no room."""
    store = copied(busy_store, lxgit.store)
    repository = open_repository(store)
    for _ in range(58):
        with repository.objects.writer() as writer:
            writer.add(ObjectType.BLOB, os.urandom(4096))
            writer.finish().release()
    repository.objects.close()
    with file_size(100 << 10):
        done = lxgit("commit", "-m", "One", "web")
    assert done.out.strip() == lxgit("rev-parse", "tuned").out[:12]
    (warning,) = done.err.splitlines()
    assert warning.startswith("lxgit: warning: the store has many packs")
    assert "File too large" in warning
    left = {name.partition("-")[0] for name in os.listdir(store / "git/objects/pack")}
    assert left == {"pack"}
    assert "web" not in lxgit("status").out
