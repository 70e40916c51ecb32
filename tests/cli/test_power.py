"""The power fails: what the disk has kept is shown as it is, and needs no repair by hand."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.support import disks
from tests.support.program import PROGRAM, Lxgit
from tests.support.stores import copied
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

_KIND = disks.Kind("ext4", disks.EXT4.make, 128, "defaults")
_SIZE = 5 << 20  # bytes: what was read of a file as large is noted


@dataclass(frozen=True, slots=True)
class Machine:
    """The program on a disk."""

    lxgit: Lxgit
    image: Path

    def flush(self) -> None:
        subprocess.run(["sync", "-f", self.lxgit.store], check=True)

    def remove_containers(self) -> None:
        for identity in self.lxgit("ps", "-aq").lines:
            self.lxgit("rm", "-f", identity)

    @contextmanager
    def after_a_power_failure(self) -> Iterator[Rebooted]:
        """The machine as it comes up from what its disk has now; before, nothing runs any more."""
        scratch = self.lxgit.home
        lost = disks.copy(self.image, scratch / "lost")
        self.remove_containers()
        with disks.mounted(_KIND, lost, scratch / "again") as place:
            boot = scratch / "boot"
            boot.write_text("00000000-0000-0000-0000-000000000000\n")
            yield Rebooted(place / "store", scratch, boot)


@dataclass(frozen=True, slots=True)
class Rebooted:
    """The program in another boot, by what the kernel says of it."""

    store: Path
    home: Path
    boot: Path

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; it exits with `code`."""
        another = f"mount --bind {self.boot} /proc/sys/kernel/random/boot_id"
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", f'{another}; exec "$@"', "sh", PROGRAM, *arguments],
            env=Lxgit(self.store, self.home).environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def machine(based_store: Path, scratch: Path) -> Iterator[Machine]:
    home = scratch / "home"
    home.mkdir()
    image = disks.make(_KIND, home / "disk")
    with disks.mounted(_KIND, image, home / "mounted") as place:
        made = Machine(Lxgit(copied(based_store, place / "store"), home), image)
        made.flush()
        yield made
        made.remove_containers()


def test_a_file_that_has_lost_what_was_committed_is_told_as_changed(machine: Machine) -> None:
    """Its size and times were on the disk, and what was written over it was not."""
    wait_until(lambda: is_told_as_changed(machine))


def is_told_as_changed(machine: Machine) -> bool:
    """Whether all of that came to be: a kernel that is short of memory writes when it likes."""
    lxgit = machine.lxgit
    lxgit("run", "-d", "--name", "c", "base", "sleep", "600")

    def fill(digit: str) -> None:
        over = f"dd of=/db conv=notrunc bs=64k iflag=fullblock count={_SIZE >> 16}"
        lxgit("exec", "c", "sh", "-c", f"yes {digit * 7} | {over}")

    fill("1")
    lxgit("commit", "-m", "one", "c")
    machine.flush()
    fill("2")
    lxgit("commit", "-m", "two", "c")
    assert "no changes" in lxgit("status", "c").out
    with machine.after_a_power_failure() as again:
        (db,) = again.store.glob("containers/*/upper/db")
        if db.read_bytes() != b"1111111\n" * (_SIZE >> 3):
            return False
        assert again("show", "base:/db") == "2222222\n" * (_SIZE >> 3)
        assert "/db" in again("status", "c")
        again("commit", "-m", "three", "c")
        assert again("show", "base:/db") == "1111111\n" * (_SIZE >> 3)
    return True


def test_a_container_that_goes_with_its_command_is_a_leftover(machine: Machine) -> None:
    """Nobody waited for its record to be on the disk, where what it wrote is."""
    wait_until(lambda: is_a_leftover(machine))


def is_a_leftover(machine: Machine) -> bool:
    """Whether all of that came to be, as above."""
    lxgit = machine.lxgit
    lxgit("volume", "create", "data")
    lxgit("run", "-d", "--rm", "base", "sh", "-c", "echo hi > /f; sleep 600")
    containers = lxgit.store / "containers"
    wait_until(lambda: any(containers.glob("*/*/f")))
    with open(lxgit.store.parent / "of-somebody-else", "wb") as file:
        os.fsync(file.fileno())  # has all changes of names come to the disk
    with machine.after_a_power_failure() as again:
        (record,) = again.store.glob("containers/*/config.json")
        if record.read_bytes():
            return False
        assert any(record.parent.glob("*/f"))
        assert again("ps", "-aq") == ""
        again("volume", "rm", "data")
        again("fsck")
        again("prune")
        assert not record.parent.exists()
    return True
