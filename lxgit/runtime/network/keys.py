"""Settings of the network namespace that a thread is in: files below /proc/sys/net.

Source: Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxgit.runtime.config import ContainerConfig

_PLACE = "/proc/sys/net"
OPEN = {
    "ipv4/ping_group_range": "0 2147483647",  # ping(8) without cap_net_raw
    "ipv4/ip_unprivileged_port_start": "0",  # who serves port 80 of a container need not be root
}
"""What a container's network allows all of its users, as Docker's does."""


def get(key: str) -> str:
    """A setting; "" where the kernel has none, as without IPv6."""
    with contextlib.suppress(FileNotFoundError), open(f"{_PLACE}/{key}", encoding="ascii") as file:
        return file.read().strip()
    return ""


def put(key: str, value: str) -> None:
    """Change a setting, unless it is so already, or the kernel has none."""
    if get(key) not in ("", value):
        with open(f"{_PLACE}/{key}", "w", encoding="ascii") as file:
            file.write(value)


def open_to_users(config: ContainerConfig, keys: Mapping[str, str] = OPEN) -> None:
    """Have a container's users do what they can, but for what its --sysctl says otherwise."""
    asked = {text.partition("=")[0] for text in config.security.sysctls}
    for key, value in keys.items():
        if f"net.{key.replace('/', '.')}" not in asked:
            put(key, value)
