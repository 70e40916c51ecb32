"""LXC's configuration of a container, as text: lxc.container.conf(5).

It holds nothing that a user wrote but the host name: the format knows no quoting. Mounts are made
before (rootfs.py); command, environment and working directory go through the launcher's arguments.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.lean import pattern
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lxgit.runtime.idmap import IdMap
    from lxgit.runtime.limits import Setting
    from lxgit.runtime.security import Ulimit

# What Docker hides of the host's /proc and /sys, or has read-only (moby, oci/defaults.go).
_MASKED_FILES = (
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/timer_list",
    "proc/interrupts",
)
_MASKED_DIRECTORIES = (
    "proc/acpi",
    "proc/asound",
    "proc/bus",
    "proc/fs",
    "proc/irq",
    "proc/scsi",
    "sys/firmware",
    "sys/devices/virtual/powercap",
)

# What Docker lets its containers open (moby, oci/devices.go): null, zero, full, random, urandom,
# tty, console, ptmx, and every pts; making nodes is harmless without opening them.
_DEVICES = ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2", "136:*")

_HOSTNAME = pattern(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?")
_IDENTIFIER = pattern(r"[0-9a-f]{64}")


class InvalidHostname(LxgitError):
    """What cannot be a host name."""


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """What LXC is asked for. `idmap` None: the host's own ids. Paths have no newline."""

    name: str  # 64 hexadecimal digits
    root: Path  # a mounted root filesystem
    null: Path  # a device 1:3 to hide files behind
    hostname: str
    idmap: IdMap | None
    network: str  # "none", "host", "bridge"
    capabilities: Sequence[str] | None  # kept in the bounding set; None: all
    apparmor: str | None  # a loaded profile; None: unconfined
    namespace: str = ""  # a path of another's network namespace, which it has; "" for its own
    seccomp: Path | None = None  # a profile; None: every system call
    no_new_privileges: bool = False
    masked: bool = True
    in_groups: bool = True  # it is told which devices its control group lets it open
    relative: bool = False  # its control groups are made where LXC itself is started
    system: bool = False  # its init may write to its control group
    cgroup: Sequence[Setting] = ()  # limits, in the order in which they are written
    devices: Sequence[str] = ()  # rules for more than the usual ones
    ulimits: Sequence[Ulimit] = ()
    start_hook: str | None = None  # a shell command of the host; LXC_PID is process 1 to be
    end_hook: str | None = None  # another, when it has ended and its control groups are there


def config_text(spec: ContainerSpec) -> str:
    """The text of an lxc.container.conf(5). Raises InvalidHostname."""
    if not _HOSTNAME.fullmatch(spec.hostname):
        raise InvalidHostname(
            f"'{spec.hostname}' cannot be a host name",
            hint="letters, digits, '-' and '.', 64 at most (hostname(7))",
        )
    if not _IDENTIFIER.fullmatch(spec.name):
        raise ValueError(spec.name)
    lines = [
        f"lxc.rootfs.path = dir:{spec.root}",
        f"lxc.uts.name = {spec.hostname}",
        *_fixed_lines(),
        *(["lxc.cgroup.relative = 1"] if spec.relative else []),
        *_id_lines(spec),
        *_network_lines(spec),
        *_security_lines(spec),
        *_limit_lines(spec),
    ]
    return "\n".join(lines) + "\n"


def _fixed_lines() -> list[str]:
    return [
        "lxc.autodev = 0",  # /dev is mounted already
        "lxc.console.path = none",  # so that descriptors 0, 1, 2 stay what they are
        "lxc.tty.max = 0",
        "lxc.pty.max = 0",
        "lxc.monitor.signal.pdeath = SIGKILL",  # the container goes with its monitor
        "lxc.mount.entry = mqueue dev/mqueue mqueue nosuid,nodev,noexec,optional 0 0",
    ]


def _id_lines(spec: ContainerSpec) -> list[str]:
    extents = spec.idmap.extents if spec.idmap is not None else ()
    return [
        f"lxc.idmap = {kind} {extent.inside} {extent.outside} {extent.count}"
        for kind in "ug"
        for extent in extents
    ]


def _network_lines(spec: ContainerSpec) -> list[str]:
    # The network of the host or of another container belongs to another user namespace, where
    # sysfs cannot be mounted (EPERM): then the root has a /sys of theirs, read-only.
    proc, sys, cgroup = "mixed", "mixed" if spec.system else "ro", "rw" if spec.system else "ro"
    if not spec.masked:
        proc, sys, cgroup = "rw", "rw", "rw:force"  # left to its init otherwise
    if spec.network == "host" or spec.namespace:
        shared = [f"lxc.namespace.share.net = {spec.namespace}"] if spec.namespace else []
        mounts = f"lxc.mount.auto = proc:{proc} cgroup:{cgroup}"
        return ["lxc.net.0.type = none", *shared, mounts]
    return [
        "lxc.net.0.type = empty",
        "lxc.net.0.flags = up",  # loopback
        f"lxc.mount.auto = proc:{proc} sys:{sys} cgroup:{cgroup}",
    ]


def _limit_lines(spec: ContainerSpec) -> list[str]:
    lines = [
        f"lxc.{'cgroup' if one.version == 1 else 'cgroup2'}.{one.file} = {one.value}"
        for one in spec.cgroup
    ]
    lines += [f"lxc.prlimit.{one.name} = {one.soft}:{one.hard}" for one in spec.ulimits]
    hooks = (("start-host", spec.start_hook), ("stop", spec.end_hook))
    if any(command for _, command in hooks):
        lines.append("lxc.hook.version = 1")  # no arguments
    return lines + [f"lxc.hook.{name} = {command}" for name, command in hooks if command]


def _device_lines(more: Sequence[str]) -> list[str]:
    """Which devices the container's control group lets it open, whatever nodes it finds or makes.

    A host has version 1 or 2 of control groups, and LXC passes over the keys of the other.
    """
    rules = [("deny", "a")]
    rules += [("allow", f"{kind} *:* m") for kind in "cb"]
    rules += [("allow", f"c {device} rwm") for device in _DEVICES]
    rules += [("allow", rule) for rule in more]
    return [
        f"lxc.{version}.devices.{verdict} = {rule}"
        for version in ("cgroup", "cgroup2")
        for verdict, rule in rules
    ]


def _security_lines(spec: ContainerSpec) -> list[str]:
    lines = [f"lxc.apparmor.profile = {spec.apparmor or 'unconfined'}"]
    if spec.seccomp is not None:
        lines.append(f"lxc.seccomp.profile = {spec.seccomp}")
    if spec.no_new_privileges:
        lines.append("lxc.no_new_privs = 1")
    if spec.capabilities is not None:
        lines += [f"lxc.cap.keep = {name}" for name in spec.capabilities or ("none",)]
    if spec.masked:
        lines += _device_lines(spec.devices) if spec.in_groups else []
        lines += [
            f"lxc.mount.entry = {spec.null} {path} none bind,optional 0 0" for path in _MASKED_FILES
        ]
        lines += [
            f"lxc.mount.entry = tmpfs {path} tmpfs ro,nosuid,nodev,noexec,size=0,optional 0 0"
            for path in _MASKED_DIRECTORIES
        ]
    return lines
