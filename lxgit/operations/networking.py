"""Whom a container can talk to, and who it: options checked, ports shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from lxgit.errors import UsageError

if TYPE_CHECKING:
    from lxgit.objects.imageconfig import ImageConfig


class Settings(TypedDict):
    """Fields of a container's record, by their names."""

    network: str
    publish: tuple[str, ...]
    exposed: tuple[str, ...]
    publish_all: bool
    dns: tuple[str, ...]
    extra_hosts: tuple[str, ...]


class WantedNetwork(NamedTuple):
    """What was asked for: see `lxgit run --help`."""

    network: str = "bridge"
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    add_host: tuple[str, ...] = ()

    def checked(self, image: ImageConfig) -> Settings:
        """The settings of a container of that image. UsageError where they cannot be."""
        from lxgit.runtime.network.publishing import Port, Publication

        if self.network != "bridge" and (self.publish or self.publish_all):
            raise UsageError(
                f"there is nothing to publish with --network {self.network}",
                hint="-p and -P are for --network bridge, the default",
            )
        exposed = {Port.parsed(text) for text in (*image.exposed_ports, *self.expose)}
        published = [Publication.parsed(text) for text in self.publish]
        for server in self.dns:
            _check_address(server, "--dns 9.9.9.9")
        for given in self.add_host:
            _check_host(given)
        return Settings(
            network=self.network,
            publish=tuple(str(one) for one in dict.fromkeys(published)),
            exposed=tuple(str(port) for port in sorted(exposed | {one.port for one in published})),
            publish_all=self.publish_all,
            dns=self.dns,
            extra_hosts=self.add_host,
        )


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
