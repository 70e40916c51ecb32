"""A tiny root filesystem, places where overlayfs works, and a watch over what is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import idmap, overlay, rundir

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSYBOX = Path("/usr/bin/busybox")


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory on a disk: overlayfs takes no upper directory on an overlay."""
    path = Path(tempfile.mkdtemp(prefix="lxgit-test-", dir="/var/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def busybox_tree() -> Iterator[Path]:
    """A root filesystem of one program, owned by root, as an image has it. Not to be changed."""
    path = Path(tempfile.mkdtemp(prefix="lxgit-busybox-", dir="/var/tmp"))
    path.chmod(0o755)
    try:
        make_busybox(path)
        yield path
    finally:
        shutil.rmtree(path)


def make_busybox(path: Path) -> None:
    program = next(p for p in (BUSYBOX, Path("/bin/busybox")) if p.exists())
    for name in ("bin", "etc", "proc", "sys", "dev", "root"):
        (path / name).mkdir(mode=0o755)
    (path / "tmp").mkdir()
    (path / "tmp").chmod(0o1777)
    shutil.copy2(program, path / "bin/busybox")
    listing = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    for applet in listing.stdout.split():
        if not (path / "bin" / applet).exists():
            (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\ntty:x:5:\nwww:x:33:\n")
    for name in ("hosts", "hostname", "resolv.conf"):
        (path / "etc" / name).write_text("from the image\n")


@pytest.fixture
def busybox(busybox_tree: Path) -> overlay.Lower:
    return overlay.Lower(busybox_tree, idmap.IdMap.identity())


def leftovers() -> set[str]:
    """Every mount, cgroup, process and runtime file that could be ours."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found = {line.split()[4] for line in mounts if "lxgit" in line}
    if rundir.CONTAINERS.is_dir():
        found.update(str(path) for path in rundir.CONTAINERS.iterdir())
    found.update(str(path) for path in Path("/sys/fs/cgroup").rglob("lxc.*") if path.is_dir())
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"lxc-start" in command:
            found.add(f"process {pid}")
    found.update(str(path) for path in Path("/run/lxc").rglob(".*") if path.is_file())
    return found
