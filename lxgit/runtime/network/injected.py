"""The files of /etc that say who a container is and whom it can ask."""

from __future__ import annotations

from lxgit.runtime.network import resolver
from lxgit.runtime.rootfs import Injected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.network.endpoint import Network

HOST_GATEWAY = "host-gateway"
"""In the place of an address: the host's on the bridge, as in Docker."""


def files(config: ContainerConfig, connection: Network | None) -> Injected:
    """What is mounted in /etc of a container, which may have a `connection`."""
    lines = [
        b"127.0.0.1\tlocalhost\n",
        b"::1\tlocalhost ip6-localhost ip6-loopback\n",
        b"ff02::1\tip6-allnodes\n",
        b"ff02::2\tip6-allrouters\n",
    ]
    if not config.attachments:  # there it has an address that others see
        lines.append(b"127.0.1.1\t%s\n" % config.hostname.encode())
    for given in config.extra_hosts:
        name, _, address = given.partition(":")
        if address == HOST_GATEWAY:
            address = (connection.gateway if connection is not None else "") or "127.0.0.1"
        lines.append(f"{address}\t{name}\n".encode())
    hostname = config.hostname.encode() + b"\n"
    return Injected(b"".join(lines), hostname, _resolv_conf(config, connection))


def _resolv_conf(config: ContainerConfig, connection: Network | None) -> bytes:
    wanted = resolver.Wanted(config.dns, config.dns_search, config.dns_options)
    if connection is not None:
        return connection.resolv_conf(wanted)
    return resolver.for_host(wanted) if config.network == "host" else b""
