"""A branch with a long history, made by `git fast-import` in seconds.

Each commit changes one file below /etc or /var and its mtime, as an editor would: a text, one line
longer, and the line of its directory's %meta. Every hundredth changes /etc/passwd.
"""

from __future__ import annotations

import re
import subprocess
from itertools import cycle
from typing import TYPE_CHECKING

from benchmarks.harness import Failed
from benchmarks.programs import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BRANCH = "long"
"""What the branch is called."""

RARE = "/etc/passwd"
"""A file that few of the commits change."""

_FILES = (
    *("/etc/motd", "/etc/hosts", "/etc/profile", "/etc/group", "/etc/hostname"),
    *("/etc/fstab", "/etc/issue", "/etc/security/limits.conf", "/etc/default/useradd"),
    *("/var/log/dpkg.log", "/var/lib/dpkg/status", "/root/.profile", "/usr/lib/os-release"),
)
_RARELY = 100
_START = 1_600_000_000  # seconds since 1970 of the first commit
_WHO = b"Bench Mark <bench@example.org>"


def grow(git_dir: Path, base: str, commits: int) -> None:
    """So many commits on top of the image `base`, as BRANCH."""
    git = _Git(git_dir)
    files = [name for name in _FILES if git.exists(f"{base}:rootfs{name}")]
    git.fast_import(_stream(git, base, files, commits))


def _stream(git: _Git, base: str, files: list[str], commits: int) -> Iterator[bytes]:
    directories = {name.rpartition("/")[0] for name in (*files, RARE)}
    metadata = {d: git.read(f"{base}:rootfs{d}/%meta") for d in directories}
    ordinary = cycle(files)
    for number in range(commits):
        name = RARE if number % _RARELY == _RARELY - 1 else next(ordinary)
        directory, _, last = name.rpartition("/")
        metadata[directory] = touched(metadata[directory], last, _START + number)
        yield b"commit refs/heads/%s\ncommitter %s %d +0000\n" % (
            *(BRANCH.encode(), _WHO, _START + number),
        )
        yield _data(b"Change %s, the %dth time\n" % (name.encode(), number))
        if number == 0:
            yield b"from refs/heads/%s^0\n" % base.encode()
        yield _file(name, b"A line of commit %d\n" % number * (1 + number % 20))
        yield _file(f"{directory}/%meta", metadata[directory])


def _file(path: str, content: bytes) -> bytes:
    return b"M 100644 inline rootfs%s\n%s" % (path.encode(), _data(content))


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def touched(metadata: bytes, name: str, mtime: int) -> bytes:
    """A %meta in which the entry `name` has another mtime (docs/format.md)."""
    line = re.compile(rb"^\S+( .*[ ]%s)$" % re.escape(name.encode()), re.MULTILINE)
    changed, count = line.subn(rb"%d\1" % mtime, metadata, count=1)
    if not count:
        raise Failed(f"no entry {name} in a directory's metadata")
    return changed


class _Git:
    """The git program in a store, without anybody's configuration."""

    def __init__(self, git_dir: Path) -> None:
        self._command = ("git", f"--git-dir={git_dir}")
        self._environment = {**environment(git_dir), "GIT_CONFIG_NOSYSTEM": "1"}

    def exists(self, revision: str) -> bool:
        return not self._run("cat-file", "-e", revision).returncode

    def read(self, revision: str) -> bytes:
        done = self._run("cat-file", "blob", revision)
        if done.returncode:
            raise Failed(f"git: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def fast_import(self, stream: Iterator[bytes]) -> None:
        done = self._run("fast-import", "--quiet", stdin=b"".join(stream))
        if done.returncode:
            raise Failed(f"git fast-import: {done.stderr.decode(errors='replace').strip()}")

    def _run(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self._command, *words],
            input=stdin,
            capture_output=True,
            check=False,
            env=self._environment,
        )
