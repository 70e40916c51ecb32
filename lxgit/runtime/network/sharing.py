"""The network of another container: `--network container:NAME`.

Both have one network namespace, with its loopback, its ports and its names for others. It belongs
to the user namespace of the container that it was made for, so root of the other changes nothing
in it, whatever its capabilities, unless it is in the host's (docs/security.md).
"""

from __future__ import annotations

import contextlib
import os

from lxgit.errors import LxgitError
from lxgit.runtime import kernel, rundir
from lxgit.runtime.containers import load
from lxgit.runtime.network import joining, watching
from lxgit.runtime.network.connection import connections_of, inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.containers import Container
    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.resolver import Wanted


class NoNetworkToShare(LxgitError):
    """A container whose network another is to have, and that has none of its own."""

    exit_code = 125


class Shared:
    """What a container's supervisor has of another's network."""

    endpoint = None
    """It has no address of its own to be told of."""

    def __init__(self, other: str, namespace: int) -> None:
        self._other = other
        self._connections = connections_of(other)
        self._namespace = namespace

    @property
    def namespace(self) -> str:
        """A path by which LXC opens the network namespace while this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._namespace}"

    @property
    def gateway(self) -> str:
        """The host's address there; "" without one."""
        return self._connections[0].endpoint.gateway if self._connections else ""

    def resolv_conf(self, wanted: Wanted) -> bytes:
        """Its /etc/resolv.conf: what is wanted, else what the other one's is made of."""
        return joining.resolv_conf(self._connections, wanted)

    def keep_hosts(self, file: Path, loop: Loop) -> None:
        """Have an /etc/hosts say who the other one's neighbours are, as long as the loop turns."""
        watching.keep_hosts(self._other, file, loop)

    def plug(self, _: int, __: Loop) -> None:
        """The cables are there."""


def mount_sysfs(namespace: str) -> Path:
    """What the kernel shows of a network in /sys, mounted in this mount namespace."""
    place = rundir.STAGE / "sys"
    place.mkdir()
    opened = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with inside(opened):
            kernel.mount("sysfs", place, b"sysfs")
    finally:
        os.close(opened)
    return place


@contextlib.contextmanager
def joined(containers: Path, config: ContainerConfig) -> Iterator[Shared]:
    """Have the network of another container of the store meanwhile. NoNetworkToShare."""
    try:
        other = load(containers, config.shares)
    except FileNotFoundError:
        raise NoNetworkToShare(
            f"container {config.shares[:12]}, whose network it is to have, has been deleted",
            hint="'lxgit run' makes one with another network",
        ) from None
    namespace = _namespace_of(other)
    try:
        yield Shared(other.id, namespace)
    finally:
        os.close(namespace)


def _namespace_of(other: Container) -> int:
    name, pid = other.config.name, other.state.pid
    found = None
    if other.is_running and pid is not None:
        with contextlib.suppress(FileNotFoundError):
            found = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if found is None or not other.is_running:  # else the process may be another by now
        if found is not None:
            os.close(found)
        raise NoNetworkToShare(
            f"container '{name}', whose network it is to have, is not running",
            hint=f"'lxgit start {name}' first",
        )
    if os.path.samestat(os.fstat(found), os.stat("/proc/self/ns/net")):
        os.close(found)
        raise NoNetworkToShare(
            f"container '{name}', whose network it is to have, has the host's",
            hint="--network host has that too",
        )
    return found
