r"""A machine's history: a Debian, and what real package operations changed in it, one by one.

It is made once, by apt and dpkg in a chroot on an overlay, and kept; so each peer gets the same
sequence of trees, and no network takes part in a measurement. A step is one file, which APPLY reads
inside of any container: ten digits, so many bytes of names that go (each ended by NUL), then a tar
of what is new or changed.

What the history is like is in favour of the peers: apt is set up as in Debian's own container
images, so neither packages nor apt's caches are kept, and the lists of packages are compressed.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Void
from benchmarks.inputs import APT
from tests.support import rootfs

APPLY = """
set -e
head -c "$(head -c 10)" | xargs -0r rm -rf --
exec tar -xpf - --numeric-owner --xattrs --xattrs-include='*' \\
    --exclude=etc/hosts --exclude=etc/hostname --exclude=etc/resolv.conf
"""
"""What sh does at the root of a tree, with a step as its standard input.

Three files are left out, over which container managers mount their own.
"""

_INSTALL = "export DEBIAN_FRONTEND=noninteractive; apt-get -y --no-install-recommends install "
_REMOVE = "export DEBIAN_FRONTEND=noninteractive; apt-get -y --auto-remove purge "
_UPGRADE = "export DEBIAN_FRONTEND=noninteractive; apt-get -y upgrade"

_CONFIGURE = """
cd /etc/apt/apt.conf.d
echo 'Acquire::Languages "none"; Acquire::GzipIndexes "true";' > docker
echo 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' >> docker
echo 'Binary::apt-get::APT::Keep-Downloaded-Packages "false";' >> docker
echo 'APT::Keep-Downloaded-Packages "false";' >> docker
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
"""

_SITE = """
cd /etc/nginx
sed -i 's/worker_connections .*/worker_connections 4096;/' nginx.conf
printf 'server {\n  listen 8080;\n  root /srv/www;\n}\n' > sites-available/www
ln -s ../sites-available/www sites-enabled/www
rm sites-enabled/default
mkdir -p /srv/www
echo '<h1>It works</h1>' > /srv/www/index.html
"""

_NEWER = """
cd /etc/apt/sources.list.d
echo 'deb http://deb.debian.org/debian-security trixie-security main' > security.list
echo 'deb http://deb.debian.org/debian trixie-backports main' > backports.list
apt-get update
"""

_TUNE = """
sed -i 's/^# *maxmemory .*/maxmemory 256mb/; s/^save/#save/' /etc/redis/redis.conf
mkdir -p /etc/sysctl.d
echo 'vm.overcommit_memory = 1' > /etc/sysctl.d/redis.conf
"""

STEPS = {
    "set apt up as container images do": _CONFIGURE,
    "apt-get update": "apt-get update",
    "install nginx": _INSTALL + "nginx",
    "configure a site": _SITE,
    "install python3": _INSTALL + "python3",
    "install haproxy, rsync and xmllint": _INSTALL + "haproxy rsync libxml2-utils",
    "add a user": "useradd --create-home --shell /bin/bash deploy",
    "install curl and git": _INSTALL + "ca-certificates curl git",
    "write a message of the day": "echo 'Ask before you restart.' > /etc/motd",
    "install redis": _INSTALL + "redis-server",
    "tune redis": _TUNE,
    "add security and backports": _NEWER,
    "upgrade nginx": _INSTALL + "--only-upgrade nginx",
    "upgrade what security has": _UPGRADE,
    "install nodejs": _INSTALL + "nodejs",
    "upgrade curl from backports": _INSTALL + "-t trixie-backports curl",
    "remove redis": _REMOVE + "redis-server",
    "install vim": _INSTALL + "vim",
    "more workers": "sed -i 's/worker_processes .*/worker_processes 4;/' /etc/nginx/nginx.conf",
    "remove haproxy": _REMOVE + "haproxy",
}
"""What is done, step by step: one commit each."""

_SCRIPT = """
set -e
mount -t overlay overlay -o lowerdir=tree,upperdir=upper,workdir=work merged
mount --rbind /dev merged/dev
mount -t proc proc merged/proc
mount --bind /etc/resolv.conf merged/etc/resolv.conf
exec chroot merged /bin/sh -ec "$1"
"""
_PACKAGES = "var/lib/dpkg/status"


@dataclass(frozen=True, slots=True)
class History:
    """`base` is a tar, each step a file for APPLY, named for what it does."""

    base: Path
    steps: tuple[Path, ...]


def history(length: int) -> History:
    """The first `length` steps; Void when they are not at hand and cannot be made."""
    base = APT.archive()
    kept = rootfs.cache_directory() / "bench-history"
    with rootfs.locked(kept.with_suffix(".lock")):
        if not kept.is_dir() or kept.stat().st_mtime < base.stat().st_mtime:
            _make(base, kept)
    return History(base, tuple(sorted(kept.iterdir())[:length]))


def apply(step: Path, tree: Path) -> None:
    """What a container does with a step, in a chroot."""
    command = ("chroot", str(tree), "/bin/sh", "-c", APPLY)
    with step.open("rb") as stream:
        subprocess.run(command, stdin=stream, check=True, env=_ENVIRONMENT)


_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


def _make(base: Path, kept: Path) -> None:
    """All steps, in a directory that is there only when it is complete."""
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="bench-history-") as name:
        scratch = Path(name)
        tree = rootfs.extract_tar(base, scratch / "tree")
        (scratch / "steps").mkdir()
        for number, (what, script) in enumerate(STEPS.items(), 1):
            step = scratch / "steps" / f"{number:02} {what}"
            upper = _operate(scratch, what, script)
            write_step(upper, tree, step)
            apply(step, tree)
        shutil.rmtree(kept, ignore_errors=True)
        (scratch / "steps").rename(kept)


def _operate(scratch: Path, what: str, script: str) -> Path:
    """Run a script in the tree; the upper directory with what it changed."""
    for name in ("upper", "work", "merged"):
        shutil.rmtree(scratch / name, ignore_errors=True)
        (scratch / name).mkdir(mode=0o755)
    command = ("unshare", "--mount", "--pid", "--fork", "sh", "-c", _SCRIPT, "sh", script)
    done = subprocess.run(
        command, cwd=scratch, env=_ENVIRONMENT, capture_output=True, text=True, check=False
    )
    upper = scratch / "upper"
    if done.returncode:
        raise Void(f"no history: {what}: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    if what.startswith("upgrade") and not (upper / _PACKAGES).exists():
        raise Void(f"no history: the archive has nothing for '{what}'")
    return upper


def write_step(upper: Path, tree: Path, step: Path) -> None:
    """The file `step` of what an upper directory changes in `tree`."""
    gone, kept = _changes(os.fsencode(upper), os.fsencode(tree))
    names = b"".join(name + b"\0" for name in gone)
    with step.open("wb") as file:
        file.write(b"%010d" % len(names) + names)
        file.flush()
        subprocess.run(
            (
                *("tar", "--no-recursion", "--format=posix", "--numeric-owner"),
                *("--xattrs", "--xattrs-include=user.*", "--xattrs-include=security.*"),
                *("-cf", "-", "--null", "--files-from=-"),
            ),
            input=b"".join(name + b"\0" for name in kept),
            stdout=file,
            cwd=upper,
            check=True,
            env=_ENVIRONMENT,
        )


def _changes(upper: bytes, tree: bytes) -> tuple[list[bytes], list[bytes]]:
    """What has gone, and what is there: names below the root, as they stand in an upper directory.

    A whiteout is a device 0:0; an opaque directory hides what was there; so does whatever has
    taken a directory's place, or left its place to one.
    """
    gone, kept = [], []
    for path, directories, files in os.walk(upper):
        for name in sorted(directories + files):
            found = os.path.join(path, name)
            inside = os.path.relpath(found, upper)
            status = os.lstat(found)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                gone.append(inside)
                continue
            if _hides(found, os.path.join(tree, inside)):
                gone.append(inside)
            kept.append(inside)
    return sorted(gone), sorted(kept)


def _hides(found: bytes, before: bytes) -> bool:
    if os.path.islink(found) or not os.path.isdir(found):
        return os.path.isdir(before) and not os.path.islink(before)
    return b"trusted.overlay.opaque" in map(os.fsencode, os.listxattr(found))
