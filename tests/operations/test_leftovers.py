"""What is left of commands that were killed, lxgit's and git's: who takes it away, and when."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.ids import hex_id
from lxgit.objects.packwriter import KEEP
from lxgit.operations import leftovers
from lxgit.operations.fsck import fsck
from lxgit.operations.gc import gc
from lxgit.operations.prune import prune
from tests.operations.test_gc import BASE, collect, forget, packs, take
from tests.support.processes import group_has_ended
from tests.support.stockgit import StockGit
from tests.support.stores import Listener
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.repository import Repository


LEFT = {
    "git/tmp_0123": b"a ref's new content",
    "git/refs/heads/base.lock": b"lxgit 1\n",
    "git/HEAD.lock": b"lxgit 1\n",
    "git/objects/pack/tmp_pack_AbCdEf": b"PACK",
    "git/objects/pack/.tmp-123-pack-0123.pack": b"PACK",
    "git/objects/12/tmp_obj_AbCdEf": b"x",
    "git/objects/info/commit-graphs/commit-graph-chain.lock": b"",
    "containers/0123/config.json.01234567.tmp": b"{",
    "layers/stacks/0123.01234567.tmp": b"0123",
    "format.01234567.tmp": b"lxgit",
    "tmp/0123": b"an archive",
}


def leave(repository: Repository) -> None:
    for name, content in LEFT.items():
        path = repository.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("verb", ["gc", "prune"])
def test_what_killed_commands_leave(repository: Repository, scratch: Path, verb: str) -> None:
    oid = take(repository, scratch / "root", "text")
    leave(repository)
    if verb == "gc":
        gc(repository, progress=Listener())
    else:
        prune(repository, progress=Listener())
    assert [name for name in LEFT if (repository.path / name).exists()] == []
    assert repository.refs.read(BASE) == oid


def test_what_is_in_use_is_not_left(repository: Repository) -> None:
    """Whatever a process has open, and the lock of one that lives."""
    leave(repository)
    kept = ["git/tmp_0123", "tmp/0123", "containers/0123/config.json.01234567.tmp"]
    files = [(repository.path / name).open("rb") for name in kept]
    leftovers.sweep(repository)
    assert [name for name in LEFT if (repository.path / name).exists()] == sorted(
        kept, key=list(LEFT).index
    )
    for file in files:
        file.close()


def test_what_was_tried_out_is_left_when_it_is_old(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that nobody has open."""
    probe = repository.path / "probe-abcdefgh"
    (probe / "work").mkdir(parents=True)
    leftovers.sweep(repository)
    assert probe.exists()
    monkeypatch.setitem(leftovers._GRACE, "probe-*", 0)
    leftovers.sweep(repository)
    assert not probe.exists()


@contextlib.contextmanager
def git_at_work(cwd: Path | str, *options: str, **settings: str) -> Iterator[None]:
    """A git that has begun, and ends with the context."""
    with subprocess.Popen(
        ["git", *options, "cat-file", "--batch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, **settings},
    ) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        git.stdin.write(b"nothing\n")
        git.stdin.flush()
        assert git.stdout.readline() == b"nothing missing\n"
        yield
        git.stdin.close()


@pytest.mark.parametrize("way", ["inside", "by option", "by setting", "through a link"])
def test_while_git_runs_its_files_are_its_own(
    repository: Repository, tmp_path: Path, way: str
) -> None:
    """However that git was told where the repository is."""
    os.symlink(repository.git_dir, tmp_path / "link")
    works = {
        "inside": lambda: git_at_work(repository.git_dir),
        "by option": lambda: git_at_work(repository.path.parent, "--git-dir=store/git"),
        "by setting": lambda: git_at_work(repository.path, GIT_DIR="git"),
        "through a link": lambda: git_at_work("/", "--git-dir", f"{tmp_path}/link"),
    }
    leave(repository)
    with works[way]():
        leftovers.sweep(repository)
        assert (repository.path / "git/objects/pack/tmp_pack_AbCdEf").exists()
    leftovers.sweep(repository)
    assert not (repository.path / "git/objects/pack/tmp_pack_AbCdEf").exists()


def unindexed(repository: Repository) -> list[str]:
    """A pack as Git leaves it that is killed while it deletes it, and what is left of another.

    Git deletes the index first and the times of a cruft pack last (packfile.c).
    """
    directory = repository.git_dir / "objects/pack"
    pack = next(directory.glob("pack-*.pack"))
    made = [f"pack-{'0' * 40}.pack", f"pack-{'0' * 40}.rev", f"pack-{'1' * 40}.mtimes"]
    for name in made[:2]:
        shutil.copy(pack.with_suffix(f".{name.rpartition('.')[2]}"), directory / name)
    shutil.copy(next(directory.glob("pack-*.mtimes")), directory / made[2])
    return made


def test_packs_whose_index_killed_git_has_deleted(repository: Repository, scratch: Path) -> None:
    """No fault, since nothing of theirs is missed; gc packs them with the others.

    What has no pack is taken away once no git works.
    """
    oid = take(repository, scratch / "root", "text")
    StockGit(repository.git_dir).blob(b"cruft")
    gc(repository, progress=Listener())
    left = set(unindexed(repository))
    kept = repository.git_dir / f"objects/pack/pack-{'2' * 40}.pack"
    for path in (kept, kept.with_suffix(".keep")):
        path.write_bytes(b"of somebody who is at it")
    assert list(fsck(repository, progress=Listener())) == []
    with git_at_work(repository.git_dir):
        gc(repository, progress=Listener())
        assert left & {path.name for path in packs(repository)} == {f"pack-{'1' * 40}.mtimes"}
    gc(repository, progress=Listener())
    assert not left & {path.name for path in packs(repository)}
    assert kept.exists()
    assert oid in repository.objects


def lose_index(repository: Repository, index: Path) -> None:
    index.unlink()
    repository.objects.close()


@pytest.mark.parametrize("kept", [False, True], ids=["released", "kept by who was killed"])
@pytest.mark.parametrize("verb", ["gc", "prune", "fsck --repair"])
def test_a_pack_whose_index_is_lost(
    repository: Repository, scratch: Path, verb: str, kept: bool
) -> None:
    """It stays, and gc has another index of it, as `fsck --repair`."""
    oid = take(repository, scratch / "root", "text")
    (index,) = (repository.git_dir / "objects/pack").glob("*.idx")
    if kept:
        index.with_suffix(".keep").write_bytes(KEEP)
    lose_index(repository, index)
    if verb == "gc":
        gc(repository, progress=Listener())
    elif verb == "prune":
        prune(repository, progress=Listener())
        assert index.with_suffix(".pack").exists()
    if verb != "gc":
        assert any(one.repaired for one in fsck(repository, repair=True, progress=Listener()))
    assert list(fsck(repository, progress=Listener())) == []
    assert oid in repository.objects


def test_a_pack_whose_index_is_lost_and_that_reflogs_alone_need(
    repository: Repository, scratch: Path
) -> None:
    """Git does not miss what was deleted, but for the last."""
    oid = take(repository, scratch / "root", "text")
    (index,) = (repository.git_dir / "objects/pack").glob("*.idx")
    forget(repository)
    take(repository, scratch / "root", "other")
    forget(repository)
    lose_index(repository, index)
    gc(repository, progress=Listener())
    assert oid in repository.objects
    assert list(fsck(repository, progress=Listener())) == []


def test_a_damaged_pack_without_an_index_stays(repository: Repository, scratch: Path) -> None:
    take(repository, scratch / "root", "text")
    damaged = repository.git_dir / f"objects/pack/pack-{'2' * 40}.pack"
    damaged.write_bytes(b"PACK")
    listener = Listener()
    gc(repository, progress=listener)
    assert damaged.exists()
    assert listener.warnings == [f"{damaged} is damaged, and has no index: it stays as it is"]


def test_gc_that_is_killed_while_it_packs(repository: Repository, scratch: Path) -> None:
    """The next one goes on as if it had never been."""
    root = scratch / "root"
    root.mkdir()
    for number in range(2000):
        (root / f"{number}").write_text(f"{number} is a number\n" * 200)
    oid = take(repository, root, "text")
    program = [sys.executable, "-m", "lxgit", "--store", str(repository.path), "gc"]
    for wait in (0.2, 0.3, 0.4, 0.6):
        with subprocess.Popen(program, start_new_session=True, stdout=subprocess.PIPE) as killed:
            time.sleep(wait)
            os.killpg(killed.pid, signal.SIGKILL)
        wait_until(lambda: group_has_ended(killed.pid))  # git is nobody's child by now
    assert collect(repository).objects == 0
    assert hex_id(oid) in repository.git.run(["rev-list", "base"]).decode()
    names = [path.name for path in packs(repository)]
    assert not [name for name in names if "tmp" in name or name.endswith(".keep")]
