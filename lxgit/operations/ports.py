"""`port`: where the ports of a running container are on the host."""

from __future__ import annotations

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - as Docker writes every address of the host


class PublishedPort(NamedTuple):
    """A port of a running container, and where it is on the host; `host_ip` "" is everywhere."""

    port: str
    host_ip: str
    host_port: int


def published_ports(repository: Repository, name: str, port: str | None) -> list[PublishedPort]:
    """The ports of a running container on the host, or those of `port` alone.

    NotRunning, NoSuchPort, NoSuchContainer, UsageError.
    """
    from lxgit.operations.finding import not_running
    from lxgit.operations.lookup import find_container
    from lxgit.runtime.network.publishing import NoSuchPort, Port

    container = find_container(repository, name)
    wanted = Port.parsed(port) if port is not None else None
    if not container.is_running:
        raise not_running(container.config.name)
    endpoint = container.state.endpoint
    found = endpoint.publications if endpoint is not None else ()
    kept = [one for one in found if wanted in (None, one.port)]
    if not kept and wanted is not None:
        raise NoSuchPort(
            f"port {wanted} of container '{container.config.name}' is not published",
            hint="-p of 'lxgit run' publishes one",
        )
    return [PublishedPort(str(one.port), one.host_ip, one.host_port) for one in kept]
