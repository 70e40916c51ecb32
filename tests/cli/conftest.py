"""Stores for commands: a small machine, and one with a history."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Lxgit
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def based_store(work_directory: Path, busybox_tar: Path) -> Path:
    """A store with busybox on the branch `base`, which is HEAD's: to be copied."""
    made = Lxgit(work_directory / "based", work_directory)
    made("import", busybox_tar, "base", "-m", "A small machine", env=written_at(0))
    return made.store


@pytest.fixture(scope="session")
def grown_store(based_store: Path, work_directory: Path, busybox_rootfs: Path) -> Path:
    """The same with a branch `tuned`, HEAD's, whose second commit changed five paths of /etc."""
    made = Lxgit(copied(based_store, work_directory / "grown"), work_directory)
    root = work_directory / "tuned"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    etc = root / "etc"
    (etc / "motd").write_text("A small machine.\nIt is tuned.\n")
    (etc / "logo").write_bytes(b"\0\1\2")
    (etc / "hosts").unlink()
    (etc / "profile").chmod(0o600)
    (etc / "mtab").symlink_to("/proc/mounts")
    made("checkout", "-q", "-b", "tuned", "base")
    made("import", root, "tuned", "-m", "Tune it\n\nWith a logo.", env=written_at(60))
    shutil.rmtree(root)
    return made.store


@pytest.fixture
def based(lxgit: Lxgit, based_store: Path) -> Lxgit:
    """The program on a store of the test's own with a branch `base`."""
    copied(based_store, lxgit.store)
    return lxgit


@pytest.fixture
def emptied(based: Lxgit) -> Iterator[Lxgit]:
    """That store; its containers are all gone at the end."""
    yield based
    based("rm", "-f", *based("ps", "-aq").lines, code=None)


@pytest.fixture
def grown(lxgit: Lxgit, grown_store: Path) -> Lxgit:
    """The program on a store of the test's own with the branches `base` and `tuned`."""
    copied(grown_store, lxgit.store)
    return lxgit


@pytest.fixture
def git(store_dir: Path) -> StockGit:
    """Stock Git on the store of the test."""
    return StockGit(store_dir / "git")


def copied(store: Path, to: Path) -> Path:
    """A copy of a store, at `to`."""
    subprocess.run(["cp", "-a", "--reflink=auto", store, to], check=True)
    return to


def written_at(seconds: int) -> dict[str, str]:
    """The environment of who commits so many seconds after the tests' begin of time."""
    date = f"{1_700_000_000 + seconds} +0100"
    return {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": "Bo",
        "GIT_COMMITTER_EMAIL": "bo@example.org",
        "GIT_COMMITTER_DATE": date,
    }
