"""What /proc says of processes."""

from __future__ import annotations

from pathlib import Path


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, the state first (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def parent(pid: int) -> int:
    """Whose child it is."""
    return int(stat_of(pid)[1])
