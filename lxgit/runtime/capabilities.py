"""The capabilities of a container's processes: capabilities(7), include/uapi/linux/capability.h."""

from __future__ import annotations

from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# In the order of their numbers, as lxc.cap.keep writes them.
NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid"),
    *("setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw"),
    *("ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct"),
    *("sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod"),
    *("lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog"),
    *("wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"),
)

# The bounding set by default, which is Podman's; Docker's has audit_write, mknod and net_raw too.
DEFAULT = (
    *("chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service"),
    *("setfcap", "setgid", "setpcap", "setuid", "sys_chroot"),
)

# What an init and the daemons of a whole system need besides, all within a user namespace. Not
# sys_admin: systemd does without mounts and namespaces of its own then, where with that capability
# and LXC's profile of AppArmor its services fail.
SYSTEM = (
    *DEFAULT,
    *("audit_write", "dac_read_search", "ipc_owner", "lease", "mknod", "net_admin"),
    *("net_broadcast", "net_raw", "sys_boot", "sys_nice", "sys_ptrace", "sys_resource"),
    "sys_tty_config",
)

# What root needs to become a user, and to leave behind what that may not have (credentials.py).
BECOMING = ("setgid", "setpcap", "setuid")

_ALL = "all"
_LAST = "/proc/sys/kernel/cap_last_cap"


class UnknownCapability(LxgitError):
    """No name of a capability."""


def normalised(text: str) -> str:
    """`SYS_ADMIN`, `CAP_SYS_ADMIN` and `cap_sys_admin` are `sys_admin`; `ALL` is `all`."""
    name = text.lower().removeprefix("cap_")
    if name not in (*NAMES, _ALL):
        from difflib import get_close_matches

        close = get_close_matches(name, NAMES, n=1)
        raise UnknownCapability(
            f"there is no capability '{text}'",
            hint=f"did you mean '{close[0].upper()}'?" if close else "capabilities(7) lists them",
        )
    return name


def mask_of_others(names: Iterable[str]) -> int:
    """What this kernel knows but these, as a mask by their numbers."""
    return sum(1 << number for number, name in enumerate(_known()) if name not in set(names))


def kept(
    add: Iterable[str], drop: Iterable[str], default: Iterable[str] = DEFAULT
) -> tuple[str, ...]:
    """The bounding set: the default without `drop`, and then with `add`, sorted.

    Names are normalised ones; `all` stands for what this kernel knows.
    """
    dropped, added = set(drop), set(add)
    base = set() if _ALL in dropped else set(default) - dropped
    more = set(_known()) - dropped if _ALL in added else added
    return tuple(sorted(base | more))


def _known() -> tuple[str, ...]:
    with open(_LAST, encoding="ascii") as file:
        return NAMES[: int(file.read()) + 1]
