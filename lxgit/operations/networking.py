"""Whom a container can talk to, and who it: options checked, ports shown."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lxgit.errors import LxgitError, UsageError
from lxgit.runtime import rootless
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.network.endpoint import Endpoint
    from lxgit.runtime.network.neighbours import Chain

    class Settings(TypedDict):
        """Fields of a container's record, by their names."""

        network: str
        publish: tuple[str, ...]
        exposed: tuple[str, ...]
        publish_all: bool
        dns: tuple[str, ...]
        extra_hosts: tuple[str, ...]


ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - as Docker writes every address of the host


class WantedNetwork(NamedTuple):
    """What was asked for: see `lxgit run --help`."""

    network: str | None = None  # "bridge" for root, "user" for others
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    add_host: tuple[str, ...] = ()

    def checked(self, image: ImageConfig) -> Settings:
        """The settings of a container of that image. UsageError where they cannot be."""
        from lxgit.runtime.network.publishing import Port, Publication

        network = self.network or default_network()
        if network == "user" and not rootless.is_active():
            raise UsageError(
                "--network user is what ordinary users have", hint="--network bridge is root's"
            )
        if network in ("none", "host") and (self.publish or self.publish_all):
            raise UsageError(
                f"there is nothing to publish with --network {network}",
                hint=f"-p and -P are for --network {default_network()}, the default",
            )
        exposed = {port for text in self.expose for port in Port.all_of(text)}
        for text in image.exposed_ports:
            with contextlib.suppress(UsageError):  # what has other protocols runs all the same
                exposed.update(Port.all_of(text))
        published = [one for text in self.publish for one in Publication.all_of(text)]
        for server in self.dns:
            _check_address(server, "--dns 9.9.9.9")
        for given in self.add_host:
            _check_host(given)
        return {
            "network": network,
            "publish": tuple(str(one) for one in dict.fromkeys(published)),
            "exposed": tuple(
                str(port) for port in sorted(exposed | {one.port for one in published})
            ),
            "publish_all": self.publish_all,
            "dns": self.dns,
            "extra_hosts": self.add_host,
        }


def default_network() -> str:
    """The network of a container for which none was named."""
    return "user" if rootless.is_active() else "bridge"


def _check_host(given: str) -> None:
    from lxgit.runtime.network.injected import HOST_GATEWAY

    form = "--add-host NAME:ADDRESS"
    name, _, address = given.partition(":")
    if not name or not name.isprintable() or any(letter in name for letter in " #"):
        raise UsageError(f"'{given}' names no host", hint=form)
    if address != HOST_GATEWAY:
        _check_address(address, form)


def _check_address(text: str, form: str) -> None:
    from lxgit.runtime.network.resolver import packed_address

    if packed_address(text) is None:
        raise UsageError(f"'{text}' is no address", hint=form)


class ClosedChain(NamedTuple):
    """A chain of the host's that lets nothing from or to a bridge through; what would open it."""

    name: str
    opening: str


def closed_chains() -> list[ClosedChain]:
    """Those of an administrator's own: others are told by lxgit to let a bridge through.

    OSError where the kernel does not say; ProgramFailed, MissingProgram.
    """
    from lxgit.runtime.network import neighbours, records

    return [
        ClosedChain(str(chain), f"nft '{_opening(chain, records.NAMES)}'")
        for chain in neighbours.closed(neighbours.all_chains())
    ]


def _opening(chain: Chain, names: str) -> str:
    return "; ".join(
        f'insert rule {chain} {direction} "{names}*" accept' for direction in ("iifname", "oifname")
    )


def warn_of_closed_chains(progress: Progress) -> None:
    """Tell of what is about to keep a container on a bridge from the world."""
    with contextlib.suppress(OSError, LxgitError):  # the bridge tells of what is missing
        for chain in closed_chains():
            progress.warn(
                f"nftables' chain '{chain.name}' drops what this container's bridge forwards;"
                f" to open it: {chain.opening}"
            )


class PublishedPort(NamedTuple):
    """A port of a running container, and where it is on the host; `host_ip` "" is everywhere."""

    port: str
    host_ip: str
    host_port: int


def published_ports(repository: Repository, name: str, port: str | None) -> list[PublishedPort]:
    """The ports of a running container on the host, or those of `port` alone.

    NotRunning, NoSuchPort, NoSuchContainer, UsageError.
    """
    from lxgit.operations.lookup import find_container
    from lxgit.runtime.attach import NotRunning
    from lxgit.runtime.network.publishing import NoSuchPort, Port

    container = find_container(repository, name)
    wanted = Port.parsed(port) if port is not None else None
    if not container.is_running:
        raise NotRunning(
            f"container '{container.config.name}' is not running",
            hint="its ports are the host's while it runs: 'lxgit start'",
        )
    endpoint = container.state.endpoint
    found = endpoint.publications if endpoint is not None else ()
    kept = [one for one in found if wanted in (None, one.port)]
    if not kept and wanted is not None:
        raise NoSuchPort(
            f"port {wanted} of container '{container.config.name}' is not published",
            hint="-p of 'lxgit run' publishes one",
        )
    return [PublishedPort(str(one.port), one.host_ip, one.host_port) for one in kept]


def network_settings(endpoint: Endpoint | None, exposed: Sequence[str]) -> dict[str, Any]:
    """Where a container is on its bridge, as `inspect` shows it: empty values while it is not."""
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(exposed)
    mapping: dict[str, str] = {}
    for one in endpoint.publications if endpoint is not None else ():
        everywhere = ANY_ADDRESS if not one.host_ip else one.host_ip
        binding = {"HostIp": everywhere, "HostPort": str(one.host_port)}
        ports[str(one.port)] = [*(ports.get(str(one.port)) or ()), binding]
        mapping[str(one.port.number)] = str(one.host_port)
    return {
        "Bridge": endpoint.bridge if endpoint else "",
        "Ports": ports if endpoint is not None else {},
        "PortMapping": mapping,
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "Gateway": endpoint.gateway if endpoint else "",
        "GlobalIPv6Address": endpoint.address_v6 if endpoint else "",
        "GlobalIPv6PrefixLen": endpoint.prefix_v6 if endpoint else 0,
        "IPv6Gateway": endpoint.gateway_v6 if endpoint else "",
        "MacAddress": endpoint.mac if endpoint else "",
    }
