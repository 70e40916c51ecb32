"""What a container may use at most: from a wish to the files of its control groups.

A controller (`memory`, `cpu`, `cpuset`, `pids`) is in version 1 or 2 of control groups, whichever
the host has mounted it in (cgroups.py), and the two have other files and other units for the same.
Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst and cgroup-v1/cpusets.rst,
scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.records import dataclass
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lxgit.runtime.hierarchies import Hierarchy

DEFAULT_LOG = 256 << 20  # bytes of output that are kept
DEFAULT_SHM = 64 << 20  # bytes of /dev/shm: Docker's
DEFAULT_PIDS = 2048  # what Podman has; a fork bomb ends there

_PERIOD = 100_000  # microseconds: the kernel's own default
_LEAST_MEMORY = 6 << 20  # bytes; below that nothing starts
_LEAST_CPUS = 0.01  # one thousand microseconds a period, which is the kernel's least
_PIDS = range(1, (1 << 22) + 1)  # PID_MAX_LIMIT, include/linux/threads.h
_SHARES = range(2, 262_145)
_DIGITS = 5  # of a processor's number: no kernel has more than 8,192
ANY_SWAP = -1
"""As a limit of memory with swap: as much swap as the host has."""


class InvalidLimit(LxgitError):
    """A limit that nothing could run within, or that this host is too small for."""


class LimitNotInForce(LxgitError):
    """The host cannot give a limit; the message names the option."""

    exit_code = 125


@dataclass(frozen=True, slots=True)
class Limits:
    """`None` is no limit. Memory is in bytes."""

    memory: int | None = None
    cpus: float | None = None  # processors' worth of time
    cpu_shares: int | None = None  # weight against others; 1,024 is what one has without
    pids: int | None = None  # processes and threads
    memory_swap: int | None = None  # with swap; None: twice the memory, ANY_SWAP: no limit to swap
    memory_reservation: int | None = None  # what it keeps, as far as others can do without
    cpuset: str | None = None  # the processors that it runs on, as 0-2,4

    def check(self) -> None:
        """Raise InvalidLimit for a value that cannot be."""
        if self.memory is not None and self.memory < _LEAST_MEMORY:
            raise InvalidLimit(
                f"no container fits into {self.memory} bytes of memory", hint="6 MiB is the least"
            )
        self._check_swap()
        if self.cpuset is not None:
            _check_cpuset(self.cpuset)
        there = os.cpu_count() or 1
        if self.cpus is not None and not _LEAST_CPUS <= self.cpus <= there:
            raise InvalidLimit(
                f"--cpus {self.cpus:g} is out of range: this host has {there}",
                hint=f"from 0.01 to {there}",
            )
        if self.cpu_shares is not None and self.cpu_shares not in _SHARES:
            raise InvalidLimit(
                f"--cpu-shares {self.cpu_shares} is out of range", hint="from 2 to 262144"
            )
        if self.pids is not None and self.pids not in _PIDS:
            raise InvalidLimit(
                f"--pids-limit {self.pids} is out of range",
                hint=f"from 1 to {_PIDS[-1]}; 0 is no limit",
            )

    def wanted(self) -> list[tuple[str, str]]:
        """The option of each limit that there is, and the controller that it needs."""
        return [(setting.option, setting.controller) for setting in _settings(self, {})]

    def _check_swap(self) -> None:
        if self.memory_swap is None:
            return
        if self.memory is None:
            raise InvalidLimit(
                "--memory-swap is a limit of memory and swap together, and there is none of memory",
                hint="--memory with it; --memory-swap 0 takes it away",
            )
        if self.memory_swap not in range(self.memory, 1 << 63) and self.memory_swap != ANY_SWAP:
            raise InvalidLimit(
                f"--memory-swap {self.memory_swap} is less than --memory {self.memory}",
                hint="it is memory and swap together; -1 is as much swap as there is",
            )


def numbers(text: str) -> frozenset[int]:
    """What a list of processors names, as the kernel writes it: 0-2,4. ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        ends = part.split("-", 1)
        if not all(end.isdecimal() and end.isascii() and len(end) <= _DIGITS for end in ends):
            raise ValueError(text)
        found.update(range(int(ends[0]), int(ends[-1]) + 1))
    return frozenset(found)


def canonical(found: Collection[int]) -> str:
    """The same as the kernel writes it."""
    runs: list[list[int]] = []
    for number in sorted(found):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _check_cpuset(text: str) -> None:
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        online = file.read().strip()
    try:
        wanted = numbers(text)
    except ValueError:
        wanted = frozenset()
    if not wanted or not wanted <= numbers(online):
        raise InvalidLimit(
            f"--cpuset-cpus '{text}': these processors are not there",
            hint=f"this host has {online}",
        )


NO_LIMITS = Limits()


class Setting(NamedTuple):
    """A file of a control group, and what it must say for a limit to be in force."""

    controller: str
    version: int  # of control groups, that the controller is in
    file: str
    value: str
    lifted: str  # what it says without one
    option: str  # what a user calls it
    optional: bool = False  # not every kernel has it, as where it counts no swap


def settings(limits: Limits, hosts: Mapping[str, Hierarchy]) -> list[Setting]:
    """What is to be written, in the order in which the kernel takes it when a limit is new.

    Raises LimitNotInForce where the host has no controller for one.
    """
    found = []
    for setting in _settings(limits, hosts):
        if setting.controller not in hosts:
            raise LimitNotInForce(
                f"{setting.option}: the kernel of this host has no control group for"
                f" '{setting.controller}'",
                hint=_hint(setting.controller),
            )
        if not setting.optional or hosts[setting.controller].offers(setting.file):
            found.append(setting)
    return found


def _hint(controller: str) -> str:
    if controller == "memory":
        return "boot it with cgroup_enable=memory, or leave the option out"
    if controller == "pids":
        return "--pids-limit 0 runs without one"
    return "leave the option out"


def _settings(limits: Limits, hosts: Mapping[str, Hierarchy]) -> Iterator[Setting]:
    if limits.memory is not None:
        yield from _memory(limits.memory, limits.memory_swap, _version("memory", hosts))
    if limits.memory_reservation is not None:
        yield _reservation(limits.memory_reservation, _version("memory", hosts))
    if limits.cpus is not None:
        yield from _cpus(limits.cpus, _version("cpu", hosts))
    if limits.cpu_shares is not None:
        yield _shares(limits.cpu_shares, _version("cpu", hosts))
    if limits.cpuset is not None:
        yield _cpuset(limits.cpuset, hosts)
    if limits.pids is not None:
        yield Setting(
            "pids", _version("pids", hosts), "pids.max", str(limits.pids), "max", "--pids-limit"
        )


def _version(controller: str, hosts: Mapping[str, Hierarchy]) -> int:
    return hosts[controller].version if controller in hosts else 2


def _memory(wanted: int, with_swap: int | None, version: int) -> Iterator[Setting]:
    size = _in_pages(wanted)
    both = 2 * size if with_swap is None else _in_pages(with_swap)
    if version == 1:
        first, second, limit, lifted = "limit_in_bytes", "memsw.limit_in_bytes", both, "-1"
    else:
        first, second, limit, lifted = "max", "swap.max", both - size, "max"
    yield Setting("memory", version, f"memory.{first}", str(size), lifted, "--memory")
    if with_swap == ANY_SWAP:
        return
    is_asked = with_swap is not None
    option = "--memory-swap" if is_asked else "--memory"
    yield Setting(
        "memory", version, f"memory.{second}", str(limit), lifted, option, optional=not is_asked
    )


def _in_pages(size: int) -> int:
    """Bytes, as the kernel counts them."""
    return size - size % os.sysconf("SC_PAGESIZE")


def _reservation(wanted: int, version: int) -> Setting:
    file, lifted = ("soft_limit_in_bytes", "-1") if version == 1 else ("low", "0")
    size = str(_in_pages(wanted))
    return Setting("memory", version, f"memory.{file}", size, lifted, "--memory-reservation")


def _cpuset(wanted: str, hosts: Mapping[str, Hierarchy]) -> Setting:
    version, lifted = _version("cpuset", hosts), "\n"
    if version == 1:  # where a group must name some
        lifted = (hosts["cpuset"].top / "cpuset.cpus").read_text("ascii").strip()
    value = canonical(numbers(wanted))
    return Setting("cpuset", version, "cpuset.cpus", value, lifted, "--cpuset-cpus")


def _cpus(cpus: float, version: int) -> Iterator[Setting]:
    quota = round(cpus * _PERIOD)
    if version == 1:
        period = str(_PERIOD)
        yield Setting("cpu", version, "cpu.cfs_period_us", period, period, "--cpus")
        yield Setting("cpu", version, "cpu.cfs_quota_us", str(quota), "-1", "--cpus")
    else:
        value, lifted = f"{quota} {_PERIOD}", f"max {_PERIOD}"
        yield Setting("cpu", version, "cpu.max", value, lifted, "--cpus")


def _shares(shares: int, version: int) -> Setting:
    if version == 1:
        return Setting("cpu", version, "cpu.shares", str(shares), "1024", "--cpu-shares")
    # 2 … 262144 onto 1 … 10000, as the OCI runtimes do (runc, libcontainer/cgroups/utils.go).
    weight = 1 + (shares - 2) * 9999 // 262_142
    return Setting("cpu", version, "cpu.weight", str(weight), "100", "--cpu-shares")
