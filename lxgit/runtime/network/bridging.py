"""The bridge of a network: made for its first container, and gone with its last."""

from __future__ import annotations

import contextlib
import os
import socket
import zlib

from lxgit.errors import LxgitError
from lxgit.runtime.network import firewall, keys, neighbours, records, resolver, subnets
from lxgit.runtime.network.netlink import Netlink
from lxgit.runtime.network.records import Bridge
from lxgit.runtime.networks import STORES_OWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lxgit.runtime.networks import Network

_MTU = 1500  # Ethernet's, where nothing leads out of the host
_LXC = (bytes([10, 0, 3, 0]), 24)  # lxc-net's own, whether it is up yet or not


class SubnetInUse(LxgitError):
    """A network's own subnet has addresses that the host uses for something else."""

    exit_code = 125


def name_of(store: str, network: Network) -> str:
    """The bridge of a network of the store at this path: 13 letters, of 15 at most.

    The store's own has the name that it had before there were others.
    """
    key = store if network.id == STORES_OWN.id else f"{store}:{network.id}"
    return f"{records.NAMES}{zlib.crc32(os.fsencode(key)):08x}"


def ready(place: Path, store: str, network: Network, *, in_use: bool) -> Bridge:
    """The bridge, made if it is not there; the caller holds the lock.

    Unless it is `in_use`, what is written down of it is of somebody who was killed: its addresses
    may be another's by now. AddressesExhausted, SubnetInUse.
    """
    name = name_of(store, network)
    bridge = records.bridge_at(place) if in_use else None
    if bridge is not None and _exists(name):
        return bridge
    with Netlink() as netlink:
        netlink.delete(name)  # of somebody who was killed before this was written down
        if bridge is None:
            bridge = _planned(netlink, name, store, network)
            records.write_bridge(place, bridge)
        _make(netlink, bridge)
    return bridge


def remove(place: Path, name: str) -> None:
    """Take a bridge down that nobody is on any more; the caller holds the lock."""
    try:
        firewall.remove(name)
        neighbours.forget(name)
        with Netlink() as netlink:
            netlink.delete(name)
    finally:  # what could not be removed is replaced by the next one of this name
        records.forget(place)


def _exists(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _planned(netlink: Netlink, name: str, store: str, network: Network) -> Bridge:
    """What a new bridge is to be: with addresses that nothing else on this host has."""
    addresses, routes = list(netlink.addresses()), list(netlink.routes())
    used = [(one.address, one.prefix) for one in (*addresses, *routes)]
    used += [_LXC, *((packed, len(packed) * 8) for packed in resolver.nameservers())]
    outward = {one.device for one in routes if not one.prefix and one.device}
    has_v6 = network.ipv6 or any(
        _is_public(one.address) for one in addresses if not _is_ours(one.device)
    )
    return Bridge(
        name=name,
        subnet=_own_subnet(network, used) if network.subnet else _any_subnet(used, name),
        prefix=network.prefix,
        subnet_v6=network.subnet_v6.partition("/")[0] or (_any_subnet_v6() if has_v6 else ""),
        mtu=min((netlink.mtu(device) for device in outward), default=_MTU),
        internal=network.internal,
        network=network.name,
        store=store,
        own=network.own,
    )


def _any_subnet(used: Collection[tuple[bytes, int]], name: str) -> str:
    return socket.inet_ntop(socket.AF_INET, subnets.free_subnet(used, name))


def _any_subnet_v6() -> str:
    return socket.inet_ntop(socket.AF_INET6, subnets.random_subnet_v6())


def _own_subnet(network: Network, used: Collection[tuple[bytes, int]]) -> str:
    address, _, prefix = network.subnet.partition("/")
    if not subnets.is_free(packed(address), int(prefix), used):
        raise SubnetInUse(
            f"this host has addresses or routes in {network.subnet}, the subnet of network"
            f" '{network.name}'",
            hint="make the network again with another --subnet, or without one",
        )
    return address


def _is_public(address: bytes) -> bool:
    """Whether an IPv6 address is of more than its own host or link."""
    loopback = bytes(15) + b"\1"
    link_local = address[:1] == b"\xfe" and address[1:2] >= b"\x80"
    return len(address) == 16 and address != loopback and not link_local


def _is_ours(device: int) -> bool:
    with contextlib.suppress(OSError):
        return socket.if_indextoname(device).startswith(records.NAMES)
    return False


def _make(netlink: Netlink, bridge: Bridge) -> None:
    index = netlink.add_bridge(bridge.name, bridge.mac, bridge.mtu)
    # A container that advertises itself as a router would be believed (CVE-2020-13401).
    keys.put(f"ipv6/conf/{bridge.name}/accept_ra", "0")
    netlink.add_address(index, packed(bridge.gateway), bridge.prefix)
    if bridge.subnet_v6:
        keys.put(f"ipv6/conf/{bridge.name}/disable_ipv6", "0")
        netlink.add_address(index, packed(bridge.gateway_v6), subnets.PREFIX_V6)
    if not bridge.internal:
        _forward(with_v6=bool(bridge.subnet_v6))
    netlink.set_up(index)


def packed(address: str) -> bytes:
    """An address in network order."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _forward(*, with_v6: bool) -> None:
    """Let the host forward, and keep the routes that it has from its router all the same.

    With IPv6's on, an interface listens to routers no more unless `accept_ra` is 2
    (Documentation/networking/ip-sysctl.rst).
    """
    keys.put("ipv4/ip_forward", "1")
    if not with_v6:
        return
    for interface in _listening_to_routers():
        keys.put(f"ipv6/conf/{interface}/accept_ra", "2")
    keys.put("ipv6/conf/all/forwarding", "1")


def _listening_to_routers() -> Iterator[str]:
    for _, interface in socket.if_nameindex():
        if keys.get(f"ipv6/conf/{interface}/accept_ra") == "1":
            yield interface
