"""Networks that users have named: each is a bridge of its own while a container runs on it.

A bridge comes with the first container that runs on it and goes with the last, as the store's own
does (network/joining.py); what is in the store (format.md, "Volumes and networks") is only what it
is to be. So a network whose subnet nobody has chosen has one while it is up, which nothing on the
host uses then.
"""

from __future__ import annotations

import contextlib
import os
import re

from lxgit import eventlog
from lxgit.beneath import drop
from lxgit.errors import LxgitError, UsageError
from lxgit.fsutil import fsync_directory, make_directories, write_atomic
from lxgit.locks import locked
from lxgit.records import asdict, dataclass, field, fields
from lxgit.runtime.checksums import with_checksum
from lxgit.runtime.config import BUILT_IN, DEFAULT
from lxgit.runtime.index import is_id
from lxgit.runtime.network.subnets import NUMBERS, PREFIX, PREFIX_V6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path
    from typing import Any

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_ENDING = ".json"
_WHAT = "the list of networks"
_PREFIXES = range(16, 30)  # of IPv4 subnets: 65,534 addresses at most, six at least


class InvalidNetworkName(LxgitError):
    """A name that a network cannot have."""


class NetworkNameTaken(LxgitError):
    """A network has this name."""


class NoSuchNetwork(LxgitError):
    """No network has that name."""


class BrokenNetwork(LxgitError):
    """A network whose description cannot be read."""


class SubnetOverlaps(LxgitError):
    """A subnet that another network of the store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What a bridge is to be. Subnets are text, as `10.1.2.0/24`; "" for one that is free then."""

    id: str  # 64 hexadecimal digits
    name: str
    created: int = 0  # nanoseconds since 1970
    subnet: str = ""
    subnet_v6: str = ""  # a /64
    ipv6: bool = False  # it has IPv6 also where the host has none
    internal: bool = False  # nothing leads out of it
    labels: Mapping[str, str] = field(default_factory=dict)
    gateway: str = ""  # the bridge's own address in `subnet`; "" for the first
    ip_range: str = ""  # the part of `subnet` that containers get addresses of; "" for all of it

    @property
    def prefix(self) -> int:
        """Of its subnet of IPv4, in bits."""
        return int(self.subnet.partition("/")[2] or PREFIX)

    @property
    def own(self) -> int:
        """The number of the bridge's own address in its subnets."""
        if not self.gateway:
            return 1
        from ipaddress import IPv4Address

        return int(IPv4Address(self.gateway)) - self._first

    @property
    def offered(self) -> range:
        """The numbers that containers get which ask for none; the bridge's own may be among."""
        if not self.subnet:
            return NUMBERS
        from ipaddress import IPv4Network

        part = IPv4Network(self.ip_range or self.subnet)
        start, last = int(part.network_address) - self._first, (1 << (32 - self.prefix)) - 1
        return range(max(start, 1), min(start + part.num_addresses, last))

    @property
    def _first(self) -> int:
        from ipaddress import IPv4Network

        return int(IPv4Network(self.subnet).network_address)

    def number_of(self, address: str) -> int:
        """Which of the addresses of its own subnet one is. UsageError."""
        if not self.subnet:
            raise UsageError(
                f"network '{self.name}' has no subnet that somebody chose, to choose from",
                hint="'lxgit network create --subnet 172.30.0.0/24 NAME' makes one that has",
            )
        from ipaddress import IPv4Address, IPv4Network

        subnet = IPv4Network(self.subnet)
        try:
            number = int(IPv4Address(address)) - int(subnet.network_address)
        except ValueError:
            raise UsageError(
                f"'{address}' is no address of IPv4", hint=f"one of {subnet}"
            ) from None
        if not 0 < number < subnet.num_addresses - 1 or number == self.own:
            raise UsageError(
                f"{address} is none of the addresses for containers of network '{self.name}'",
                hint=f"{subnet[1]} to {subnet[-2]}, but for its gateway's, {subnet[self.own]}",
            )
        return number


STORES_OWN = Network(id="1" + "0" * 63, name="bridge")
"""The network of containers for which none was named."""


def checked_subnets(texts: Sequence[str]) -> tuple[str, str]:
    """A subnet of IPv4 and one of IPv6 of those that were asked for; "" for none. UsageError."""
    found = {4: "", 6: ""}
    for text in texts:
        subnet = _subnet(text)
        if found[subnet.version]:
            raise UsageError(
                f"'{text}' is another subnet of IPv{subnet.version}", hint="a network has one"
            )
        found[subnet.version] = str(subnet)
    return found[4], found[6]


_NOBODYS = {0, *range(240, 256)}
"""What addresses of IPv4 begin with that mean "this network", or are reserved (RFC 6890)."""


def _subnet(text: str) -> IPv4Network | IPv6Network:
    from ipaddress import ip_network

    form = "as 172.30.0.0/24, or fd00:1::/64"
    try:
        subnet = ip_network(text)
    except ValueError as error:
        raise UsageError(f"'{text}' is no subnet: {error}", hint=form) from None
    if subnet.version == 6 and subnet.prefixlen != PREFIX_V6:
        raise UsageError(f"'{text}': a subnet of IPv6 has {PREFIX_V6} bits", hint=form)
    if subnet.version == 4 and subnet.prefixlen not in _PREFIXES:
        raise UsageError(
            f"'{text}': a subnet has {_PREFIXES[0]} to {_PREFIXES[-1]} bits", hint=form
        )
    if (
        subnet.is_loopback
        or subnet.is_multicast
        or subnet.is_link_local
        or (subnet.version == 4 and subnet.network_address.packed[0] in _NOBODYS)
    ):
        raise UsageError(f"'{text}' is not for containers", hint=form)
    return subnet


def checked_parts(subnet: str, gateway: str, ip_range: str) -> tuple[str, str]:
    """The bridge's own address, and the part for containers, in one spelling; "" for neither.

    UsageError where they do not lie in the subnet of IPv4.
    """
    if not gateway and not ip_range:
        return "", ""
    from ipaddress import IPv4Address, IPv4Network

    option = "--gateway" if gateway else "--ip-range"
    if not subnet:
        raise UsageError(
            f"{option} is within a --subnet of IPv4, and there is none",
            hint="--subnet 172.30.0.0/24 --gateway 172.30.0.254 --ip-range 172.30.0.128/25",
        )
    whole = IPv4Network(subnet)
    form = f"addresses of {whole} are {whole[1]} to {whole[-2]}"
    try:
        own = IPv4Address(gateway) if gateway else whole[1]
        part = IPv4Network(ip_range) if ip_range else whole
    except ValueError as error:
        raise UsageError(str(error), hint=form) from None
    if own not in whole or own in (whole[0], whole[-1]):
        raise UsageError(f"--gateway {own} is none of the subnet's addresses", hint=form)
    if not part.subnet_of(whole):
        raise UsageError(f"--ip-range {part} is no part of the subnet", hint=form)
    return str(own) if gateway else "", str(part) if ip_range else ""


def kept(networks: Path) -> AbstractContextManager[int]:
    """Keep every network from being deleted."""
    return _locked(networks, shared=True)


def settled(networks: Path) -> AbstractContextManager[int]:
    """Be the only one to make or delete networks, or a container that has one."""
    return _locked(networks, shared=False)


def _locked(networks: Path, *, shared: bool) -> AbstractContextManager[int]:
    make_directories(os.fspath(networks), mode=0o700)
    return locked(networks / ".lock", shared=shared, what=_WHAT)


def create(networks: Path, network: Network) -> None:
    """Write a new network down; the caller has entered `settled`.

    InvalidNetworkName, NetworkNameTaken, SubnetOverlaps.
    """
    _check_name(network.name)
    if network.name in names(networks):
        raise NetworkNameTaken(
            f"a network is named '{network.name}' already",
            hint=f"another name, or 'lxgit network rm {network.name}' first",
        )
    for other in _readable(networks):
        _check_apart(network, other)
    write_atomic(networks / f"{network.name}{_ENDING}", with_checksum(asdict(network)))
    tell(networks, network.name, "create")


def _is_name(name: str) -> bool:
    return len(name) <= 128 and _NAME.fullmatch(name) is not None


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise InvalidNetworkName(
            f"'{name}' cannot be the name of a network",
            hint="letters, digits, and after the first also '_', '.' and '-'; 128 at most",
        )
    if name in (*BUILT_IN, DEFAULT):
        raise InvalidNetworkName(f"'{name}' is a network that every store has", hint="another name")


def _check_apart(one: Network, other: Network) -> None:
    from ipaddress import ip_network

    for mine, theirs in ((one.subnet, other.subnet), (one.subnet_v6, other.subnet_v6)):
        if mine and theirs and ip_network(mine).overlaps(ip_network(theirs)):
            raise SubnetOverlaps(
                f"network '{other.name}' has {theirs}, and {mine} some of the same addresses",
                hint="another subnet; without --subnet one is found that is free",
            )


def find(networks: Path, name: str) -> Network:
    """A network on a bridge: the store's own, or one by its name or the beginning of its id.

    NoSuchNetwork, BrokenNetwork.
    """
    if name == STORES_OWN.name:
        return STORES_OWN
    known = names(networks)
    if name not in known and re.fullmatch("[0-9a-f]{4,64}", name):
        fitting = [one for one in _readable(networks) if one.id.startswith(name)]
        known, name = [one.name for one in fitting], fitting[0].name if len(fitting) == 1 else name
    if name not in known:
        raise _missing(name)
    return load(networks, name)


def _missing(name: str) -> NoSuchNetwork:
    makes = f"; 'lxgit network create {name}' makes it" if _is_name(name) else ""
    return NoSuchNetwork(
        f"there is no network '{name}'", hint=f"'lxgit network ls' lists them{makes}"
    )


def load(networks: Path, name: str) -> Network:
    """One that has this name. What a later version knows of it besides is passed over.

    NoSuchNetwork, BrokenNetwork.
    """
    from lxgit.runtime.descriptions import description  # few containers have one

    try:
        known = {one.name for one in fields(Network)}
        network = _built(description(networks / f"{name}{_ENDING}", known))
        if network.name != name:
            raise ValueError(f"it says that it is '{network.name}'")
    except FileNotFoundError:
        raise _missing(name) from None
    except (ValueError, TypeError, UsageError) as error:
        raise BrokenNetwork(
            f"network '{name}' is damaged: its file does not say what it is",
            hint=f"'lxgit network rm {name}' deletes it",
        ) from error
    return network


def _built(values: Mapping[str, object]) -> Network:
    """A network of what is known of the members here. ValueError, TypeError, UsageError."""
    kinds = {"created": int, "ipv6": bool, "internal": bool, "labels": dict}
    known = {one.name for one in fields(Network)}.intersection(values)
    if wrong := [name for name in known if type(values[name]) is not kinds.get(name, str)]:
        raise TypeError(f"not what they should be: {wrong}")
    found: Any = {name: values[name] for name in known}
    network = Network(**found)
    subnets, parts = (network.subnet, network.subnet_v6), (network.gateway, network.ip_range)
    if (
        not is_id(network.id)
        or checked_subnets([one for one in subnets if one]) != subnets
        or checked_parts(network.subnet, *parts) != parts
    ):
        raise ValueError("neither an id, nor subnets and what is in them")
    return network


def _readable(networks: Path) -> Iterator[Network]:
    for name in names(networks):
        with contextlib.suppress(BrokenNetwork, NoSuchNetwork):
            yield load(networks, name)


def names(networks: Path) -> list[str]:
    """The names of all that somebody made, sorted."""
    try:
        found = os.listdir(networks)
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING))


def remove(networks: Path, name: str) -> None:
    """Delete a network that no container has; the caller has entered `settled`."""
    drop(networks / f"{name}{_ENDING}")
    fsync_directory(networks)
    tell(networks, name, "destroy")


def tell(networks: Path, name: str, action: str, **attributes: str) -> None:
    """Have `lxgit events` know of something that has happened to a network."""
    eventlog.record(networks.parent, "network", action, name, {"type": "bridge", **attributes})
