"""Root filesystems to test with: a busybox one made in a second, and real Debians, kept a while."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.machine import MIRROR, SUITE

if TYPE_CHECKING:
    from collections.abc import Iterator

KEEP_DAYS = 14

ESSENTIAL = ("--variant=essential",)
"""About 4,000 entries, 95 MB."""

SYSTEMD = ("--variant=minbase", "--include=systemd-sysv,dbus")
"""One that boots, 143 MB."""

ARTICLE = ("--variant=essential", "--include=iputils-ping,netcat-traditional")
"""One with ping and nc."""

POSTGRESQL = (
    "--variant=essential",
    "--include=postgresql",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/lib/*/libLLVM*",
)
"""One with a database, whose package makes it when it is installed; without LLVM; 290 MB."""

LARGE = (
    "--variant=buildd",
    "--include=nginx,redis-server,python3-pip,git,nodejs,npm,vim",
)
"""About 53,000 entries, 874 MB."""

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_DIRECTORIES = {
    "bin": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "home": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "srv": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "usr": 0o755,
    "var": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
}

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hostname": "machine\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n",
    "etc/motd": "A small machine.\nIt has busybox.\n",
    "etc/profile": "PS1='machine# '\n",
    "etc/resolv.conf": "",
}


def build_busybox(root: Path) -> Path:
    """Make a root filesystem of about 2 MB in `root`, which must not exist: all of busybox."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("no busybox on this machine (package busybox-static)")
    root.mkdir(mode=0o755, parents=True)
    for name, mode in _DIRECTORIES.items():
        Path(root, name).mkdir()
        Path(root, name).chmod(mode)
    for name, text in _FILES.items():
        Path(root, name).write_text(text)
    Path(root, "bin/busybox").write_bytes(Path(busybox).read_bytes())
    Path(root, "bin/busybox").chmod(0o755)
    listed = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    for applet in set(listed.stdout.split()) - {"busybox"}:
        Path(root, "bin", applet).symlink_to("busybox")
    return root


def make_tar(root: Path, archive: Path) -> Path:
    """The tree of `root` as an uncompressed tar with everything that tar can keep."""
    _tar("--sort=name", "--format=posix", "-C", root, "-cf", archive, ".")
    return archive


def extract_tar(archive: Path, root: Path) -> Path:
    """What is in a tar, as a person unpacks a root filesystem into the new directory `root`."""
    root.mkdir()
    _tar("-C", root, "-xpf", archive)
    return root


def _tar(*arguments: str | Path) -> None:
    keep = ("--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner", "--warning=no-timestamp")
    subprocess.run(["tar", *keep, *arguments], check=True, env={"PATH": _PATH, "LC_ALL": "C"})


def cache_directory() -> Path:
    """Where what takes long to make is kept: LXGIT_TEST_CACHE, else the user's cache."""
    if chosen := os.environ.get("LXGIT_TEST_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lxgit-tests")


def cached_debian(name: str, options: tuple[str, ...]) -> Path:
    """The tar of a Debian made with `options` of mmdebstrap, kept under `name` for KEEP_DAYS.

    CalledProcessError with mmdebstrap's words when there is none and none can be made.
    """
    archive = cache_directory() / f"debian-{SUITE}-{name}.tar"
    with locked(archive.with_suffix(".lock")):
        if not fresh(archive):
            _bootstrap(archive, options)
    return archive


def is_cached(name: str) -> bool:
    """Whether `cached_debian` answers without the network."""
    return fresh(cache_directory() / f"debian-{SUITE}-{name}.tar")


def fresh(made: Path) -> bool:
    """Whether something in the cache is there, and not too old."""
    return made.exists() and time.time() - made.stat().st_mtime < KEEP_DAYS * 86400


def _bootstrap(archive: Path, options: tuple[str, ...]) -> None:
    partial = archive.with_suffix(".partial.tar")
    command = ["mmdebstrap", "--quiet", *options, SUITE, str(partial), MIRROR]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        partial.rename(archive)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time makes a thing in the cache; the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
