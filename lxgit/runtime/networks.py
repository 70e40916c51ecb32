"""Networks that users have named: each is a bridge of its own while a container runs on it.

    networks/
      .lock                 shared by whoever makes a container or connects one,
                            held alone by whoever makes or deletes networks
      NAME.json             what was asked for: Network

A bridge comes with the first container that runs on it and goes with the last, as the store's own
does (network/joining.py); what is here is only what it is to be. So a network whose subnet nobody
has chosen has one while it is up, which nothing on the host uses then.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING

from lxgit import eventlog
from lxgit.errors import LxgitError, UsageError
from lxgit.fsutil import fsync_directory, locked, write_atomic
from lxgit.records import asdict, dataclass, field
from lxgit.runtime.config import BUILT_IN
from lxgit.runtime.network.subnets import PREFIX, PREFIX_V6

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

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

    @property
    def prefix(self) -> int:
        """Of its subnet of IPv4, in bits."""
        return int(self.subnet.partition("/")[2] or PREFIX)

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
        if not 1 < number < subnet.num_addresses - 1:
            raise UsageError(
                f"{address} is none of the addresses for containers of network '{self.name}'",
                hint=f"{subnet[2]} to {subnet[-2]}",
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
    if subnet.is_loopback or subnet.is_multicast or subnet.is_link_local:
        raise UsageError(f"'{text}' is not for containers", hint=form)
    return subnet


def kept(networks: Path) -> AbstractContextManager[int]:
    """Keep every network from being deleted."""
    return _locked(networks, shared=True)


def settled(networks: Path) -> AbstractContextManager[int]:
    """Be the only one to make or delete networks, or a container that has one."""
    return _locked(networks, shared=False)


def _locked(networks: Path, *, shared: bool) -> AbstractContextManager[int]:
    networks.mkdir(mode=0o700, exist_ok=True)
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
    data = json.dumps(asdict(network), indent=1).encode("ascii") + b"\n"
    write_atomic(networks / f"{network.name}{_ENDING}", data)
    tell(networks, network.name, "create")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > 128:
        raise InvalidNetworkName(
            f"'{name}' cannot be the name of a network",
            hint="letters, digits, and after the first also '_', '.' and '-'; 128 at most",
        )
    if name in BUILT_IN:
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
        raise NoSuchNetwork(
            f"there is no network '{name}'",
            hint=f"'lxgit network ls' lists them; 'lxgit network create {name}' makes it",
        )
    return load(networks, name)


def load(networks: Path, name: str) -> Network:
    """One that has this name. BrokenNetwork."""
    try:
        return Network(**json.loads((networks / f"{name}{_ENDING}").read_bytes()))
    except (ValueError, TypeError) as error:
        raise BrokenNetwork(
            f"network '{name}' is damaged: its file does not say what it is",
            hint=f"'lxgit network rm {name}' deletes it",
        ) from error


def _readable(networks: Path) -> Iterator[Network]:
    for name in names(networks):
        with contextlib.suppress(BrokenNetwork, FileNotFoundError):
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
    (networks / f"{name}{_ENDING}").unlink()
    fsync_directory(networks)
    tell(networks, name, "destroy")


def tell(networks: Path, name: str, action: str, **attributes: str) -> None:
    """Have `lxgit events` know of something that has happened to a network."""
    eventlog.record(networks.parent, "network", action, name, {"type": "bridge", **attributes})
