"""The options of a container that say what it may do, and how much it may use."""

from __future__ import annotations

from lxgit.cli.params import Annotated, Literal, option
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.limiting import WantedLimits


class Isolation(NamedTuple):
    """What keeps it apart from the host."""

    userns: Annotated[
        Literal["host"] | None, option("--userns", help="the host's user ids: less isolation")
    ] = None
    privileged: Annotated[
        bool, option("--privileged", help="all powers of root on this host: no isolation")
    ] = False
    cap_add: Annotated[
        tuple[str, ...], option("--cap-add", help="a capability more", metavar="NAME|ALL")
    ] = ()
    cap_drop: Annotated[
        tuple[str, ...], option("--cap-drop", help="a capability less", metavar="NAME|ALL")
    ] = ()
    devices: Annotated[
        tuple[str, ...],
        option("--device", help="a device of the host", metavar="HOST[:CONTAINER][:rwm]"),
    ] = ()
    sysctls: Annotated[
        tuple[str, ...],
        option("--sysctl", help="a kernel parameter of its own", metavar="NAME=VALUE"),
    ] = ()
    security: Annotated[
        tuple[str, ...],
        option(
            "--security-opt",
            help="no-new-privileges: no setuid program gives it more; or less isolation:"
            " seccomp=unconfined, apparmor=PROFILE|unconfined",
            metavar="OPTION",
        ),
    ] = ()


class Limiting(NamedTuple):
    """What it may use at most."""

    memory: Annotated[
        str | None, option("-m", "--memory", help="memory, and as much swap", metavar="SIZE")
    ] = None
    cpus: Annotated[
        str | None, option("--cpus", help="processors' worth of time, as 1.5", metavar="COUNT")
    ] = None
    cpu_shares: Annotated[
        int | None,
        option("-c", "--cpu-shares", help="weight against others' 1024", metavar="WEIGHT"),
    ] = None
    pids_limit: Annotated[
        int | None,
        option("--pids-limit", help="processes; 2048 by default, 0 for no limit", metavar="COUNT"),
    ] = None
    memory_swap: Annotated[
        str | None,
        option("--memory-swap", help="memory and swap together; -1 for any swap", metavar="SIZE"),
    ] = None
    memory_reservation: Annotated[
        str | None,
        option("--memory-reservation", help="what others leave it while they can", metavar="SIZE"),
    ] = None
    cpuset: Annotated[
        str | None, option("--cpuset-cpus", help="the processors it runs on", metavar="0-2,4")
    ] = None

    def wanted(self) -> WantedLimits:
        """As plain values. UsageError."""
        from lxgit.operations.limiting import ANY_SWAP, WantedLimits
        from lxgit.spelling import parse_memory, parse_processors

        def size(option: str, text: str | None) -> int | None:
            return None if text is None else parse_memory(option, text)

        swap = self.memory_swap
        return WantedLimits(
            memory=size("--memory", self.memory),
            cpus=None if self.cpus is None else parse_processors("--cpus", self.cpus),
            cpu_shares=self.cpu_shares,
            pids=None if self.pids_limit is None else max(0, self.pids_limit),
            memory_swap=ANY_SWAP if swap == "-1" else size("--memory-swap", swap),
            memory_reservation=size("--memory-reservation", self.memory_reservation),
            cpuset=self.cpuset,
        )


class ProcessLimits(NamedTuple):
    """What each of its processes may use."""

    ulimits: Annotated[
        tuple[str, ...],
        option("--ulimit", help="of each process: getrlimit(2)", metavar="NAME=SOFT[:HARD]"),
    ] = ()
    oom_score: Annotated[
        int,
        option("--oom-score-adj", help="how soon it is killed for memory: to 1000", metavar="N"),
    ] = 0
