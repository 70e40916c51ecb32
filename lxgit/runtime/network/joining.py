"""A container on bridges, from before its start until after its end.

First, in the supervisor before LXC starts: each bridge and its rules, an address, ports of the
host, a place in the others' /etc/hosts. Then, when LXC has made the container's network namespace
and before the command runs: the cables into it (connection.py). All goes again at the end, and when
the supervisor was killed with the next command's sweep; the cables go with the container's
namespace in any case.

`connect` and `disconnect` do the same while it runs, from whatever command; the supervisor finds
what they have written down.
"""

from __future__ import annotations

import contextlib

from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime import networks
from lxgit.runtime.network import (
    bridging,
    firewall,
    hosts,
    neighbours,
    publishing,
    records,
    resolver,
    subnets,
    watching,
)
from lxgit.runtime.network.connection import (
    Connection,
    NetworkUnusable,
    connections_of,
    lead_out,
    open_to_users,
    told,
)
from lxgit.runtime.network.forwarder import forward
from lxgit.runtime.network.netlink import Netlink
from lxgit.runtime.network.records import Member
from lxgit.runtime.network.reserving import reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.config import Attachment, ContainerConfig
    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.endpoint import Endpoint
    from lxgit.runtime.network.reserving import Reserved
    from lxgit.runtime.networks import Network

MOST = 10
"""The networks that a container can be on: its interfaces have a digit each."""


class AddressTaken(LxgitError):
    """An address that another container of the network has."""

    exit_code = 125


class Joined:
    """What a container's supervisor has of its networks; its ports lead to the first."""

    def __init__(
        self,
        config: ContainerConfig,
        connections: Sequence[Connection],
        ports: Sequence[Reserved],
    ) -> None:
        self._config = config
        self._connections = connections
        self._ports = ports

    namespace = ""

    @property
    def endpoint(self) -> Endpoint:
        """Where it is on the first, for its record."""
        return self._connections[0].endpoint

    @property
    def gateway(self) -> str:
        """The host's address on the first."""
        return self.endpoint.gateway

    def plug(self, pid: int, loop: Loop) -> None:
        """Lay the cables into the network namespace of a process, and let the loop forward to it.

        Those to networks of later too: a reboot from inside makes another namespace.
        NetworkUnusable.
        """
        for connection in connections_of(self._config.id):
            connection.plug(pid)
        open_to_users(pid, self._config)
        forward(loop, self._ports, self._connections[0].address)

    def resolv_conf(self, wanted: resolver.Wanted) -> bytes:
        """Its /etc/resolv.conf: what is wanted, else the host's resolvers that it can reach."""
        return resolv_conf(self._connections, wanted)

    def keep_hosts(self, file: Path, loop: Loop) -> None:
        """Have an /etc/hosts say who is on its networks, as long as the loop turns."""
        watching.keep_hosts(self._config.id, file, loop)


def resolv_conf(connections: Sequence[Connection], wanted: resolver.Wanted) -> bytes:
    """The /etc/resolv.conf of who is there."""
    outward = [one.bridge for one in connections if not one.bridge.internal]
    if not outward:
        return resolver.for_internal(wanted)
    return resolver.for_bridge(wanted, with_v6=any(bridge.subnet_v6 for bridge in outward))


@contextlib.contextmanager
def joined(store: str, definitions: Path, config: ContainerConfig) -> Iterator[Joined]:
    """Have a place on the bridges of a container's networks meanwhile, of the store at that path.

    `definitions` is where networks are written down that users have made. NetworkUnusable,
    AddressesExhausted, AddressTaken, SubnetInUse, PortTaken, PortRefused, NoSuchAddress,
    NoSuchNetwork, MissingProgram, ProgramFailed.
    """
    found = [(networks.find(definitions, one.network), one) for one in config.attachments]
    wanted = publishing.wanted(config.publish, config.exposed, everything=config.publish_all)
    if wanted:
        _check_outward(config, found[0][0])
    with reserved(wanted, store) as ports:
        published = tuple(str(one.publication) for one in ports)
        try:
            with records.locked_networks(), told():
                connections = [
                    _enter(
                        store,
                        network,
                        _newcomer(config, attachment, network, index),
                        () if index else published,
                    )
                    for index, (network, attachment) in enumerate(found)
                ]
            yield Joined(config, connections, ports)
        finally:
            sweep(config.id)


def _check_outward(config: ContainerConfig, network: Network) -> None:
    """NetworkUnusable for ports on a network that became the first one when another was left."""
    if network.internal:
        raise NetworkUnusable(
            f"nothing is published from network '{network.name}', which is internal, and it is"
            f" the first one of container '{config.name}'",
            hint=f"'lxgit network disconnect {network.name} {config.name}', and 'connect' another"
            " before it: ports are the first one's",
        )


def _newcomer(
    config: ContainerConfig, attachment: Attachment, network: Network, interface: int
) -> Member:
    """A container as it is to be on a network; number 0 is for any. UsageError."""
    names = (config.name, config.id[:12], config.hostname, *attachment.aliases)
    return Member(
        container=config.id,
        number=network.number_of(attachment.address) if attachment.address else 0,
        names=tuple(dict.fromkeys(names)),
        interface=interface,
        asked_mac=attachment.mac,
    )


def _enter(store: str, network: Network, member: Member, ports: tuple[str, ...]) -> Connection:
    firewall.require()
    name = bridging.name_of(store, network)
    place = records.place_of(name)
    before = records.members(place)
    if not before:
        records.forget_dead()
    member = replace(member, number=_number(network, member, before), ports=ports)
    records.write_member(place, member)  # first, so that the sweep finds what comes now
    bridge = bridging.ready(place, store, network, in_use=bool(before))
    is_new, chains = not before, neighbours.all_chains()
    is_flushed = not any(chain.table == name for chain in chains)  # as nftables.service does
    if ports or is_new or is_flushed:
        firewall.apply(firewall.ruleset(bridge, (*before, member)))
    neighbours.admit(name, chains, is_new=is_new)
    records.write_hosts(place, hosts.of_members(bridge, (*before, member)))
    return Connection(place, bridge, member)


def _number(network: Network, member: Member, before: Sequence[Member]) -> int:
    """The one that it asks for, or any that nobody has. AddressTaken, AddressesExhausted."""
    taken = {one.number: one for one in before}
    if owner := taken.get(member.number):
        raise AddressTaken(
            f"container '{owner.names[0]}' has that address of network '{network.name}'",
            hint="--ip with another, or none: then one is found that is free",
        )
    return member.number or subnets.free_number({network.own, *taken}, network.offered)


def connect(
    store: str, config: ContainerConfig, attachment: Attachment, network: Network, pid: int
) -> None:
    """Put a running container, whose process that is, on a further network. Errors as `joined`."""
    place = records.place_of(bridging.name_of(store, network))
    with records.locked_networks(), told():
        _leave(place, config.id)  # where a command put it that was killed before it recorded that
        taken = {one.member.interface for one in connections_of(config.id)}
        free = next(number for number in range(MOST) if number not in taken)
        member = _newcomer(config, attachment, network, free)
        try:
            _enter(store, network, member, ()).plug(pid)
        except BaseException:
            _leave(place, config.id)
            raise
    watching.tell(config.id)


def disconnect(store: str, container: str, network: Network, pid: int | None) -> None:
    """Take a running container off a network; the next one leads out of it where that one did."""
    with records.locked_networks():
        _leave(records.place_of(bridging.name_of(store, network)), container)
        if pid is not None:
            with contextlib.suppress(OSError):  # it has ended, or root in it made ways of its own
                lead_out(pid, connections_of(container))
    watching.tell(container)


def _leave(place: Path, container: str) -> None:
    """Give back what a container has on a bridge, and the bridge itself after the last one.

    The caller holds the lock.
    """
    if not (place / container).exists():
        return
    name = place.name.partition("-")[2]
    gone = records.member_at(place, container)
    with Netlink() as netlink:
        netlink.delete(gone.cable)
    (place / container).unlink()
    left, bridge = records.members(place), records.bridge_at(place)
    if not left or bridge is None:
        bridging.remove(place, name)
        return
    if gone.ports:
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
    """Give back all that a container had that does not run any more."""
    for place in records.places_of(container):
        with records.locked_networks():
            if place == records.place_of(place.name.partition("-")[2]):
                with contextlib.suppress(LxgitError, OSError):  # whoever is on it next tries again
                    _leave(place, container)
            else:  # of another network namespace, which holds what else there may be
                (place / container).unlink(missing_ok=True)
                records.forget_dead_at(place)
