"""Two terminals at once: who waits is told for whom, and goes on when that one has died."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from lxgit.locks import locked
from lxgit.records import replace
from lxgit.runtime.containers import all_containers
from lxgit.runtime.index import is_locked
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until
from tests.support.webserver import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""

LOCKS = {
    "volumes/.lock": ("the list of volumes", ["volume", "create", "data"]),
    "networks/.lock": ("the list of networks", ["network", "create", "net"]),
    "containers/.lock": ("the list of containers", ["create", "base", "true"]),
    "containers/CONTAINER/edit": ("container 'web'", ["rename", "web", "other"]),
    "containers/CONTAINER/lock": ("container 'web'", ["cp", "web:/etc/motd", "-"]),
    "locks/operations": ("the log of operations", ["branch", "new"]),
    "locks/objects": ("what gc may drop", ["tag", "new"]),
    "locks/layers": ("the cache of layers", ["run", "--rm", "--network", "none", "base", "true"]),
    "locks/repack": ("the list of packs", ["gc"]),
}


@contextmanager
def started(lxgit: Lxgit, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command that runs beside, and is killed if it is still there at the end."""
    with subprocess.Popen(
        [PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=lxgit.environment(),
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> str:
    """The next line about what happens."""
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("lock", LOCKS)
def test_who_waits_is_told_and_a_dead_owner_is_none(based: Lxgit, lock: str) -> None:
    what, words = LOCKS[lock]
    based("create", "--name", "web", "base")
    (container,) = based("ps", "-aq", "--no-trunc").lines
    path = based.store / lock.replace("CONTAINER", container)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        with started(based, *words) as waiting:
            line = told(waiting)
            assert line.startswith("lxgit: waiting")
            assert f"process {owner.pid} ({os.path.basename(sys.executable)} -c" in line
            assert f"{what} is in use" in line
            owner.kill()
            rest = waiting.communicate(timeout=60)[1]
            assert waiting.returncode == 0, rest


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Another process has the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        try:
            yield
        finally:
            owner.kill()


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_who_copies_waits_for_layers_without_the_container(based: Lxgit) -> None:
    """That lock stands below theirs: who has theirs alone may want it."""
    based("create", "--name", "web", "base")
    (container,) = all_containers(based.store / "containers")
    with held(based.store / "locks/layers"), started(based, "cp", "web:/etc/motd", "-") as waiting:
        assert "the cache of layers is in use" in told(waiting)
        assert not is_locked(container.path)


GIVEN = {
    "branch": ("branch", "x"),
    "checkout -b": ("checkout", "-b", "x"),
    "branch -m": ("branch", "-m", "spare", "x"),
    "import": ("import", "ROOT", "x"),
    "commit": ("commit", "-m", "made", "made", "x"),
    "tag": ("tag", "x"),
    "create": ("create", "--name", "x", "base"),
    "rename": ("rename", "web", "x"),
    "load": ("load", "-i", "SAVED"),
}


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_a_name_that_several_want_at_once_is_given_to_one(based: Lxgit, tmp_path: Path) -> None:
    """All have found it free by the time that they wait."""
    root, saved = tmp_path / "root", tmp_path / "x.tar"
    (root / "etc").mkdir(parents=True)
    based("create", "--name", "web", "base")
    based("create", "--name", "made", "base")
    based("branch", "spare")
    based("branch", "x")
    based("save", "-o", saved, "x")
    based("branch", "-D", "x")
    places = {"ROOT": str(root), "SAVED": str(saved)}
    with ExitStack() as stack:
        with held(based.store / "containers/.lock"):
            commands = {}
            for way, words in GIVEN.items():
                line = [places.get(word, word) for word in words]
                commands[way] = stack.enter_context(started(based, *line))
                while "the list of containers is in use" not in (said := told(commands[way])):
                    assert said, way
        ends = {way: one.communicate(timeout=60) for way, one in commands.items()}
    done = [way for way, one in commands.items() if one.returncode == 0]
    for way, (_, said) in ends.items():
        assert way in done or "'x'" in said, (way, said)
    branches = {"branch", "checkout -b", "branch -m", "import", "commit", "load"}
    assert len(done) == 1 or (done and branches.issuperset(done)), done
    assert based("fsck").out == "No faults found.\n"


def test_who_moves_a_name_that_is_there_waits_for_no_other_name(
    based: Lxgit, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    based("branch", "other")
    based("tag", "noted")
    with held(based.store / "containers/.lock"):
        based("import", tmp_path, "base", timeout=60)
        based("branch", "-f", "other", "base", timeout=60)
        based("tag", "-f", "noted", "base", timeout=60)
        based("branch", "-D", "other", timeout=60)


def test_prune_waits_for_a_container_without_the_layers(based: Lxgit) -> None:
    """One that a killed command has left, and whose supervisor is slow at the last steps."""
    based("create", "--name", "web", "base")
    (container,) = all_containers(based.store / "containers")
    container.configured(replace(container.config, owner="owner-gone"))
    layers = based.store / "locks/layers"
    with held(container.path / "lock"), started(based, "prune") as waiting:
        assert "container 'web' is in use" in told(waiting)
        with locked(layers, wait=False, what="the cache of layers"):
            pass
    based("prune")
    assert based("ps", "-aq").out == ""


HOLD_REF = """
import sys
from lxgit.objects.filelock import FileLock
with FileLock(sys.argv[1] + "/" + sys.argv[2], sys.argv[1]):
    print(flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["lets go", "is killed"])
@pytest.mark.parametrize("name", ["refs/lxgit/deleted", "refs/heads/old", "HEAD"])
def test_a_ref_that_another_moves(based: Lxgit, name: str, end: str) -> None:
    """As with any other lock: all deletions go through one ref, and a disk may be slow."""
    based("branch", "old")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_REF, based.store / "git", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        owner.stdout.readline()
        with started(based, "branch", "-D", "old") as waiting:
            line = told(waiting)
            assert line.startswith(f"lxgit: waiting for process {owner.pid} (")
            assert line.endswith(f"): '{name}' is in use\n")
            owner.kill() if end == "is killed" else owner.stdin.close()
            rest = waiting.communicate(timeout=60)[1]
            assert waiting.returncode == 0, rest
    assert based("branch").out == "* base\n"
    assert not list((based.store / "git").rglob("*.lock"))


def test_a_download_that_another_terminal_has(lxgit: Lxgit, busybox_tar: Path) -> None:
    server = Server(busybox_tar.read_bytes())
    server.breaks = [100_000]
    server.released.clear()
    with serving(server):
        url = f"{server.url}/rootfs.tar"
        try:
            with started(lxgit, "import", url, "one") as first:
                wait_until(lambda: have_come(lxgit) == 100_000)
                with started(lxgit, "import", url, "two") as second:
                    line = told(second)
                    assert f"waiting for process {first.pid} (lxgit import {url} one): " in line
                    assert line.endswith(f"the download of '{url}' is in use\n")
                    first.kill()
                    server.released.set()
                    rest = second.communicate(timeout=60)[1]
                    assert second.returncode == 0, rest
        finally:
            server.released.set()
        assert [ranges for _, ranges, _ in server.asked] == [None, "bytes=100000-"]
    assert lxgit("branch").out == "* two\n"


def have_come(lxgit: Lxgit) -> int:
    """How many bytes are on the disk of what is being downloaded."""
    return sum(part.stat().st_size for part in (lxgit.store / "tmp").glob("download-*.part"))
