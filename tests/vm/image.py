"""The disk of a stock Debian or Ubuntu with what lxgit needs, and the small one with the project.

The first is made once and kept in the cache; a machine boots from it and leaves it as it is. It
holds the release's own kernel, systemd, AppArmor and LXC, and the Python packages that the tests
import, in an environment of their own, but nothing of lxgit. That comes on the second disk.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.support import rootfs
from tests.support.machine import MIRROR, SUITE

PROJECT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("job")

_PACKAGES = (
    *("systemd-sysv", "udev", "apparmor", "dbus"),
    *("erofs-utils", "git", "lxc", "nftables", "uidmap", "python3-venv", "zstd"),
    *("acl", "attr", "binutils", "busybox-static", "e2fsprogs", "libcap2-bin", "procps", "rsync"),
    *("curl", "iproute2", "iptables", "passt"),
)
_CHECKERS = ("mypy", "ruff", "types-")  # the checks that need no machine
_DISK = "3G"

_UNIT = """\
[Unit]
Description=The job of this machine
After=basic.target apparmor.service lxc.service network.target

[Service]
Type=oneshot
ExecStartPre=/usr/bin/mount -o ro,nodev /dev/vdb /mnt
ExecStart=/bin/sh -c 'exec /mnt/job >/dev/ttyS1 2>&1 </dev/null'
ExecStopPost=/usr/bin/systemctl poweroff --force
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""

_INSTALL = f"""
set -e
install -D -m 644 /dev/stdin "$1/etc/systemd/system/job.service" <<'END'
{_UNIT}END
chroot "$1" systemctl --quiet enable job.service
chroot "$1" python3 -m venv /opt/environment
chroot "$1" /opt/environment/bin/python -m pip --isolated install --quiet --no-index \
    --find-links /root/wheels --requirement /root/wheels/requirements.txt
rm -rf "$1/root/wheels"
"""


@dataclass(frozen=True, slots=True)
class Release:
    """What a machine is made of: a suite of an archive, its Python, the packages of its kernel.

    `form` is that of the base layers which its kernel and its erofs-utils allow.
    """

    suite: str
    python: str
    kernel: tuple[str, ...]
    form: str
    archive: tuple[str, ...]  # mmdebstrap's arguments after the suite and the target


_UBUNTU = ("--components=main,universe", "http://archive.ubuntu.com/ubuntu")

STOCK = SUITE
RELEASES = {
    release.suite: release
    for release in (
        Release(SUITE, "3.13", ("linux-image-amd64",), "erofs", (MIRROR,)),
        Release("bookworm", "3.11", ("linux-image-amd64",), "directory", (MIRROR,)),
        Release("noble", "3.12", ("linux-image-virtual", "initramfs-tools"), "directory", _UBUNTU),
    )
}


@dataclass(frozen=True, slots=True)
class System:
    """What QEMU boots: files in the cache, for reading only."""

    disk: Path
    kernel: Path
    initrd: Path


def system(release: Release) -> System:
    """The system for this version of the project, made if it is not there or too old.

    CalledProcessError when the archive, the package index or mke2fs fails.
    """
    made_of = (release.archive, release.kernel, _PACKAGES, _requirements(), _INSTALL, _DISK)
    digest = hashlib.sha256(repr(made_of).encode()).hexdigest()
    directory = rootfs.cache_directory() / f"vm-{release.suite}-{digest[:12]}"
    with rootfs.locked(directory.with_suffix(".lock")):
        if not rootfs.fresh(directory):
            _build(directory, release)
    return System(directory / "disk", directory / "kernel", directory / "initrd")


def job_disk(image: Path, extras: dict[str, Path], release: Release) -> None:
    """Write a disk with the project as it is now, the job, and `extras` under their names."""
    with tempfile.TemporaryDirectory(prefix="lxgit-vm-") as scratch:
        root = Path(scratch)
        shutil.copy(JOB, root / "job")
        (root / "release").write_text(f"suite={release.suite} form={release.form}\n")
        for name, file in extras.items():
            shutil.copy(file, root / name)
        listed = _run("git", "-C", PROJECT, "ls-files", "-z", *_NOT_IGNORED).stdout
        copy = ("rsync", "--archive", "--from0", "--files-from=-", PROJECT, root / "lxgit")
        _run(*copy, stdin=b"\0".join(name for name in listed.split(b"\0") if _exists(name)))
        _make_disk(root, image, "512M")


_NOT_IGNORED = ("--cached", "--others", "--exclude-standard")


def _exists(name: bytes) -> bool:
    return bool(name) and (PROJECT / name.decode()).exists()


def _requirements() -> list[str]:
    """What the project and its tests import, from pyproject.toml."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted: list[str] = project["dependencies"] + project["optional-dependencies"]["dev"]
    return [requirement for requirement in wanted if not requirement.startswith(_CHECKERS)]


def _build(directory: Path, release: Release) -> None:
    """Bootstrap the release into a directory, and that into a disk."""
    for old in directory.parent.glob("vm-*"):
        if old.is_dir() and not rootfs.fresh(old):
            shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="lxgit-vm-", dir=directory.parent) as scratch:
        made, wheels, root = (Path(scratch, name) for name in ("made", "wheels", "root"))
        made.mkdir()
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", wheels)
        _run(*pip, "--only-binary=:all:", f"--python-version={release.python}", *_requirements())
        (wheels / "requirements.txt").write_text("\n".join(_requirements()))
        install = Path(scratch, "install")
        install.write_text(_INSTALL)
        include = f"--include={','.join((*release.kernel, *_PACKAGES))}"
        hooks = (f"--customize-hook=copy-in {wheels} /root", f'--customize-hook=sh {install} "$1"')
        mmdebstrap = ("mmdebstrap", "--quiet", "--variant=apt", include, *hooks)
        _run(*mmdebstrap, release.suite, root, *release.archive)
        for name, pattern in (("kernel", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            shutil.copy(next((root / "boot").glob(pattern)), made / name)
        _make_disk(root, made / "disk", _DISK)
        made.rename(directory)


def _make_disk(root: Path, image: Path, size: str) -> None:
    _run("mke2fs", "-q", "-t", "ext4", "-d", root, image, size)


def _run(*command: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=True)
