"""Whom a new container is to talk to, and who is to reach it: what was asked for, checked."""

from __future__ import annotations

import contextlib

from lxgit.errors import LxgitError, UsageError
from lxgit.lean import pattern
from lxgit.records import replace
from lxgit.runtime import rootless
from lxgit.runtime.config import BUILT_IN, DEFAULT, NO_BRIDGE, SHARED, Attachment
from lxgit.spelling import parse_pairs
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from lxgit.objects.imageconfig import ImageConfig
    from lxgit.repository import Repository
    from lxgit.runtime.networks import Network

    class NetworkSettings(TypedDict):
        """Fields of a container's record, by their names."""

        network: str
        aliases: tuple[str, ...]
        address: str
        mac: str
        connected: tuple[Attachment, ...]
        publish: tuple[str, ...]
        exposed: tuple[str, ...]
        publish_all: bool
        dns: tuple[str, ...]
        dns_search: tuple[str, ...]
        dns_options: tuple[str, ...]
        extra_hosts: tuple[str, ...]


class TooManyPorts(LxgitError):
    """An image exposes more ports than there are."""


class WantedNetwork(NamedTuple):
    """What was asked for: see `lxgit run --help`. Aliases and addresses are for the first one."""

    networks: tuple[str, ...] = ()  # "bridge" for root, "user" for others
    publish: tuple[str, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    add_host: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    address: str | None = None
    mac: str | None = None
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()

    @property
    def asked(self) -> list[Attachment]:
        """The networks, and what each is to have there, as it was typed. UsageError."""
        first, *others = map(_asked, self.networks or (DEFAULT,))
        return [
            replace(
                first,
                aliases=(*first.aliases, *self.aliases),
                address=first.address or self.address or "",
                mac=first.mac or self.mac or "",
            ),
            *others,
        ]

    @property
    def named(self) -> list[str]:
        """Those that a user has made. UsageError."""
        kept = (one.network for one in self.asked if not one.network.startswith(SHARED))
        return [name for name in kept if name not in BUILT_IN]

    def checked(self, image: ImageConfig, repository: Repository) -> NetworkSettings:
        """The settings of a container of that image. UsageError where they cannot be.

        NoSuchNetwork, NoSuchContainer, TooManyPorts.
        """
        from lxgit.runtime.network.publishing import Port, Publication

        first, *connected = self._attachments(repository)
        exposed = {port for text in self.expose for port in Port.all_of(text)}
        told = 0
        for text in image.exposed_ports:
            with contextlib.suppress(UsageError):  # what has other protocols runs all the same
                ports = Port.all_of(text)
                exposed.update(ports)
                told += len(ports)
            if told > _MOST_EXPOSED:  # ranges of thousands each, in a little text
                raise TooManyPorts(f"the image exposes more than {_MOST_EXPOSED:,} ports")
        published = [one for text in self.publish for one in Publication.all_of(text)]
        for server in self.dns:
            _check_address(server, "--dns 9.9.9.9")
        for word in (*self.dns_search, *self.dns_options):
            _check_word(word)
        hosts = tuple(map(_host, self.add_host))
        return {
            "network": first.network,
            "aliases": first.aliases,
            "address": first.address,
            "mac": first.mac,
            "connected": tuple(connected),
            "publish": tuple(str(one) for one in dict.fromkeys(published)),
            "exposed": tuple(
                str(port) for port in sorted(exposed | {one.port for one in published})
            ),
            "publish_all": self.publish_all,
            "dns": self.dns,
            "dns_search": self.dns_search,
            "dns_options": self.dns_options,
            "extra_hosts": hosts,
        }

    def _attachments(self, repository: Repository) -> list[Attachment]:
        """Where it is to be; one that is on no bridge has one all the same, without anything."""
        asked = self.asked
        for one in asked:
            if one.network in NO_BRIDGE or one.network.startswith(SHARED):
                self._check_without(one, asked)
                return [Attachment(_shared(repository, one.network))]
        from lxgit.runtime import networks

        found = [networks.find(repository.networks_dir, one.network) for one in asked]
        _check_networks(found, publishes=bool(self.publish or self.publish_all))
        return [
            checked_attachment(network, one.aliases, one.address, one.mac)
            for network, one in zip(found, asked, strict=True)
        ]

    def _check_without(self, one: Attachment, asked: Sequence[Attachment]) -> None:
        """UsageError for what is asked of one that is on no bridge."""
        network = one.network
        if network == "user" and not rootless.is_active():
            raise UsageError(
                "--network user is what ordinary users have", hint="--network bridge is root's"
            )
        if len(asked) > 1:
            raise UsageError(f"with --network {network} there is no other", hint="leave one out")
        if network != "user" and (self.publish or self.publish_all):
            raise UsageError(
                f"there is nothing to publish with --network {network}",
                hint=f"-p and -P are for --network {default_network()}, the default",
            )
        for option in ("aliases", "address", "mac"):
            if getattr(one, option):
                raise UsageError(
                    f"--network {network} has no {_OPTIONS[option]}",
                    hint="'lxgit network create' makes one that has",
                )


def _asked(text: str) -> Attachment:
    """A network's name, or Docker's `name=NAME,alias=…,ip=…,mac-address=…`. UsageError."""
    if "=" not in text:
        return Attachment(_meant(text))
    aliases, found = [], {"name": "", "ip": "", "mac-address": ""}
    for key, value in parse_pairs("--network", text, {}, several=("alias",)):
        if key == "alias":
            aliases.append(value)
        elif key in found and value:
            found[key] = value
        else:
            raise UsageError(
                f"--network knows nothing of '{key}={value}'",
                hint="--network name=backend,alias=db,ip=172.30.0.7",
            )
    if not found["name"]:
        raise UsageError(f"'{text}' names no network", hint="--network name=backend,alias=db")
    return Attachment(_meant(found["name"]), tuple(aliases), found["ip"], found["mac-address"])


def _meant(name: str) -> str:
    return default_network() if name == DEFAULT else name


def _shared(repository: Repository, network: str) -> str:
    """A network without a bridge: that of another container by its id.

    Of one that has it of yet another, it is that one's. UsageError, NoSuchContainer.
    """
    if not network.startswith(SHARED):
        return network
    from lxgit.operations.lookup import find_container

    other = find_container(repository, network.removeprefix(SHARED))
    if other.config.network == "host":
        raise UsageError(
            f"container '{other.config.name}' has the host's network",
            hint="--network host has that too",
        )
    return f"{SHARED}{other.config.shares or other.id}"


_OPTIONS = {"aliases": "--network-alias", "address": "--ip", "mac": "--mac-address"}


def _check_networks(found: Sequence[Network], *, publishes: bool) -> None:
    for network in found:
        if found.count(network) > 1:
            raise UsageError(f"--network {network.name} is said twice", hint="once is enough")
    if publishes and found[0].internal:
        raise UsageError(
            f"nothing is published from network '{found[0].name}', which is internal",
            hint="name one first that is not: ports are the first one's",
        )


def checked_attachment(
    network: Network, aliases: tuple[str, ...], address: str, mac: str = ""
) -> Attachment:
    """What a container is to have on a network. UsageError."""
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise UsageError(f"'{alias}' cannot be a name of a host", hint="--network-alias db")
    if address:
        network.number_of(address)
    if mac and not _MAC.fullmatch(mac):
        raise UsageError(
            f"'{mac}' is no Ethernet address of one interface",
            hint="--mac-address 02:00:00:00:00:01",
        )
    return Attachment(network.name, aliases, address, mac.lower())


_MOST_EXPOSED = 1 << 17  # all of two protocols
_ALIAS = pattern(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,252}")
_WORD = pattern(r"[a-zA-Z0-9._:/-]{1,253}")  # of resolv.conf(5), but for its comments
_MAC = pattern(r"[0-9a-fA-F][02468aceACE](:[0-9a-fA-F]{2}){5}")


def default_network() -> str:
    """The network of a container for which none was named."""
    return "user" if rootless.is_active() else "bridge"


def _check_word(text: str) -> None:
    if not _WORD.fullmatch(text):
        raise UsageError(
            f"'{text}' is no word of a resolv.conf",
            hint="--dns-search example.org, --dns-option ndots:1",
        )


def _host(given: str) -> str:
    """`NAME:ADDRESS` of that or `NAME=ADDRESS`. UsageError."""
    from lxgit.runtime.network.injected import HOST_GATEWAY

    form = "--add-host NAME:ADDRESS"
    name, _, address = given.replace("=", ":", 1).partition(":")
    if not name or not name.isprintable() or any(letter in name for letter in " #"):
        raise UsageError(f"'{given}' names no host", hint=form)
    if address != HOST_GATEWAY:
        _check_address(address, form)
    return f"{name}:{address}"


def _check_address(text: str, form: str) -> None:
    from lxgit.runtime.network.resolver import packed_address

    if packed_address(text) is None:
        raise UsageError(f"'{text}' is no address", hint=form)
