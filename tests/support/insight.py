"""How a container looks from inside, and to root of the host: the table of security.md."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import filters

if TYPE_CHECKING:
    from collections.abc import Callable

HIDEABLE = (
    *("/proc/acpi", "/proc/asound", "/proc/bus", "/proc/fs", "/proc/interrupts", "/proc/irq"),
    *("/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/scsi", "/proc/timer_list"),
    *("/sys/firmware", "/sys/devices/virtual/powercap"),
)
"""What tells of the host, or can be used against it, where the kernel has it."""

PROBE = f"""
cat /proc/self/status
echo ==
cat /proc/self/uid_map
echo ==
cat /proc/self/mountinfo
echo ==
find /dev -type c -o -type b
echo ==
for p in {" ".join(HIDEABLE)}; do
    if [ -d $p ] && [ -n "$(ls -A $p)" ]; then echo $p
    elif [ -f $p ] && [ -n "$(head -c 1 $p | tr '\\0' x)" ]; then echo $p
    fi
done
echo ==
for f in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do [ ! -e $f ] || cat $f; done
echo ==
cat /proc/self/cgroup
"""
"""A script for a shell with the usual small programs. It needs nothing of the host."""

_PARTS = 7  # each ends in a line of its own
_VIRTUAL = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2", "overlay"}


@dataclass(frozen=True)
class Insight:
    """What was seen of one container."""

    uid_map: str
    bounding: int
    effective: int
    no_new_privs: str
    refused: frozenset[int]  # numbers of system calls
    shown: frozenset[str]  # of HIDEABLE, those whose content can be seen
    read_only: frozenset[str]  # mounts below /proc and /sys
    devices: frozenset[str]
    root: str  # the flags of its mount
    foreign: frozenset[str]  # mounts of the host's file systems, besides the root
    pids: str
    cgroup_is_own: bool
    namespaces: frozenset[str]  # those that are not the host's

    @classmethod
    def of(cls, said: str, pid: int) -> Insight:
        """From what PROBE printed in a container, and its process 1 as the host numbers it."""
        status, uid_map, mounts, devices, shown, pids, groups = said.split("==\n")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        mounted = [_mount(line) for line in mounts.splitlines()]
        return cls(
            uid_map=" ".join(uid_map.split()),
            bounding=int(fields["CapBnd"], 16),
            effective=int(fields["CapEff"], 16),
            no_new_privs=fields["NoNewPrivs"],
            refused=frozenset(filters.refused(pid)),
            shown=frozenset(shown.split()),
            read_only=frozenset(
                path
                for path, flags, _ in mounted
                if "ro" in flags and re.match(r"/(proc|sys)\b", path)
            ),
            devices=frozenset(name.removeprefix("/dev/") for name in devices.split()),
            root=next(",".join(sorted(flags)) for path, flags, _ in mounted if path == "/"),
            foreign=frozenset(path for path, _, kind in mounted if kind not in _VIRTUAL),
            pids=" ".join(pids.split()),
            cgroup_is_own=all(line.endswith(":/") for line in groups.split()),
            namespaces=frozenset(
                name
                for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
                if os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
            ),
        )

    @classmethod
    def look(cls, run: Callable[..., str], image: str, *options: str) -> Insight:
        """Run a container with a program that has Docker's commands, look at it, and remove it."""
        script = f"{PROBE}\necho ==; sleep 600"
        container = run("run", "-d", *options, image, "sh", "-c", script).strip()
        try:
            end = time.monotonic() + 60
            while (said := run("logs", container)).count("==\n") < _PARTS:
                assert time.monotonic() < end, said
                time.sleep(0.05)
            (found,) = json.loads(run("inspect", container))
            return cls.of(said.rpartition("==\n")[0], found["State"]["Pid"])
        finally:
            run("rm", "-f", container)

    def cells(self) -> dict[str, str]:
        """The rows of the table, in words."""
        first, outside, count = self.uid_map.split()
        whose = "ids that nobody has" if outside != "0" else "the host's ids"
        start = "N" if outside != "0" else "0"
        hidden = [path for path in HIDEABLE if os.path.exists(path) and path not in self.shown]
        kept = [path for path in HIDEABLE if path in self.shown and self._is_read_only(path)]
        return {
            "namespaces of its own": " ".join(sorted(self.namespaces)),
            "`/proc/self/uid_map`": f"`{first} {start} {count}`: {whose}",
            "capabilities, bounding": _capabilities(self.bounding),
            "capabilities, effective": _capabilities(self.effective),
            "system calls refused (seccomp)": str(len(self.refused)),
            "`no_new_privs`": self.no_new_privs,
            "hidden": " ".join(hidden),
            "shown, and read-only": " ".join(kept) or "none of these",
            "`/proc/sys`, `/sys`": "read-only" if self._is_read_only("/proc/sys") else "writable",
            "devices": " ".join(sorted(self.devices)),
            "its root": "nodev" if "nodev" in self.root.split(",") else "as the image has it",
            "mounts of the host's disk": " ".join(sorted(self.foreign)) or "none",
            "control group": "its own tree" if self.cgroup_is_own else "the host's tree",
            "processes": self.pids,
        }

    def _is_read_only(self, path: str) -> bool:
        return any(path == place or path.startswith(f"{place}/") for place in self.read_only)

    def looser_than(self, other: Insight) -> list[str]:
        """In what it has less between it and the host; nothing, if lxgit is as it should be."""
        mine = {path for path in self.shown if not self._is_read_only(path)}
        theirs = {path for path in other.shown if not other._is_read_only(path)}
        tight = {
            "namespaces": self.namespaces >= other.namespaces,
            "bounding": not self.bounding & ~other.bounding,
            "effective": not self.effective & ~other.effective,
            "system calls": self.refused >= other.refused,
            "no_new_privs": self.no_new_privs >= other.no_new_privs,
            "shown": self.shown <= other.shown,
            "writable": mine <= theirs,
            "devices": self.devices <= other.devices,
            "root": "nodev" in self.root or "nodev" not in other.root,
            "foreign": self.foreign <= other.foreign,
            "pids": _number(self.pids) <= _number(other.pids),
            "cgroup": self.cgroup_is_own or not other.cgroup_is_own,
        }
        return [name for name, is_tight in tight.items() if not is_tight]


def _mount(line: str) -> tuple[str, set[str], str]:
    """Where, with which flags, and of which kind: proc_pid_mountinfo(5)."""
    fields = line.split()
    return fields[4], set(fields[5].split(",")), fields[fields.index("-") + 1]


def _capabilities(mask: int) -> str:
    return f"`{mask:016x}`, {mask.bit_count()}"


def _number(limit: str) -> float:
    return float("inf") if limit in ("max", "") else int(limit)


def table(columns: dict[str, Insight]) -> str:
    """In Markdown: a row a line of `cells`, a column a program."""
    told = {name: insight.cells() for name, insight in columns.items()}
    lines = ["| | " + " | ".join(told) + " |", "|---" * (len(told) + 1) + "|"]
    for row in next(iter(told.values())):
        lines += [f"| {row} | " + " | ".join(cells[row] for cells in told.values()) + " |"]
    return "\n".join(lines)


def documented(text: str) -> dict[str, dict[str, str]]:
    """The table of security.md: by program, by row."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    start = next(at for at, row in enumerate(rows) if row[1:2] == ["lxgit"])
    names = rows[start][1:]
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for row in rows[start + 1 :]:
        if len(row) != len(names) + 1:
            break
        for name, cell in zip(names, row[1:], strict=True):
            found[name][row[0]] = cell
    return found


SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
