"""What this machine can do, found out by doing it.

Each probe returns None when the machine can, else the reason in words. The answers are kept for the
process; they are about the machine, not about lxgit, so no probe uses the code under test.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import netns

if TYPE_CHECKING:
    from collections.abc import Callable

MIRROR = os.environ.get("LXGIT_TEST_MIRROR", "http://deb.debian.org/debian")
SUITE = "trixie"
DIRECTORY = "LXGIT_TEST_DIR"
"""The variable that says where the stores of tests lie."""

_OVERLAY_PROBE = """
set -e
mkdir lower idmapped upper work merged
echo content > lower/file
mount --bind -o X-mount.idmap=b:0:300000:65536 lower idmapped
chown 300000:300000 upper
mount -t overlay overlay merged \
    -o lowerdir=idmapped,upperdir=upper,workdir=work,metacopy=off,redirect_dir=nofollow,index=off
[ "$(stat -c %u merged/file)" = 300000 ]
echo more >> merged/file
"""

_EROFS_PROBE = """
set -e
mkdir source mounted
echo content > source/file
tar -C source -cf archive .
mkfs.erofs --quiet --tar=i index archive
device=$(losetup --find --show --read-only archive)
trap 'losetup --detach "$device"' EXIT
mount -t erofs -o ro,loop,device="$device" index mounted
[ "$(cat mounted/file)" = content ]
umount mounted
"""


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a probe's program and keep what it says."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no reason given"


@functools.cache
def work_directory() -> Path:
    """Where test stores may lie: a directory on a file system that can be an overlay's upper.

    LXGIT_TEST_DIR, which is the disk in memory where there is one (see `memorydisk`), else the
    temporary directory when it is such a one (Debian 13 has a tmpfs there), else /var/tmp.
    """
    if chosen := os.environ.get(DIRECTORY):
        return Path(chosen)
    temporary = Path(tempfile.gettempdir())
    return temporary if filesystem(temporary) not in {"tmpfs", "overlayfs"} else Path("/var/tmp")


def filesystem(path: Path) -> str:
    """The type of the file system that holds `path`, as stat(1) calls it."""
    return run("stat", "-f", "-c", "%T", path).stdout.strip()


@functools.cache
def lacks_root() -> str | None:
    return None if os.geteuid() == 0 else "needs root"


@functools.cache
def lacks_overlay() -> str | None:
    """Overlay with an idmapped lower layer, in a mount namespace of its own."""
    if reason := lacks_root():
        return reason
    with tempfile.TemporaryDirectory(dir=work_directory(), prefix="lxgit-probe-") as scratch:
        probe = run("unshare", "--mount", "sh", "-c", _OVERLAY_PROBE, cwd=scratch)
    if probe.returncode:
        return f"no overlay with idmapped layers on {work_directory()}: {last_line(probe.stderr)}"
    return None


@functools.cache
def lacks_erofs() -> str | None:
    """An index of a tar archive, mounted with the archive through loop devices."""
    if reason := lacks_root() or lacks_program("mkfs.erofs"):
        return reason
    with tempfile.TemporaryDirectory(dir=work_directory(), prefix="lxgit-probe-") as scratch:
        probe = run("unshare", "--mount", "sh", "-c", _EROFS_PROBE, cwd=scratch)
    return f"no EROFS: {last_line(probe.stderr)}" if probe.returncode else None


@functools.cache
def lacks_lxc() -> str | None:
    """A container that LXC starts and that ends with the code of its command."""
    if reason := lacks_root() or lacks_program("lxc-execute") or lacks_program("busybox"):
        return reason
    with tempfile.TemporaryDirectory(dir=work_directory(), prefix="lxgit-probe-") as scratch:
        rootfs = Path(scratch, "rootfs")
        for name in ("bin", "dev", "proc", "sys"):
            Path(rootfs, name).mkdir(parents=True)
        shutil.copy(shutil.which("busybox") or "", rootfs / "bin/sh")
        config = Path(scratch, "config")
        config.write_text(
            f"lxc.rootfs.path = dir:{rootfs}\nlxc.net.0.type = empty\n"
            "lxc.mount.auto = proc:mixed sys:mixed\n"
        )
        name = f"lxgit-probe-{os.getpid()}"
        command = ("lxc-execute", "-P", scratch, "-n", name, "-f", config, "--")
        probe = run(*command, "/bin/sh", "-c", "exit 7", stdin=subprocess.DEVNULL)
    if probe.returncode != 7:
        return f"LXC cannot start a container: {last_line(probe.stderr)}"
    return None


@functools.cache
def lacks_network() -> str | None:
    """The Debian archive, and the program that makes a root filesystem of it."""
    if reason := lacks_program("mmdebstrap"):
        return reason
    url, fault = f"{MIRROR}/dists/{SUITE}/InRelease", ""
    for _ in range(3):  # one connection that is lost says nothing of the machine
        try:
            with netns.outside(), urllib.request.urlopen(url, timeout=20):
                return None
        except OSError as error:
            fault = str(error)
            time.sleep(1)
    return f"the Debian archive is out of reach: {fault}"


def lacks_program(name: str) -> str | None:
    return None if shutil.which(name) else f"no {name} on this machine"


LACKS: dict[str, Callable[[], str | None]] = {
    "root": lacks_root,
    "overlay": lacks_overlay,
    "erofs": lacks_erofs,
    "lxc": lacks_lxc,
    "network": lacks_network,
}


def _version(*command: str) -> str:
    if lacks_program(command[0]):
        return "absent"
    told = run(*command)
    return (told.stdout or told.stderr).strip().splitlines()[0]


def cgroup_mode() -> str:
    """`v2`, `hybrid`, `v1` or `none`."""
    kind = filesystem(Path("/sys/fs/cgroup"))
    if kind == "cgroup2fs":
        return "v2"
    if Path("/sys/fs/cgroup/unified").is_dir():
        return "hybrid"
    return "v1" if Path("/proc/cgroups").exists() and kind == "tmpfs" else "none"


def describe() -> list[str]:
    """The lines that head a test run."""
    abilities = {name: lacks() for name, lacks in LACKS.items() if name != "network"}
    apparmor = Path("/sys/kernel/security/apparmor").is_dir()
    system = (
        f"kernel {platform.release()} {platform.machine()}, Python {platform.python_version()},"
        f" uid {os.geteuid()}, cgroup {cgroup_mode()}, AppArmor {'on' if apparmor else 'off'}"
    )
    programs = (
        f"{_version('git', '--version')}, LXC {_version('lxc-execute', '--version')},"
        f" {_version('rsync', '--version')}"
    )
    return [
        system,
        programs,
        f"stores in {work_directory()} ({filesystem(work_directory())})",
        *(f"{name}: {reason or 'yes'}" for name, reason in abilities.items()),
    ]
