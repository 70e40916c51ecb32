"""What /proc says of processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, the state first (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def parent(pid: int) -> int:
    """Whose child it is."""
    return int(stat_of(pid)[1])


def has_ended(pid: int) -> bool:
    """Whether it has, be it that its parent has not waited for it yet: a signal takes time."""
    try:
        return stat_of(pid)[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_attached(pid: int) -> bool:
    """Whether a supervisor has answered a client: then that makes a pipe, for its signals."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            if int(descriptor.name) > 2 and os.readlink(descriptor).startswith("pipe:"):
                return True
    return False


def children(pid: int) -> set[int]:
    """The processes whose parent it is, also those that it has not waited for yet."""
    found = set()
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just gone
            if parent(int(directory.name)) == pid:
                found.add(int(directory.name))
    return found


def grandchildren(pid: int) -> set[int]:
    """The children of its children."""
    return {found for child in children(pid) for found in children(child)}


def group_has_ended(group: int) -> bool:
    """Whether all processes of a group have: those that were killed may take their time."""
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, its_group = stat_of(int(directory.name))[:3]
            if int(its_group) == group and state not in "ZX":
                return False
    return True


def openers(path: Path) -> set[int]:
    """The processes that have a file open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has just gone, or tells nobody
            if link.samefile(path):
                found.add(int(link.parts[2]))
    return found


def mount_points(pid: int) -> set[Path]:
    """Where something is mounted for a process (proc_pid_mountinfo(5))."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return {Path(line.split()[4]) for line in lines}
