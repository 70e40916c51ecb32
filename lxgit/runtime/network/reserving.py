"""Ports of the host: whoever listens has one, and the kernel lets nobody else.

So a port is taken by listening on it, for as long as the container runs. That no two have it,
containers of other stores and other programs included, needs no list, and a supervisor that is
killed gives its ports back.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime.network.publishing import ANY_V4, ANY_V6, FIRST_PORT, Publication
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BACKLOG = 128


class PortTaken(LxgitError):
    """Somebody else listens on a port of the host."""

    exit_code = 125


class PortRefused(LxgitError):
    """A port of the host that the kernel does not give, whoever has it."""

    exit_code = 125


class NoSuchAddress(LxgitError):
    """An address that the host has not, to publish a port at."""

    exit_code = 125


class Reserved(NamedTuple):
    """A port with its number on the host, and the sockets that hold it."""

    publication: Publication
    sockets: tuple[socket.socket, ...]


@contextlib.contextmanager
def reserved(wanted: Sequence[Publication], store: str = "") -> Iterator[list[Reserved]]:
    """Hold ports of the host meanwhile, which are all different ones.

    `store` is the path of the one that asks, to tell others from. PortTaken, PortRefused,
    NoSuchAddress.
    """
    with contextlib.ExitStack() as held:
        found: dict[Publication, Reserved] = {}
        for one in sorted(wanted, key=lambda one: len(one.choices)):  # who has most can wait
            found[one] = reserve(one, store)
            for each in found[one].sockets:
                held.enter_context(each)
        yield [found[one] for one in wanted]


def reserve(wanted: Publication, store: str = "") -> Reserved:
    """Listen on the first port of the host that is free, of those that will do."""
    for number in wanted.choices:
        tried = replace(wanted, host_port=number, host_last=0)
        try:
            return Reserved(tried, _listening(tried))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _refused(error, tried) from error
    raise _taken(wanted, store)


def _listening(wanted: Publication) -> tuple[socket.socket, ...]:
    """A socket an address family, all or none. OSError."""
    with contextlib.ExitStack() as made:
        sockets = []
        for ip in (wanted.host_ip,) if wanted.host_ip else (ANY_V4, ANY_V6):
            try:
                sockets.append(made.enter_context(_socket(ip, wanted)))
            except OSError as error:
                if wanted.host_ip or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
        made.pop_all()
    return tuple(sockets)


def _socket(ip: str, wanted: Publication) -> socket.socket:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    stream = wanted.port.protocol == "tcp"
    made = socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    with contextlib.ExitStack() as unless_ready:
        unless_ready.callback(made.close)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if stream:  # or connections that have ended keep the port for a minute
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((ip, wanted.host_port))
        if stream:
            made.listen(_BACKLOG)
        made.settimeout(0)
        unless_ready.pop_all()
    return made


def _refused(error: OSError, wanted: Publication) -> LxgitError:
    if error.errno == errno.EADDRNOTAVAIL:
        return NoSuchAddress(
            f"the host has no address {wanted.host_ip}", hint="-p PORT publishes at all it has"
        )
    hint = "fewer ports, or a larger 'ulimit -n'" if error.errno == errno.EMFILE else None
    return PortRefused(
        f"port {wanted.host_port} of the host cannot be had: {error.strerror}", hint=hint
    )


def _taken(wanted: Publication, store: str) -> PortTaken:
    from lxgit.runtime.network.owners import owner

    if not wanted.host_port:
        return PortTaken(
            f"every port of the host from {FIRST_PORT} up is taken",
            hint="-p HOST:PORT names a lower",
        )
    name = f"{wanted.host_ports}/{wanted.port.protocol}"
    where = f" at {wanted.host_ip}" if wanted.host_ip else ""
    told = (
        f"ports {name} of the host{where} are"
        if wanted.host_last
        else f"port {name} of the host{where} is"
    )
    who = owner(wanted, store)
    has = f"{who} has {wanted.host_port}; " if who else ""
    return PortTaken(f"{told} taken", hint=f"{has}-p {wanted.port} takes one that is free")
