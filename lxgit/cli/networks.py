"""Commands about networks: network create, ls, inspect, rm, connect, disconnect, prune."""

from __future__ import annotations

from lxgit.cli.formats import inspect_each
from lxgit.cli.options import Filters, FiltersAlone, check_quiet, format_option, template_option
from lxgit.cli.params import Annotated, Literal, argument, command, option
from lxgit.cli.report import for_each
from lxgit.cli.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lxgit.operations.networks import NetworkRow

Names = Annotated[tuple[str, ...], argument("NETWORK", help="names or ids", completes="network")]
Name = Annotated[str, argument("NETWORK", help="its name or id", completes="network")]
Container = Annotated[str, argument("CONTAINER", help="its name or id", completes="container")]
_HEAD = {"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE"}


@command(
    examples=(
        ("lxgit network create backend", "prints its id; 'run --network backend' is on it"),
        ("lxgit network create --subnet 172.30.0.0/24 fixed", "for 'run --ip'"),
        ("lxgit network create --internal quiet", "without a way out"),
    )
)
def create(
    session: Session,
    name: Annotated[str, argument("NAME", help="what it is to be called")],
    subnets: Annotated[
        tuple[str, ...],
        option("--subnet", help="its addresses; by default such as are free", metavar="CIDR"),
    ] = (),
    gateway: Annotated[
        str | None,
        option("--gateway", help="the host's address there; the first one", metavar="ADDRESS"),
    ] = None,
    ip_range: Annotated[
        str | None,
        option("--ip-range", help="the part that containers get theirs of", metavar="CIDR"),
    ] = None,
    _driver: Annotated[Literal["bridge"], option("-d", "--driver", help="there is one")] = "bridge",
    ipv6: Annotated[bool, option("--ipv6", help="IPv6 also where the host has none")] = False,
    internal: Annotated[
        bool, option("--internal", help="nothing leads out of it, nor into it")
    ] = False,
    labels: Annotated[
        tuple[str, ...], option("--label", help="a note to it", metavar="NAME[=VALUE]")
    ] = (),
) -> None:
    """Make a network, and print its id.

    Its containers reach each other by name, and the world, but no container of another network.
    A container can be on several. The bridge is there while one runs on it.
    """
    from lxgit.cli.labels import labels_of
    from lxgit.operations.networks import WantedDefinition, create_network

    wanted = WantedDefinition(
        name, subnets, ipv6, internal, labels_of(labels), gateway or "", ip_range or ""
    )
    session.out.line(create_network(session.repository(create=True), wanted))


@command(
    examples=(
        ("lxgit network ls", ""),
        ("lxgit network ls -q --filter type=custom", "ids of those that somebody made"),
        ("lxgit network ls --format '{{.Name}} {{.Subnets}}'", ""),
        ("lxgit network ls --format json", "for programs"),
    )
)
def ls(
    session: Session,
    quiet: Annotated[bool, option("-q", "--quiet", help="ids alone")] = False,
    filters: Filters = (),
    no_trunc: Annotated[bool, option("--no-trunc", help="whole ids")] = False,
    format_: Annotated[str, format_option("ID")] = "table",
) -> None:
    """List networks. The driver of one whose file cannot be read is "damaged".

    Filters: name (a part of it), id, driver, type (builtin, custom), label.
    """
    from lxgit.cli.formats import write_listing
    from lxgit.cli.tables import short_id
    from lxgit.operations.networks import list_networks, select_networks

    check_quiet(format_, quiet=quiet)
    repository = session.repository_to_list()
    rows = [] if repository is None else list_networks(repository)
    chosen = select_networks(rows, filters)
    if quiet:
        for row in chosen:
            session.out.line(row.name if row.is_damaged else short_id(row.id, whole=no_trunc))
        return
    fields = [_fields(row, no_trunc=no_trunc) for row in chosen]
    columns = ("ID", "Name", "Driver", "Scope")
    write_listing(session.out, format_, fields, head=_HEAD, columns=columns, fields=fields)


def _fields(row: NetworkRow, *, no_trunc: bool) -> dict[str, object]:
    """Docker's keys, and which addresses it has."""
    from lxgit.cli.human import nanosecond_date
    from lxgit.cli.tables import short_id

    return {
        "ID": short_id(row.id, whole=no_trunc),
        "Name": row.name,
        "Driver": row.driver,
        "Scope": "local",
        "Internal": row.internal,
        "IPv6": any(":" in subnet for subnet, _ in row.subnets),
        "Subnets": [subnet for subnet, _ in row.subnets],
        "CreatedAt": nanosecond_date(row.created) if row.created else "",
        "Labels": dict(row.labels),
    }


@command(
    examples=(
        ("lxgit network inspect backend", "its subnet, and who is on it"),
        ("lxgit network inspect --format '{{json .Containers}}' backend", ""),
    )
)
def inspect(
    session: Session, names: Names, format_: Annotated[str, template_option("Id")] = "json"
) -> int:
    """Show everything about networks, as JSON or by a template.

    Addresses are those in force while a container runs on it.
    """
    from lxgit.operations.networks import find_network

    repository = session.repository()
    return inspect_each(
        session, format_, names, lambda name: network_values(find_network(repository, name))
    )


def _pool(row: NetworkRow, subnet: str, gateway: str) -> dict[str, str]:
    """Addresses, as Docker tells of them."""
    part = {"IPRange": row.ip_range} if row.ip_range and ":" not in subnet else {}
    return {"Subnet": subnet, **part, "Gateway": gateway}


def network_values(row: NetworkRow) -> dict[str, Any]:
    """Everything about a network: Docker's keys."""
    from lxgit.cli.moments import nanosecond_stamp

    return {
        "Name": row.name,
        "Id": row.id,
        "Created": nanosecond_stamp(row.created) if row.created else "",
        "Scope": "local",
        "Driver": row.driver,
        "EnableIPv6": any(":" in subnet for subnet, _ in row.subnets),
        "IPAM": {
            "Driver": "default",
            "Config": [_pool(row, subnet, gateway) for subnet, gateway in row.subnets],
        },
        "Internal": row.internal,
        "Containers": {
            member.id: {
                "Name": member.name,
                "MacAddress": member.mac,
                "IPv4Address": member.address,
                "IPv6Address": member.address_v6,
            }
            for member in row.members
        },
        "Labels": dict(row.labels),
    }


@command(examples=(("lxgit network rm backend", ""),))
def rm(
    session: Session,
    names: Names,
    force: Annotated[bool, option("-f", "--force", help="pass over such as there are not")] = False,
) -> int:
    """Delete networks. One that a container has, running or not, stays."""
    from lxgit.operations.networks import remove_network

    repository = session.repository()
    return for_each(session, names, lambda name: remove_network(repository, name, force=force))


@command(
    examples=(
        ("lxgit network connect backend web", "at once where it runs"),
        ("lxgit network connect --alias db --ip 172.30.0.7 fixed web", ""),
    )
)
def connect(
    session: Session,
    network: Name,
    container: Container,
    aliases: Annotated[
        tuple[str, ...], option("--alias", help="a further name of its there", metavar="NAME")
    ] = (),
    address: Annotated[
        str | None, option("--ip", help="of a network with a --subnet", metavar="ADDRESS")
    ] = None,
) -> None:
    """Put a container on a network more, besides those that it has."""
    from lxgit.operations.connecting import connect

    connect(session.repository(), network, container, aliases=aliases, address=address or "")


@command(examples=(("lxgit network disconnect bridge web", "at once where it runs"),))
def disconnect(
    session: Session,
    network: Name,
    container: Container,
    force: Annotated[bool, option("-f", "--force", help="if it is on it")] = False,
) -> None:
    """Take a container off a network. One that has no other left has no network."""
    from lxgit.operations.connecting import disconnect

    disconnect(session.repository(), network, container, force=force)


@command(
    examples=(
        ("lxgit network prune -f", ""),
        ("lxgit network prune -f --filter label=stage=test", ""),
    )
)
def prune(
    session: Session,
    filters: FiltersAlone = (),
    force: Annotated[bool, option("-f", "--force", help="do not ask")] = False,
) -> None:
    """Delete the networks that no container has, and print their names."""
    from lxgit.operations.networks import prune_networks

    if not force:
        from lxgit.cli.asking import confirm

        confirm(session, "this deletes networks that no container has")
    for name in prune_networks(session.repository(), filters):
        session.out.line(name)
