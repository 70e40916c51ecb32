"""A container on its store's bridge, from before its start until after its end.

First, in the supervisor before LXC starts: the bridge and its rules, an address, ports of the host,
a place in the others' /etc/hosts. Then, when LXC has made the container's network namespace and
before the command runs: the cable into it. All goes again at the end, and when the supervisor was
killed with the next command's sweep; the cable goes with the container's namespace in any case.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.records import dataclass, replace
from lxgit.runtime import kernel
from lxgit.runtime.network import (
    bridging,
    firewall,
    hosts,
    neighbours,
    publishing,
    records,
    resolver,
    subnets,
)
from lxgit.runtime.network.endpoint import Endpoint
from lxgit.runtime.network.forwarder import forward
from lxgit.runtime.network.netlink import Netlink, Veth
from lxgit.runtime.network.records import Bridge, Member
from lxgit.runtime.network.reserving import reserved
from lxgit.runtime.network.watching import Neighbours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.network.reserving import Reserved
    from lxgit.runtime.relay import Loop

INTERFACE = "eth0"


class NetworkUnusable(LxgitError):
    """The host gives no network to containers."""

    exit_code = 125


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a container is on its bridge."""

    place: Path
    bridge: Bridge
    member: Member
    reserved: tuple[Reserved, ...]

    @property
    def endpoint(self) -> Endpoint:
        """The same for the container's record."""
        bridge, number = self.bridge, self.member.number
        return Endpoint(
            bridge=bridge.name,
            address=bridge.address(number),
            prefix=subnets.PREFIX,
            gateway=bridge.address(1),
            address_v6=bridge.address_v6(number),
            prefix_v6=subnets.PREFIX_V6 if bridge.subnet_v6 else 0,
            gateway_v6=bridge.address_v6(1),
            mac=self.member.mac.hex(":"),
            ports=self.member.ports,
        )

    def plug(self, pid: int, loop: Loop) -> None:
        """Lay the cable into the network namespace of a process, and let the loop forward to it.

        NetworkUnusable.
        """
        with _told():
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._add_veth(namespace)
                with _inside(namespace):
                    self._configure()
            finally:
                os.close(namespace)
        forward(loop, self.reserved, self.bridge.address(self.member.number))

    def resolv_conf(self, dns: Sequence[str]) -> bytes:
        """Its /etc/resolv.conf: `dns`, or the host's resolvers that it can reach."""
        return resolver.for_bridge(dns, with_v6=bool(self.bridge.subnet_v6))

    def keep_hosts(self, file: Path, loop: Loop) -> None:
        """Have an /etc/hosts say who is on the bridge, as long as the loop turns."""
        neighbours = Neighbours(self.place, os.open(file, os.O_RDWR | os.O_CLOEXEC))
        loop.watch(neighbours.fd, select.EPOLLIN, neighbours.changed)

    def _add_veth(self, namespace: int) -> None:
        name = _cable(self.member.container)
        bridge = socket.if_nametoindex(self.bridge.name)
        with Netlink() as netlink:
            netlink.delete(name)  # of before a reboot from inside, whose namespace is still ending
            mac, mtu = self.member.mac, self.bridge.mtu
            netlink.add_veth(Veth(name, bridge, INTERFACE, namespace, mac, mtu))

    def _configure(self) -> None:
        """Within the container's namespace."""
        packed, end = bridging.packed, self.endpoint
        index = socket.if_nametoindex(INTERFACE)
        # Another container that advertises itself as a router would be believed.
        bridging.set_key(f"ipv6/conf/{INTERFACE}/accept_ra", "0")
        bridging.set_key(f"ipv6/conf/{INTERFACE}/accept_dad", "0")
        if not self.bridge.subnet_v6:
            bridging.set_key(f"ipv6/conf/{INTERFACE}/disable_ipv6", "1")
        bridging.set_key("ipv4/ping_group_range", "0 2147483647")  # ping(8) without cap_net_raw
        with Netlink() as netlink:
            netlink.add_address(index, packed(end.address), end.prefix)
            if end.address_v6:
                netlink.add_address(index, packed(end.address_v6), end.prefix_v6)
            netlink.set_up(index)
            for gateway in filter(None, (end.gateway, end.gateway_v6)):
                netlink.add_default_route(packed(gateway))


@contextlib.contextmanager
def joined(store: str, config: ContainerConfig) -> Iterator[Connection]:
    """Have a place on the bridge of the store at that path meanwhile.

    NetworkUnusable, AddressesExhausted, PortTaken, PortRefused, NoSuchAddress, MissingProgram,
    ProgramFailed.
    """
    name = bridging.name_of(store)
    place = records.place_of(name)
    wanted = publishing.wanted(config.publish, config.exposed, everything=config.publish_all)
    with reserved(wanted, place) as ports:
        try:
            with records.locked_networks(), _told():
                connection = _enter(place, name, config, ports)
            yield connection
        finally:
            with contextlib.suppress(LxgitError, OSError):  # the next sweep finds the rest
                leave(place, name, config.id)


def _enter(
    place: Path, name: str, config: ContainerConfig, ports: Iterable[Reserved]
) -> Connection:
    firewall.require()
    before = records.members(place)
    if not before:
        records.forget_dead()
    number = subnets.free_number({member.number for member in before})
    names = tuple(dict.fromkeys((config.name, config.id[:12], config.hostname)))
    publications = tuple(str(one.publication) for one in ports)
    member = Member(config.id, number, names, publications)
    records.write_member(place, member)  # first, so that the sweep finds what comes now
    bridge = bridging.ready(place, name, in_use=bool(before))
    is_new, chains = not before, neighbours.all_chains()
    is_flushed = not any(chain.table == name for chain in chains)  # as nftables.service does
    if publications or is_new or is_flushed:
        firewall.apply(firewall.ruleset(bridge, (*before, member)))
    neighbours.admit(name, chains, is_new=is_new)
    records.write_hosts(place, hosts.of_members(bridge, (*before, member)))
    return Connection(place, bridge, member, tuple(ports))


def leave(place: Path, name: str, container: str) -> None:
    """Give back what a container has on a bridge, and the bridge itself after the last one."""
    with records.locked_networks():
        if not (place / container).exists():
            return
        with Netlink() as netlink:
            netlink.delete(_cable(container))
        had_ports = any(one.ports for one in records.members(place) if one.container == container)
        (place / container).unlink()
        left = records.members(place)
        bridge = records.bridge_at(place)
        if not left or bridge is None:
            bridging.remove(place, name)
            return
        if had_ports:
            firewall.apply(firewall.ruleset(bridge, left))
        records.write_hosts(place, hosts.of_members(bridge, left))


def rename(container: str, old: str, new: str) -> None:
    """Have the others on its bridge call a running container by another name."""
    with records.locked_networks():
        for place in records.places_of(container):
            bridge, members = records.bridge_at(place), records.members(place)
            for index, member in enumerate(members):
                if member.container == container and bridge is not None:
                    names = tuple(new if name == old else name for name in member.names)
                    members[index] = replace(member, names=names)
                    records.write_member(place, members[index])
                    records.write_hosts(place, hosts.of_members(bridge, members))


def sweep(container: str) -> None:
    """Give back what a container had whose supervisor was killed."""
    for place in records.places_of(container):
        name = place.name.partition("-")[2]
        if place == records.place_of(name):
            with contextlib.suppress(LxgitError, OSError):  # whoever is on it next tries again
                leave(place, name, container)
        else:  # of another network namespace, which holds what else there may be
            with records.locked_networks():
                (place / container).unlink(missing_ok=True)
                if not records.members(place):
                    records.forget(place)


def _cable(container: str) -> str:
    """The name of the host's end: 15 letters, as many as an interface may have."""
    return f"lxv{container[:12]}"


@contextlib.contextmanager
def _inside(namespace: int) -> Iterator[None]:
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
def _told() -> Iterator[None]:
    """What the kernel refuses is told with the way around it."""
    try:
        yield
    except OSError as error:
        raise NetworkUnusable(
            f"this host gives the container no network: {error}",
            hint="--network none runs it without one",
        ) from error
