"""What /proc says of processes."""

from __future__ import annotations

import contextlib
from pathlib import Path


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, the state first (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def parent(pid: int) -> int:
    """Whose child it is."""
    return int(stat_of(pid)[1])


def children(pid: int) -> set[int]:
    """The processes whose parent it is, also those that it has not waited for yet."""
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just gone
            if parent(int(directory.name)) == pid:
                found.add(int(directory.name))
    return found
