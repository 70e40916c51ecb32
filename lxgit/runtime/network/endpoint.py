"""Where a running container is on its bridge, as its record says it."""

from __future__ import annotations

from lxgit.records import dataclass
from lxgit.runtime.network.publishing import Publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Protocol

    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.resolver import Wanted
else:
    Protocol = object


class Network(Protocol):
    """What a running container has of one, whichever way it goes."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it is, for its record."""

    @property
    def gateway(self) -> str:
        """The host's address there; "" without one."""

    @property
    def namespace(self) -> str:
        """Where LXC opens the network namespace; "" for a new one."""

    def resolv_conf(self, wanted: Wanted, /) -> bytes:
        """Its /etc/resolv.conf, with what was asked for."""

    def keep_hosts(self, file: Path, loop: Loop, /) -> None:
        """Have an /etc/hosts say who its neighbours are, as long as the loop turns."""

    def plug(self, pid: int, loop: Loop, /) -> None:
        """Connect the network namespace of a process. LxgitError."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Addresses are text; those of IPv6 are "" without it. Prefixes are lengths in bits."""

    bridge: str
    address: str
    prefix: int
    gateway: str
    address_v6: str
    prefix_v6: int
    gateway_v6: str
    mac: str
    ports: tuple[str, ...]  # publications, as `-p` takes them, each with a port of the host

    @property
    def publications(self) -> tuple[Publication, ...]:
        """Its ports on the host."""
        return tuple(map(Publication.parsed, self.ports))

    @property
    def shown(self) -> Iterator[str]:
        """Its ports as `ps` shows them."""
        return (one.shown for one in self.publications)
