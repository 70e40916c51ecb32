"""Where a running container is on its bridge, as its record says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.records import dataclass
from lxgit.runtime.network.publishing import Publication

if TYPE_CHECKING:
    from collections.abc import Iterator


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
