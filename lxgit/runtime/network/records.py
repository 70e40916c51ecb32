"""Which bridges there are, and who is on them: written down for as long as the machine is up.

    /run/lxgit/n/                0700
      .lock                      held while a bridge, an address or a rule comes or goes
      <namespace>-<bridge>/      one a network of a store's, and a network namespace that lxgit is
                                 used in
        bridge                   Bridge, as JSON with a checksum
        <container id>           Member, likewise: one that runs, or was killed and not yet swept
        hosts                    lines for the /etc/hosts of all of them

An address is taken when a container starts and given back at its end, so those that do not run
need none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket

from lxgit.beneath import remove_tree
from lxgit.errors import LxgitError
from lxgit.fsutil import write_atomic
from lxgit.locks import locked
from lxgit.records import asdict, dataclass, fields
from lxgit.runtime import rundir
from lxgit.runtime.checksums import is_whole, with_checksum
from lxgit.runtime.network import subnets
from lxgit.runtime.network.publishing import Publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_MEMBER = re.compile(r"[0-9a-f]{64}")
HOSTS = "hosts"
NAMES = "lxgit"
"""What the names of all bridges begin with, and of their tables of rules."""


class DamagedNote(LxgitError):
    """What is written down of a bridge is not what lxgit wrote."""

    exit_code = 125


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge of this host, and the addresses that are its own."""

    name: str
    subnet: str  # 10.130.4.0
    subnet_v6: str  # a /64; "" for one without IPv6
    mtu: int  # bytes
    prefix: int = subnets.PREFIX  # of `subnet`, in bits
    internal: bool = False  # nothing leads out of it
    network: str = "bridge"  # whose it is, by its name
    store: str = ""  # and in which store, by its path
    own: int = 1  # the number of its own addresses

    @property
    def gateway(self) -> str:
        """Its own IPv4 address."""
        return self.address(self.own)

    @property
    def gateway_v6(self) -> str:
        """Its own IPv6 address; "" without IPv6."""
        return self.address_v6(self.own)

    @property
    def mac(self) -> bytes:
        """Its own Ethernet address: no container has its number."""
        return _mac(self.own)

    def address(self, number: int) -> str:
        """The IPv4 address of a member."""
        return _numbered(socket.AF_INET, self.subnet, number)

    def address_v6(self, number: int) -> str:
        """The IPv6 address of a member; "" without IPv6."""
        return _numbered(socket.AF_INET6, self.subnet_v6, number) if self.subnet_v6 else ""


@dataclass(frozen=True, slots=True)
class Member:
    """A container on a bridge. `names` are what the others may call it."""

    container: str
    number: int
    names: tuple[str, ...]
    ports: tuple[str, ...] = ()  # publications, as `-p` takes them, each with a port of the host
    interface: int = 0  # the number of its end of the cable: eth0
    asked_mac: str = ""  # 02:00:00:00:00:01; "" for one of its number's

    @property
    def cable(self) -> str:
        """The name of the host's end: 15 letters, as many as an interface may have."""
        return f"lx{'v' if not self.interface else self.interface}{self.container[:12]}"

    @property
    def publications(self) -> tuple[Publication, ...]:
        """Its ports on the host."""
        return tuple(map(Publication.parsed, self.ports))

    @property
    def mac(self) -> bytes:
        """The Ethernet address that belongs to its number, so that no neighbour has a stale one."""
        if self.asked_mac:
            return bytes.fromhex(self.asked_mac.replace(":", ""))
        return _mac(self.number)


def _mac(number: int) -> bytes:
    return b"\x02lxg" + number.to_bytes(2, "big")


def _numbered(family: int, subnet: str, number: int) -> str:
    packed = subnets.numbered(socket.inet_pton(family, subnet), number)
    return socket.inet_ntop(family, packed)


@contextlib.contextmanager
def locked_networks() -> Iterator[None]:
    """Have every bridge of this host to oneself."""
    rundir.NETWORKS.mkdir(mode=0o700, exist_ok=True)
    path, what = lock_of_networks()
    with locked(path, what=what):
        yield


def lock_of_networks() -> tuple[Path, str]:
    """What `locked_networks` locks, and what that is."""
    return rundir.NETWORKS / ".lock", "the list of networks"


def place_of(name: str) -> Path:
    """Where a bridge of this network namespace is written down, if it is."""
    return rundir.NETWORKS / f"{_namespace()}-{name}"


def places() -> list[Path]:
    """Where the bridges of this network namespace are written down."""
    return sorted(rundir.NETWORKS.glob(f"{_namespace()}-*"))


def places_of(container: str) -> list[Path]:
    """Where a container is written down, in whatever network namespace."""
    found = rundir.NETWORKS.iterdir() if rundir.NETWORKS.is_dir() else ()
    return sorted(path for path in found if (path / container).exists())


def _namespace() -> int:
    return os.stat("/proc/self/ns/net").st_ino


def bridge_at(place: Path) -> Bridge | None:
    """The bridge that is written down; None if none is. DamagedNote."""
    try:
        found: Bridge = _read(place / "bridge", Bridge)
    except FileNotFoundError:
        return None
    return found


def write_bridge(place: Path, bridge: Bridge) -> None:
    """Write a bridge down, before it is made."""
    _write(place / "bridge", bridge)


def members(place: Path) -> list[Member]:
    """Who is on a bridge, in the order of their numbers; none whose supervisor left no trace.

    Nor who leaves meanwhile: who only looks, as for the owner of a port, does so without the lock.
    """
    found = []
    for name in _ids(place):
        with contextlib.suppress(FileNotFoundError):
            found.append(member_at(place, name))
    return sorted(found, key=lambda member: member.number)


def _ids(place: Path) -> list[str]:
    """The ids of the same, whatever their notes say."""
    with contextlib.suppress(FileNotFoundError):
        names = filter(_MEMBER.fullmatch, os.listdir(place))
        return [name for name in names if (rundir.CONTAINERS / name).exists()]
    return []


def member_at(place: Path, container: str) -> Member:
    """A container that is written down there. FileNotFoundError, DamagedNote."""
    found: Member = _read(place / container, Member)
    return found


def write_member(place: Path, member: Member) -> None:
    """Write down who is on a bridge, or will be, and what has become of them."""
    place.mkdir(mode=0o700, exist_ok=True)
    _write(place / member.container, member)


def write_hosts(place: Path, content: bytes) -> None:
    """Replace the lines for /etc/hosts; who watches the directory learns of it."""
    write_atomic(place / HOSTS, content, durable=False)


def forget_dead() -> None:
    """Drop what is written down of bridges that nobody is on: their namespaces have gone, mostly.

    The caller holds the lock.
    """
    for place in rundir.NETWORKS.glob("*-*"):
        forget_dead_at(place)


def forget_dead_at(place: Path) -> None:
    """Drop what is written down of a bridge if nobody is on it; a damaged note keeps it, too."""
    if not _ids(place):
        forget(place)


def forget(place: Path) -> None:
    """Drop what is written down of a bridge that has gone."""
    remove_tree(place)


def _read(path: Path, record: type) -> Any:  # noqa: ANN401  # one of that kind
    data, known = path.read_bytes(), {one.name for one in fields(record)}
    try:
        values = json.loads(data)
        if not is_whole(data, values, known):
            raise ValueError("not what was written")
        tuples = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return record(**{key: value for key, value in {**values, **tuples}.items() if key in known})
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise DamagedNote(
            f"'{path}' is damaged", hint="delete it once nothing runs that is on that network"
        ) from None


def _write(path: Path, note: Bridge | Member) -> None:
    write_atomic(path, with_checksum(asdict(note)), durable=False)
