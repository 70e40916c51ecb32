"""Volumes on disk, whose makers are killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit import eventlog
from lxgit.beneath import remove_tree
from lxgit.fsutil import fsync_directory
from lxgit.runtime import volumes
from lxgit.runtime.idmap import Extent, IdMap, UnmappedId
from lxgit.runtime.mounts import MAX_MOUNTS, VOLUME, Mount, TooManyMounts, arranged
from tests.conftest import unable
from tests.support import disks
from tests.support.machine import lacks_program
from tests.support.program import PROGRAM
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.program import Lxgit

pytestmark = pytest.mark.root

ROUNDS = 75
IDS = IdMap((Extent(0, 500_000_000, 65536),))


def killed(work: Callable[[], object], seconds: float) -> bool:
    """Do it in a child that is killed after that time; whether it came to its end before."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    return code == 0


def test_made_and_deleted_whole_or_not_at_all(scratch: Path) -> None:
    store = scratch / "volumes"
    moments = random.Random(20)

    def make_and_delete() -> None:
        with volumes.kept(store):
            (volumes.create(store, "v").data / "file").touch()
        with volumes.settled(store):
            volumes.remove(store, "v")

    landed = 0
    for _ in range(ROUNDS):
        landed += not killed(make_and_delete, moments.random() * 0.02)
        assert volumes.names(store) in ([], ["v"])
        for name in volumes.names(store):
            assert volumes.load(store, name).data.is_dir()
    assert landed
    with volumes.settled(store):
        assert {entry.name for entry in store.iterdir()} <= {".lock", "v"}


def test_a_new_one_is_open_to_the_users_of_containers(scratch: Path) -> None:
    """Whatever the umask of whoever makes it."""
    before = os.umask(0o077)
    try:
        with volumes.kept(scratch / "volumes"):
            made = volumes.create(scratch / "volumes", "v")
    finally:
        os.umask(before)
    assert made.data.stat().st_mode & 0o7777 == 0o755


def test_filled_whole_or_not_at_all(scratch: Path) -> None:
    """Whatever was killed, the next to use it finds in the volume what the image has."""
    store, image = scratch / "volumes", scratch / "image"
    names = {f"file{number}" for number in range(40)}
    image.mkdir()
    for name in names:
        (image / name).write_text(name)
        os.chown(image / name, 500_000_007, 500_000_008)
    os.chown(image, 500_000_033, 500_000_000)
    moments = random.Random(21)
    source = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    landed = 0
    for _ in range(ROUNDS // 3):
        with volumes.kept(store):
            path = volumes.create(store, "v").path
        landed += not killed(partial(volumes.fill, path, source, IDS), moments.random() * 0.02)
        volumes.fill(path, source, IDS)
        assert {entry.name for entry in (path / "data").iterdir()} == names
        assert all((path / "data" / name).read_text() == name for name in names)
        assert (path / "data/file7").stat().st_uid == 7
        assert (path / "data").stat().st_uid == 33
        assert {entry.name for entry in path.iterdir()} == {"data", "lock", "volume.json"}
        remove_tree(path)
    os.close(source)
    assert landed


@pytest.mark.parametrize("when", ["at its end", "before the first entry is in place"])
def test_one_that_was_filled_outlives_a_power_failure(when: str, scratch: Path) -> None:
    image = scratch / "image"
    image.mkdir()
    (image / "file").write_text("from the image")
    os.chown(image / "file", 500_000_007, 500_000_008)
    os.chown(image, 500_000_033, 500_000_000)
    source = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    disk = disks.make(disks.EXT4, scratch / "disk")
    with disks.mounted(disks.EXT4, disk, scratch / "before") as place:
        with volumes.kept(place / "volumes"):
            volume = volumes.create(place / "volumes", "v")
        if when == "at its end":
            volumes.fill(volume.path, source, IDS)
        else:
            stopped(volume, source)
        lost = disks.copy(disk, scratch / "lost")
    os.close(source)
    with disks.mounted(disks.EXT4, lost, scratch / "after") as place:
        volume = volumes.load(place / "volumes", "v")
        subprocess.run(["chattr", "-i", volume.data], check=True)
        volumes.fill(volume.path, None, IDS)
        assert (volume.data / "file").read_text() == "from the image"
        assert (volume.data / "file").stat().st_uid == 7
        assert volume.data.stat().st_uid == 33
        assert {entry.name for entry in volume.path.iterdir()} == {"data", "lock", "volume.json"}


def stopped(volume: volumes.Volume, source: int) -> None:
    """Begin to fill it, up to where it says that it has all; the disk knows all names by then."""
    subprocess.run(["chattr", "+i", volume.data], check=True)
    with pytest.raises(PermissionError):
        volumes.fill(volume.path, source, IDS)
    fsync_directory(volume.path)


def at_its_rename(lxgit: Lxgit, what: str) -> subprocess.Popen[bytes]:
    """`volume create v`, with something happening to the rename that gives the volume its name."""
    if reason := lacks_program("strace"):
        unable(reason)
    # The first is that of its volume.json. With -D the command is our child, not strace's.
    traced = ("strace", "-D", "-o", "/dev/null", "--trace=rename")
    words = (*traced, f"--inject=rename:{what}:when=2", PROGRAM, "volume", "create", "v")
    return subprocess.Popen(words, stderr=subprocess.PIPE, env=lxgit.environment())


def tracer(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("TracerPid:"))


def test_one_that_cannot_have_its_name_was_not_made(lxgit: Lxgit) -> None:
    lxgit("volume", "create", "other")
    with at_its_rename(lxgit, "error=ENOSPC") as creating:
        _, said = creating.communicate()
    assert creating.returncode == 1
    assert b"no space left on device" in said
    assert created(lxgit) == ["other"]
    assert sorted(os.listdir(lxgit.store / "volumes")) == [".lock", "other"]


def test_of_two_who_make_the_same_one_has_made_it(lxgit: Lxgit) -> None:
    lxgit("volume", "create", "other")
    with at_its_rename(lxgit, "delay_enter=600000000") as creating:
        wait_until(lambda: list((lxgit.store / "volumes").glob(".new-*/volume.json")))
        lxgit("volume", "create", "v")
        assert creating.poll() is None
        os.kill(tracer(creating.pid), signal.SIGKILL)  # which lets it go on
    assert creating.returncode == 0
    assert created(lxgit) == ["other", "v"]


def created(lxgit: Lxgit) -> list[str]:
    """The volumes that events say were made."""
    return [one.id for one in eventlog.past(lxgit.store) if one.action == "create"]


def test_there_are_not_too_many() -> None:
    wanted = [Mount(kind=VOLUME, target=f"/v{number}") for number in range(MAX_MOUNTS + 1)]
    assert len(arranged(wanted[1:])) == MAX_MOUNTS
    with pytest.raises(TooManyMounts):
        arranged(wanted)


def test_an_id_that_the_container_does_not_know(scratch: Path) -> None:
    image = scratch / "image"
    image.mkdir()
    (image / "stranger").touch()
    with volumes.kept(scratch / "volumes"):
        path = volumes.create(scratch / "volumes", "v").path
    source = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(UnmappedId):
        volumes.fill(path, source, IDS)
    os.close(source)
    assert os.listdir(path / "data") == []
