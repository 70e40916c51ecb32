"""Base layers that are mounted once for all: who shares one, and who takes it down."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from lxgit.objects.metadata import Metadata
from lxgit.runtime import bases, kernel, rundir
from lxgit.runtime.bases import INDEX, TAR
from lxgit.runtime.erofs_layer import ErofsWriter
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.overlay import Lower
from tests.support import disks, forms
from tests.support.mounts import mounted
from tests.support.program import Lxgit
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs]

IDENTITY = IdMap.identity()


def write(directory: Path, name: bytes) -> Path:
    """A layer of one file."""
    directory.mkdir()
    with ErofsWriter(directory) as sink:
        sink.directory(b"", Metadata(0o755, 0, 0, 0))
        sink.file(name, Metadata(0o644, 0, 0, 0), 1, (b"x",))
    return directory


@pytest.fixture
def layer(scratch: Path) -> Lower:
    written = write(scratch / os.urandom(4).hex(), b"file")
    return Lower(written, IDENTITY, (INDEX, TAR))


def of(layer: Lower) -> list[Path]:
    return list(rundir.BASES.glob(f"{layer.path.name}-*"))


def assert_gone(layer: Lower) -> None:
    """It is taken down: by us, or by another process that sweeps at this very moment."""
    wait_until(lambda: not of(layer))


def test_two_users_share_one(layer: Lower) -> None:
    with bases.held([layer]) as (first,), bases.held([layer]) as (second,):
        assert first == second
        assert not first.files
        assert (first.path / "file").read_bytes() == b"x"
        bases.sweep()
        assert (first.path / "file").exists()
    assert_gone(layer)
    with bases.held([layer]) as (third,):
        assert third == first


def test_nobody_else_gets_there(layer: Lower) -> None:
    with bases.held([layer]):
        assert rundir.BASES.stat().st_mode & 0o777 == 0o700
        (line,) = (
            line
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if layer.path.name in line
        )
        assert {"ro", "nosuid", "nodev"} <= set(line.split()[5].split(","))


def test_other_files_are_another_mount(layer: Lower) -> None:
    with bases.held([layer]) as (old,):
        shutil.rmtree(layer.path)
        write(layer.path, b"other")
        with bases.held([layer]) as (new,):
            assert os.listdir(old.path) == ["file"]
            assert os.listdir(new.path) == ["other"]
    assert_gone(layer)


def test_users_that_die(layer: Lower) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        with bases.held([layer]):
            os.write(tell, b"x")
            signal.pause()
    os.read(ready, 1)
    bases.sweep()
    assert of(layer)
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(tell)
    bases.sweep()
    assert_gone(layer)


def test_what_is_mounted_outlives_the_sweep(layer: Lower) -> None:
    """A mount of a stack is a clone: it stays whole, whatever becomes of the shared one."""
    with mounted([layer]) as fd:
        place = of(layer)[0]
        kernel.umount(place / "m")
        shutil.rmtree(layer.path)
        with open(os.open(b"file", os.O_RDONLY, dir_fd=fd), "rb") as file:
            assert file.read() == b"x"
    assert_gone(layer)


def test_ids_are_mapped(layer: Lower) -> None:
    with mounted([layer], IdMap((Extent(0, 300_000, 65536),))) as fd:
        assert os.stat(b"file", dir_fd=fd).st_uid == 300_000


def test_no_loop_device_is_left(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forms.force(monkeypatch, forms.LOOP)
    layer = write(scratch / "layer", b"file")
    with mounted([Lower(layer, IDENTITY, (INDEX, TAR))]):
        assert _loops_on(layer) == 2
    wait_until(lambda: not _loops_on(layer))  # the kernel frees them a moment later


def test_many_who_come_and_go(layer: Lower) -> None:
    """Whoever takes it down meets others who are about to use it."""
    children = []
    for _ in range(8):
        child = os.fork()
        if not child:
            try:
                for _ in range(50):
                    with bases.held([layer]) as (lower,):
                        assert (lower.path / "file").read_bytes() == b"x"
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    assert_gone(layer)


@pytest.mark.lxc
def test_a_disk_whose_containers_have_ended(scratch: Path, lxgit: Lxgit, busybox_tar: Path) -> None:
    """umount(8) works, without another command, and while containers of other disks run on."""
    with disks.small(scratch, 32) as place:
        there = Lxgit(place / "store", place)
        for store in (there, lxgit):
            store("import", busybox_tar, "base")
            store("run", "-d", "--name", "one", "base", "sleep", "1000")
        there("kill", "one")
        wait_until(lambda: not subprocess.run(["umount", place], check=False).returncode)
        lxgit("kill", "one")
        disks.wait_until_free(scratch / "disk")
        subprocess.run(["mount", "-o", "loop", scratch / "disk", place], check=True)


def _loops_on(layer: Path) -> int:
    found = 0
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # another's, which has just been freed
            found += file.read_text().startswith(f"{layer}/")
    return found
