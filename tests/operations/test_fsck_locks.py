"""What `fsck --repair` does about refs that stock Git has locked: it names a lock, and goes on."""

from __future__ import annotations

import os
import re
import stat
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import filelock
from lxgit.objects.filelock import RefLocked
from lxgit.objects.refnames import CACHE, PINS
from lxgit.objects.refs import ANY
from lxgit.operations.gc import gc
from lxgit.operations.importing import import_image
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener, problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.repository import Repository
    from tests.operations.conftest import Lab


def hold(repository: Repository, ref: str) -> Path:
    """Lock a ref as stock Git does, whose branch `base` has lost its log besides; the lock."""
    lock = repository.git_dir / f"{ref}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    (repository.git_dir / "logs/refs/heads/base").unlink()
    return lock


def check_gone_on(repository: Repository, lock: Path, *, harms: str | None) -> None:
    """All else is mended at once, the rest of it without the lock."""
    told = problems(repository.path, repair=True)
    [held] = [one for one in told if f"'{lock}'" in one.message]
    assert "remove that file" in str(held.hint)
    assert not held.repaired
    assert ("base",) in {one.affected for one in told if one.repaired}
    assert any(harms in one.affected and not one.repaired for one in told) or harms is None
    lock.unlink()
    assert all(one.repaired for one in problems(repository.path, repair=True))
    assert problems(repository.path) == []


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a directory", "a link"])
def test_a_lock_that_is_no_file(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Who needs it is told which it is; nobody waits for a pipe, nor is it in another's way."""
    take(repository, scratch)
    lock = repository.git_dir / "refs/heads/base.lock"
    make: dict[str, Callable[[], object]] = {
        "a pipe": partial(os.mkfifo, lock),
        "a socket": partial(os.mknod, lock, stat.S_IFSOCK),
        "a directory": lock.mkdir,
        "a link": partial(lock.symlink_to, "base"),
    }
    make[kind]()
    assert problems(repository.path) == []
    gc(repository, progress=Listener())
    monkeypatch.setattr(filelock, "_PATIENCE", 0.1)
    with pytest.raises(RefLocked, match=re.escape(str(lock))):
        repository.refs.update("refs/heads/base", None, old=ANY, message="test", who=WHO.committer)
    assert os.path.lexists(lock)


def test_a_lock_that_hides_what_is_lost(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can say whether a Git that was killed was about to make the branch."""
    take(repository, scratch)
    repository.git.run(["branch", "two", "base"])
    lock = repository.git_dir / "refs/heads/two.lock"
    lock.touch()
    (repository.git_dir / "refs/heads/two").unlink()
    assert problems(repository.path) == []
    monkeypatch.setattr(filelock, "_LASTING", -1)
    [told] = problems(repository.path)
    assert told.message == f"another process holds '{lock}'"
    assert "remove that file" in str(told.hint)
    lock.unlink()
    [told] = problems(repository.path)
    assert told.message == "the branch 'two' is gone, and nobody deleted it"


def take(repository: Repository, scratch: Path) -> None:
    (root := scratch / "root").mkdir()
    (root / "file").write_text("text")
    import_image(repository, root, "base", identity=WHO, progress=Listener())


def test_a_damaged_step_of_the_build_cache(repository: Repository, scratch: Path) -> None:
    """It ended there with one error."""
    take(repository, scratch)
    ref = CACHE + "a" * 64
    lock = hold(repository, ref)
    (repository.git_dir / ref).write_bytes(b"junk\n")
    check_gone_on(repository, lock, harms="the build cache")


def test_what_a_container_had_that_is_gone(repository: Repository, scratch: Path) -> None:
    take(repository, scratch)
    ref = PINS + "a" * 64
    StockGit(repository.git_dir)("-c", "core.logAllRefUpdates=false", "update-ref", ref, "base")
    check_gone_on(repository, hold(repository, ref), harms=None)
    assert repository.refs.read(ref) is None


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_a_container_whose_commit_nothing_keeps(lab: Lab) -> None:
    lab.run("c", "echo changed > /etc/changed")
    ref = PINS + lab.container("c").id
    StockGit(lab.repository.git_dir)("update-ref", "-d", ref)
    check_gone_on(lab.repository, hold(lab.repository, ref), harms="c")
    assert lab.repository.refs.read(ref) is not None
