"""What containers may: words of a command line become limits."""

from __future__ import annotations

from lxgit.records import replace
from lxgit.runtime import limits as kinds
from lxgit.runtime import rootless
from lxgit.runtime.limits import DEFAULT_PIDS, NO_LIMITS, Limits
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.runtime.security import Security

ANY_SWAP = kinds.ANY_SWAP
"""Here for the command line, which knows no room but operations."""


_SCORES = range(-1000, 1001)  # proc_pid_oom_score_adj(5)


def _by_default() -> Limits:
    return NO_LIMITS if rootless.is_active() else Limits(pids=DEFAULT_PIDS)


class WantedLimits(NamedTuple):
    """What was said of each limit: None is nothing, and 0 that there is to be none."""

    memory: int | None = None  # bytes
    cpus: float | None = None
    cpu_shares: int | None = None
    pids: int | None = None
    memory_swap: int | None = None  # bytes, or ANY_SWAP
    memory_reservation: int | None = None  # bytes
    cpuset: str | None = None

    def applied(self, to: Limits | None = None) -> Limits:
        """The limits then. Raises InvalidLimit."""
        said = {name: value or None for name, value in self._asdict().items() if value is not None}
        if self.memory == 0:  # what there is of swap is counted with it
            said.setdefault("memory_swap", None)
        limits: Limits = replace(to or _by_default(), **said)
        limits.check()
        return limits


def checked_score(score: int) -> int:
    """How soon the kernel kills a container for want of memory. InvalidLimit."""
    if score not in _SCORES:
        raise kinds.InvalidLimit(
            f"--oom-score-adj {score} is out of range", hint="from -1000, never, to 1000, first"
        )
    return score


class WantedSecurity(NamedTuple):
    """Words about capabilities, devices, ulimits and kernel parameters, as they were typed."""

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    ulimits: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # of --security-opt

    def checked(self, network: str) -> Security:
        """In one spelling, for a container of this network.

        Raises UnknownCapability, InvalidDevice, InvalidUlimit, InvalidSysctl, UsageError.
        """
        from lxgit.runtime.capabilities import normalised
        from lxgit.runtime.security import Confinement, Device, Security, Sysctl, Ulimit

        devices = [Device.of(text) for text in self.devices]
        for device in devices:
            device.node()
        for text in self.sysctls:
            Sysctl.of(text, network)
        return Security(
            cap_add=tuple(map(normalised, self.cap_add)),
            cap_drop=tuple(map(normalised, self.cap_drop)),
            devices=tuple(map(str, devices)),
            ulimits=tuple(str(Ulimit.of(text)) for text in self.ulimits),
            sysctls=self.sysctls,
            **Confinement.of(self.options)._asdict(),
        )
