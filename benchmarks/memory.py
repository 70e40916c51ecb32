"""The most memory that a program and all its children need at one time.

They run in a control group of their own, of which the kernel counts anonymous and shared memory
together, whoever of them has it; every few milliseconds that is read. The page cache does not
count: the kernel takes it back whenever it is wanted.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.harness import Failed, Void
from benchmarks.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path("/sys/fs/cgroup")
_PAUSE = 0.003  # seconds between two looks

_ENTER = ("/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"')
"""sh writes its own process into the group's cgroup.procs, then becomes the program."""


def peak(program: Program, *arguments: str) -> float:
    """Run it to its end; bytes. Failed as `Program.run`, Void where no group can be made."""
    with _group() as group:
        inside = Program(
            (*_ENTER, str(group / "cgroup.procs"), *program.words), program.environment
        )
        with _Watch(group) as watch:
            inside.run(*arguments)
    if not watch.highest:
        raise Failed("the control group counted nothing")
    return watch.highest


@contextmanager
def _group() -> Iterator[Path]:
    """A new control group with the memory controller, of version 2 where that has it, or 1."""
    try:
        group = _parent() / f"lxgit-bench-{os.getpid()}"
        group.mkdir()
        if not (group / "memory.stat").exists():
            group.rmdir()
            raise Void("no memory controller in a new control group")
    except OSError as error:
        raise Void(f"no control group can be made: {error}") from None
    try:
        yield group
    finally:
        _remove(group)


def _parent() -> Path:
    if "memory" in _words(_ROOT / "cgroup.controllers"):
        if "memory" not in _words(_ROOT / "cgroup.subtree_control"):
            (_ROOT / "cgroup.subtree_control").write_text("+memory")
        return _ROOT
    return _ROOT / "memory"


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def _remove(group: Path) -> None:
    """Also what the program made below; what has just ended may be in it for a moment."""
    for _ in range(100):
        done = subprocess.run(
            ["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"],
            capture_output=True,
            check=False,
        )
        if done.returncode == 0 and not group.exists():
            return
        time.sleep(0.05)


class _Watch:
    """A thread that looks at a group; `highest` is the most it saw, in bytes."""

    def __init__(self, group: Path) -> None:
        self.highest = 0
        self._file = group / "memory.stat"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_PAUSE):
            self.highest = max(self.highest, used(self._file.read_text()))


def used(stat: str) -> int:
    """Anonymous and shared memory of a memory.stat, of children too, in bytes.

    Version 2 says `anon` and `shmem`; version 1 `total_rss` and `total_shmem`, and without `total_`
    those of the group alone.
    """
    values = dict(line.split(maxsplit=1) for line in stat.splitlines())
    anonymous = "anon" if "anon" in values else "total_rss"
    shared = "shmem" if "anon" in values else "total_shmem"
    return int(values[anonymous]) + int(values[shared])
