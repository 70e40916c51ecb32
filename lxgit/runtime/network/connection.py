"""The cable from a bridge into a container's network namespace, and what is set there."""

from __future__ import annotations

import contextlib
import os
import socket

from lxgit.errors import LxgitError
from lxgit.records import dataclass
from lxgit.runtime import kernel
from lxgit.runtime.network import bridging, keys, records, subnets
from lxgit.runtime.network.endpoint import Endpoint
from lxgit.runtime.network.netlink import Netlink, Veth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.network.records import Bridge, Member


class NetworkUnusable(LxgitError):
    """The host gives no network to containers."""

    exit_code = 125


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a container is on a bridge."""

    place: Path
    bridge: Bridge
    member: Member

    @property
    def address(self) -> str:
        """Its own, of IPv4."""
        return self.bridge.address(self.member.number)

    @property
    def endpoint(self) -> Endpoint:
        """The same for the container's record."""
        bridge = self.bridge
        return Endpoint(
            bridge=bridge.name,
            address=self.address,
            prefix=bridge.prefix,
            gateway=bridge.gateway,
            address_v6=bridge.address_v6(self.member.number),
            prefix_v6=subnets.PREFIX_V6 if bridge.subnet_v6 else 0,
            gateway_v6=bridge.gateway_v6,
            mac=self.member.mac.hex(":"),
            ports=self.member.ports,
        )

    def plug(self, pid: int) -> None:
        """Lay the cable into the network namespace of a process. NetworkUnusable."""
        with told():
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._add_veth(namespace)
                with inside(namespace):
                    self._configure()
            finally:
                os.close(namespace)

    def _add_veth(self, namespace: int) -> None:
        member, bridge = self.member, socket.if_nametoindex(self.bridge.name)
        with Netlink() as netlink:
            # Of before a reboot from inside, whose namespace is still ending.
            netlink.delete(member.cable)
            mac, mtu = member.mac, self.bridge.mtu
            netlink.add_veth(Veth(member.cable, bridge, self._interface, namespace, mac, mtu))

    @property
    def _interface(self) -> str:
        """The container's end."""
        return f"eth{self.member.interface}"

    def _configure(self) -> None:
        """Within the container's namespace."""
        packed, end = bridging.packed, self.endpoint
        index = socket.if_nametoindex(self._interface)
        # Another container that advertises itself as a router would be believed.
        keys.put(f"ipv6/conf/{self._interface}/accept_ra", "0")
        keys.put(f"ipv6/conf/{self._interface}/accept_dad", "0")
        keys.put(f"ipv6/conf/{self._interface}/disable_ipv6", "0" if end.address_v6 else "1")
        with Netlink() as netlink:
            netlink.add_address(index, packed(end.address), end.prefix)
            if end.address_v6:
                netlink.add_address(index, packed(end.address_v6), end.prefix_v6)
            netlink.set_up(index)
            self.lead_out(netlink)

    def lead_out(self, netlink: Netlink) -> None:
        """Unless another network does: that which came first keeps what goes elsewhere.

        Within the container's namespace.
        """
        end = self.endpoint
        for gateway in filter(None, (end.gateway, end.gateway_v6)):
            if not self.bridge.internal:
                with contextlib.suppress(FileExistsError):
                    netlink.add_default_route(bridging.packed(gateway))


def lead_out(pid: int, connections: Sequence[Connection]) -> None:
    """Have the first of a process's networks that can be a way out be one, if it has none.

    OSError.
    """
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with inside(namespace), Netlink() as netlink:
            for one in connections:
                one.lead_out(netlink)
    finally:
        os.close(namespace)


def open_to_users(pid: int, config: ContainerConfig) -> None:
    """Have a container's users do in its network, that of the process, what they can."""
    with told():
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            with inside(namespace):
                keys.open_to_users(config)
        finally:
            os.close(namespace)


def connections_of(container: str) -> list[Connection]:
    """Where a container is in this network namespace, in the order in which it came there."""
    found = []
    for place in records.places_of(container):
        bridge = records.bridge_at(place)
        if bridge is not None and place == records.place_of(bridge.name):
            found.append(Connection(place, bridge, records.member_at(place, container)))
    return sorted(found, key=lambda one: one.member.interface)


@contextlib.contextmanager
def inside(namespace: int) -> Iterator[None]:
    """Be in another network namespace meanwhile, this thread alone."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.setns(namespace, kernel.CLONE_NEWNET)
        try:
            yield
        finally:
            kernel.setns(own, kernel.CLONE_NEWNET)
    finally:
        os.close(own)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the kernel refuses is told with the way around it."""
    try:
        yield
    except OSError as error:
        raise NetworkUnusable(
            f"this host gives the container no network: {error}",
            hint="--network none runs it without one",
        ) from error
