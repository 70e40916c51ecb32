"""Where a container is on its networks, as `inspect` shows it."""

from __future__ import annotations

import contextlib

from lxgit.errors import LxgitError
from lxgit.operations.ports import ANY_ADDRESS
from lxgit.runtime.config import Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from lxgit.runtime.config import Settings
    from lxgit.runtime.containers import Container
    from lxgit.runtime.network.endpoint import Endpoint


def network_settings(
    config: Settings, endpoint: Endpoint | None, ends: Mapping[str, Endpoint], definitions: Path
) -> dict[str, Any]:
    """Where a container is on its networks, as `inspect` shows it: empty while it is not there.

    `endpoint` is its state's, with its ports; `ends` are those by the names of its networks.
    """
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(config.exposed)
    mapping: dict[str, str] = {}
    for one in endpoint.publications if endpoint is not None else ():
        everywhere = ANY_ADDRESS if not one.host_ip else one.host_ip
        binding = {"HostIp": everywhere, "HostPort": str(one.host_port)}
        ports[str(one.port)] = [*(ports.get(str(one.port)) or ()), binding]
        mapping[str(one.port.number)] = str(one.host_port)
    first = ends.get(config.network)
    return {
        "Bridge": first.bridge if first else "",
        "Ports": ports if endpoint is not None else {},
        "PortMapping": mapping,
        **_addresses(first),
        "Networks": {
            one.network: {
                "Aliases": list(one.aliases),
                "NetworkID": _id_of(definitions, one.network),
                **_addresses(ends.get(one.network)),
            }
            for one in config.attachments or map(Attachment, config.networks)
        },
    }


def endpoints_of(container: Container) -> dict[str, Endpoint]:
    """Where a container is while it runs, by the names of its networks."""
    if not container.config.attachments or not container.is_running:
        return {}
    from lxgit.runtime.network.connection import connections_of

    return {one.bridge.network: one.endpoint for one in connections_of(container.id)}


def _id_of(definitions: Path, network: str) -> str:
    from lxgit.runtime import networks

    with contextlib.suppress(LxgitError):  # a damaged one has none
        return networks.find(definitions, network).id
    return ""


def _addresses(endpoint: Endpoint | None) -> dict[str, Any]:
    return {
        "IPAddress": endpoint.address if endpoint else "",
        "IPPrefixLen": endpoint.prefix if endpoint else 0,
        "Gateway": endpoint.gateway if endpoint else "",
        "GlobalIPv6Address": endpoint.address_v6 if endpoint else "",
        "GlobalIPv6PrefixLen": endpoint.prefix_v6 if endpoint else 0,
        "IPv6Gateway": endpoint.gateway_v6 if endpoint else "",
        "MacAddress": endpoint.mac if endpoint else "",
    }
