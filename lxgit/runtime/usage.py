"""What a running container uses, read from its control groups of either version and from /proc.

Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, cpuacct.rst and
blkio-controller.rst, pids.rst; proc_pid_net(5).
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from lxgit.runtime import cgroups
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.runtime.containers import Container
    from lxgit.runtime.hierarchies import Hierarchy

_NO_LIMIT = 1 << 60  # version 1 says 2^63 less a page


class Usage(NamedTuple):
    """A moment of a container. Bytes and counts; 0 for what the host does not count."""

    at: int  # nanoseconds, of time.monotonic_ns
    cpu: int = 0  # nanoseconds of processor time since the start
    memory: int = 0  # without what of the page cache is not in use
    memory_limit: int = 0  # the host's memory where the container has no limit
    pids: int = 0
    read: int = 0  # from block devices
    written: int = 0
    received: int = 0  # by the network, but for lo
    sent: int = 0


def usage(container: str, pid: int | None, hosts: Mapping[str, Hierarchy]) -> Usage:
    """What the container of that id uses; `pid` is its first process, for its network.

    `hosts` says which hierarchy each controller is in (cgroups.controllers_of).
    """
    memory, limit = _memory(container, hosts)
    read, written = _block_io(container, hosts)
    received, sent = network_io(_read(Path(f"/proc/{pid}/net/dev"))) if pid else (0, 0)
    return Usage(
        at=time.monotonic_ns(),
        cpu=_cpu(container, hosts),
        memory=memory,
        memory_limit=limit,
        pids=_number(_file(container, hosts, "pids", "pids.current")),
        read=read,
        written=written,
        received=received,
        sent=sent,
    )


def processes(container: str) -> set[int]:
    """The ids of all its processes, as the host numbers them."""
    found: set[int] = set()
    for hierarchy in cgroups.hierarchies_of(container):
        for directory, _, _ in os.walk(hierarchy.group(container)):
            found.update(map(int, _read(Path(directory, "cgroup.procs")).split()))
    return found


def inside_of(supervisor: int | None) -> set[int]:
    """The same of a container without control groups.

    Those that a supervisor has started, directly or not, and that have a number of their own in a
    namespace below its own (proc_pid_status(5), NSpid).
    """
    parents: dict[int, int] = {}
    depths: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        words = dict(
            line.split(":", 1) for line in _read(Path("/proc", name, "status")).splitlines()
        )
        if "NSpid" in words:
            parents[int(name)] = int(words["PPid"])
            depths[int(name)] = len(words["NSpid"].split())
    found = set()
    for pid, depth in depths.items():
        above: int | None = pid
        while above and above != supervisor:
            above = parents.get(above)
        if above and depth > depths.get(above, depth):  # or the supervisor has gone meanwhile
            found.add(pid)
    return found


def has_none_left(container: Container) -> bool:
    """Whether a container has ended, by its processes, which may not be recorded yet.

    Its control groups are gone then; an ordinary user's may have run without any.
    """
    if any(one.group(container.id).is_dir() for one in cgroups.hierarchies_of(container.id)):
        return False
    return not inside_of(container.state.supervisor)


def _cpu(container: str, hosts: Mapping[str, Hierarchy]) -> int:
    if "cpuacct" in hosts:
        return _number(_file(container, hosts, "cpuacct", "cpuacct.usage"))
    microseconds = _table(_file(container, hosts, "cpu", "cpu.stat")).get("usage_usec", 0)
    return microseconds * 1000


def _memory(container: str, hosts: Mapping[str, Hierarchy]) -> tuple[int, int]:
    """What is used, and the limit."""
    old = "memory" in hosts and hosts["memory"].version == 1
    names = ("memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
    if not old:
        names = ("memory.current", "memory.max", "inactive_file")
    used, limit = (_number(_file(container, hosts, "memory", name)) for name in names[:2])
    cached = _table(_file(container, hosts, "memory", "memory.stat")).get(names[2], 0)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(used - cached, 0), limit if 0 < limit < _NO_LIMIT else there


def _block_io(container: str, hosts: Mapping[str, Hierarchy]) -> tuple[int, int]:
    if "blkio" in hosts:
        return block_io_v1(_file(container, hosts, "blkio", "blkio.throttle.io_service_bytes"))
    return block_io_v2(_file(container, hosts, "io", "io.stat"))


def block_io_v1(text: str) -> tuple[int, int]:
    """Bytes read and written, of lines `8:0 Read 4096`."""
    lines = [line.split() for line in text.splitlines()]
    total = {"Read": 0, "Write": 0}
    for words in lines:
        if len(words) == 3 and words[1] in total:
            total[words[1]] += int(words[2])
    return total["Read"], total["Write"]


def block_io_v2(text: str) -> tuple[int, int]:
    """Bytes read and written, of lines `8:0 rbytes=4096 wbytes=0 …`."""
    pairs = [word.partition("=") for word in text.split()]
    return (
        sum(int(value) for name, _, value in pairs if name == "rbytes"),
        sum(int(value) for name, _, value in pairs if name == "wbytes"),
    )


def network_io(text: str) -> tuple[int, int]:
    """Bytes received and sent, of all interfaces in /proc/PID/net/dev but lo."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, counts = line.partition(":")
        if name.strip() != "lo":
            numbers = counts.split()
            received += int(numbers[0])
            sent += int(numbers[8])
    return received, sent


def _file(container: str, hosts: Mapping[str, Hierarchy], controller: str, name: str) -> str:
    hierarchy = hosts.get(controller)
    return _read(hierarchy.group(container) / name) if hierarchy is not None else ""


def _read(path: Path) -> str:
    """A file's text; nothing where it is not there, as when the container has ended."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="ascii", errors="replace")
    return ""


def _number(text: str) -> int:
    """A number; 0 for `max` and for nothing."""
    return int(text) if text.strip().isdecimal() else 0


def _table(text: str) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = [line.split() for line in text.splitlines()]
    return {words[0]: int(words[1]) for words in pairs if len(words) == 2}
