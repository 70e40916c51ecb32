"""Networks that users have named: made, listed, deleted."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager

from lxgit.errors import LxgitError
from lxgit.operations.ordinary import RootsAlone
from lxgit.operations.selecting import DAMAGED, has_label, parse_filters
from lxgit.runtime import networks as records
from lxgit.runtime import rootless
from lxgit.runtime.config import BUILT_IN, NO_BRIDGE
from lxgit.runtime.holders import holders, require_all_told
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.network.connection import Connection
    from lxgit.runtime.networks import Network


class NetworkInUse(LxgitError):
    """A network that containers have."""


class WantedDefinition(NamedTuple):
    """What `network create` asks for; see its help."""

    name: str
    subnets: tuple[str, ...] = ()
    ipv6: bool = False
    internal: bool = False
    labels: Mapping[str, str] = {}
    gateway: str = ""
    ip_range: str = ""


class Member(NamedTuple):
    """A container that has a network; while it does not run there, its addresses are "" ."""

    id: str
    name: str
    address: str = ""  # 10.1.2.3/24
    address_v6: str = ""
    mac: str = ""


class NetworkRow(NamedTuple):
    """A line of `network ls`. `created` is in nanoseconds since 1970; addresses are text."""

    id: str
    name: str
    driver: str
    created: int = 0
    internal: bool = False
    subnets: tuple[tuple[str, str], ...] = ()  # in force or asked for, each with its gateway
    labels: Mapping[str, str] = {}
    members: tuple[Member, ...] = ()
    ip_range: str = ""

    @property
    def is_built_in(self) -> bool:
        """Whether every store has it."""
        return self.name in BUILT_IN

    @property
    def is_damaged(self) -> bool:
        """Whether nothing can be told of it but its name, and who has it."""
        return self.driver == DAMAGED


def create_network(repository: Repository, wanted: WantedDefinition) -> str:
    """Write a new network down; its id. It is made with the first container that runs on it.

    RootsAlone, UsageError, InvalidNetworkName, NetworkNameTaken, SubnetOverlaps.
    """
    require_root()
    subnet, subnet_v6 = records.checked_subnets(wanted.subnets)
    gateway, ip_range = records.checked_parts(subnet, wanted.gateway, wanted.ip_range)
    network = records.Network(
        id=os.urandom(32).hex(),
        name=wanted.name,
        created=time.time_ns(),
        subnet=subnet,
        subnet_v6=subnet_v6,
        ipv6=wanted.ipv6,
        internal=wanted.internal,
        labels=dict(wanted.labels),
        gateway=gateway,
        ip_range=ip_range,
    )
    with records.settled(repository.networks_dir):
        records.create(repository.networks_dir, network)
    return network.id


def require_root() -> None:
    """Raise RootsAlone for an ordinary user."""
    if rootless.is_active() or os.geteuid() != 0:
        raise RootsAlone(
            "networks on a bridge are for containers of root alone",
            hint="an ordinary user's have --network user, none or host",
        )


@contextmanager
def kept_networks(repository: Repository, names: Iterable[str]) -> Iterator[None]:
    """Keep networks from being deleted while a container is made that has them. NoSuchNetwork."""
    with records.kept(repository.networks_dir):
        for name in names:
            records.find(repository.networks_dir, name)
        yield


def find_network(repository: Repository, name: str) -> NetworkRow:
    """One network. NoSuchNetwork, BrokenNetwork."""
    return _row(repository, name, holders(repository, networks_of))


def list_networks(repository: Repository) -> list[NetworkRow]:
    """All networks, those first that every store has, damaged ones among them."""
    users = holders(repository, networks_of)
    rows = [_row(repository, name, users) for name in _built_in()]
    for name in records.names(repository.networks_dir):
        try:
            rows.append(_row(repository, name, users))
        except records.BrokenNetwork:
            rows.append(NetworkRow("", name, DAMAGED, members=_idle(users, name)))
        except records.NoSuchNetwork:
            continue  # it has just been deleted
    return rows


def _built_in() -> tuple[str, ...]:
    return ("host", "none", "user") if rootless.is_active() else ("bridge", "host", "none")


def _row(repository: Repository, name: str, users: Mapping[str, list[Container]]) -> NetworkRow:
    if name in NO_BRIDGE:
        members = _idle(users, name)
        identity = f"{2 + NO_BRIDGE.index(name)}".ljust(64, "0")
        driver = {"none": "null"}.get(name, name)
        return NetworkRow(identity, name, driver, members=members)
    network = records.find(repository.networks_dir, name)
    found = [(one, _connection(one, network)) for one in users.get(network.name, ())]
    return NetworkRow(
        network.id,
        network.name,
        "bridge",
        network.created,
        network.internal,
        _subnets(network, [connection for _, connection in found if connection is not None]),
        network.labels,
        tuple(_member(container, connection) for container, connection in found),
        network.ip_range,
    )


def _idle(users: Mapping[str, list[Container]], name: str) -> tuple[Member, ...]:
    """The containers that have a network, wherever they are on it."""
    return tuple(Member(one.id, one.config.name) for one in users.get(name, ()))


def _connection(container: Container, network: Network) -> Connection | None:
    """Where a container is on a network now; None if it does not run."""
    if not container.is_running:
        return None
    from lxgit.runtime.network.connection import connections_of

    for one in connections_of(container.id):
        if one.bridge.network == network.name:
            return one
    return None


def _subnets(network: Network, found: Sequence[Connection]) -> tuple[tuple[str, str], ...]:
    if found:
        bridge, end = found[0].bridge, found[0].endpoint
        there = [(f"{bridge.subnet}/{end.prefix}", end.gateway)]
        if end.address_v6:
            there.append((f"{bridge.subnet_v6}/{end.prefix_v6}", end.gateway_v6))
        return tuple(there)
    chosen = (network.subnet, network.subnet_v6)
    return tuple((subnet, _gateway(subnet, network.own)) for subnet in chosen if subnet)


def _gateway(subnet: str, number: int) -> str:
    from ipaddress import ip_network

    return str(ip_network(subnet)[number])


def _member(container: Container, connection: Connection | None) -> Member:
    name = container.config.name
    if connection is None:
        return Member(container.id, name)
    end = connection.endpoint
    address_v6 = f"{end.address_v6}/{end.prefix_v6}" if end.address_v6 else ""
    return Member(container.id, name, f"{end.address}/{end.prefix}", address_v6, end.mac)


def networks_of(container: Container) -> Sequence[str]:
    """The names of a container's networks."""
    return container.config.networks


def complete_networks(repository: Repository) -> list[str]:
    """Every network's name: for completion."""
    return [*_built_in(), *records.names(repository.networks_dir)]


def select_networks(rows: Iterable[NetworkRow], filters: Sequence[str]) -> list[NetworkRow]:
    """Those that pass Docker's filters: `name`, `id`, `driver`, `type`, `label`, `dangling`.

    `type` is `builtin` or `custom`. Several of one key ask for any of them, of different keys for
    all; each `label` must be there. UsageError.
    """
    wanted = parse_filters(filters, ("name", "id", "driver", "type", "label", "dangling"))
    return [row for row in rows if _fits(row, wanted)]


def _fits(row: NetworkRow, wanted: Mapping[str, Sequence[str]]) -> bool:
    labels = [f"{name}={value}" for name, value in row.labels.items()]
    kind = "builtin" if row.is_built_in else "custom"
    unused = "true" if not (row.members or row.is_built_in or row.is_damaged) else "false"
    return (
        all(has_label(labels, value) for value in wanted.get("label", ()))
        and any(part in row.name for part in wanted.get("name", ("",)))
        and any(row.id.startswith(part) for part in wanted.get("id", ("",)))
        and row.driver in wanted.get("driver", (row.driver,))
        and kind in wanted.get("type", (kind,))
        and unused in wanted.get("dangling", (unused,))
    )


def remove_network(repository: Repository, name: str, *, force: bool) -> None:
    """Delete a network.

    NetworkInUse, also with `force`: that only passes over one that there is not (NoSuchNetwork).
    BrokenContainer while any may have it.
    """
    if name in BUILT_IN:
        raise NetworkInUse(f"every store has network '{name}'", hint="it cannot be deleted")
    with records.settled(repository.networks_dir):
        found = _known(repository, name, force=force)
        if found is None:
            return
        if containers := holders(repository, networks_of).get(found):
            told = ", ".join(f"'{one.config.name}'" for one in containers)
            raise NetworkInUse(
                f"network '{found}' is in use by container {told}",
                hint="'lxgit network disconnect', or 'lxgit rm CONTAINER', first",
            )
        require_all_told(repository)
        records.remove(repository.networks_dir, found)


def _known(repository: Repository, name: str, *, force: bool) -> str | None:
    """The name of a network; None for one that there is not, with `force`. NoSuchNetwork."""
    if name in records.names(repository.networks_dir):
        return name  # a damaged one too
    try:
        return records.find(repository.networks_dir, name).name
    except records.NoSuchNetwork:
        if force:
            return None
        raise


def prune_networks(repository: Repository, filters: Sequence[str] = ()) -> tuple[str, ...]:
    """Delete the networks that no container has, but for damaged ones; their names.

    BrokenContainer while any may have one of those.
    """
    with records.settled(repository.networks_dir):
        rows = select_networks(list_networks(repository), (*filters, "dangling=true"))
        if rows:
            require_all_told(repository)
        for row in rows:
            records.remove(repository.networks_dir, row.name)
    return tuple(row.name for row in rows)
