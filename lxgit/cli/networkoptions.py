"""The options of a new container that say whom it can talk to."""

from __future__ import annotations

from lxgit.cli.params import Annotated, option
from lxgit.tuples import NamedTuple


class Networking(NamedTuple):
    """Whom it can talk to."""

    networks: Annotated[
        tuple[str, ...],
        option(
            "--network",
            "--net",
            help="bridge, this store's, the default; user, the way out of an ordinary user's, their"
            " default; none, host; container:NAME, another's; or those that 'network create' made",
            metavar="NETWORK",
            completes="network",
        ),
    ] = ()
    publish: Annotated[
        tuple[str, ...],
        option(
            "-p",
            "--publish",
            help="a port that the host passes on; a free one from 49153 up without HOST; or ranges",
            metavar="[IP:][HOST:]PORT[/udp]",
        ),
    ] = ()
    publish_all: Annotated[
        bool, option("-P", "--publish-all", help="every port that the image or --expose names")
    ] = False
    expose: Annotated[
        tuple[str, ...], option("--expose", help="name a port, for -P", metavar="PORT[-PORT][/udp]")
    ] = ()
    dns: Annotated[
        tuple[str, ...],
        option("--dns", help="a resolver in place of the host's", metavar="ADDRESS"),
    ] = ()
    add_host: Annotated[
        tuple[str, ...],
        option("--add-host", help="a line of its /etc/hosts", metavar="NAME:ADDRESS"),
    ] = ()
    aliases: Annotated[
        tuple[str, ...],
        option("--network-alias", help="a further name for the others there", metavar="NAME"),
    ] = ()
    address: Annotated[
        str | None, option("--ip", help="of a network with a --subnet", metavar="ADDRESS")
    ] = None
    mac: Annotated[
        str | None, option("--mac-address", help="of its Ethernet interface", metavar="ADDRESS")
    ] = None
    dns_search: Annotated[
        tuple[str, ...],
        option("--dns-search", help="where short names are looked for", metavar="DOMAIN"),
    ] = ()
    dns_options: Annotated[
        tuple[str, ...],
        option("--dns-option", help="of resolv.conf(5), as ndots:1", metavar="OPTION"),
    ] = ()
