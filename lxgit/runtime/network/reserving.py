"""Ports of the host: whoever listens has one, and the kernel lets nobody else.

So a port is taken by listening on it, for as long as the container runs. That no two have it,
containers of other stores and other programs included, needs no list, and a supervisor that is
killed gives its ports back.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.records import replace
from lxgit.runtime.network.publishing import ANY_V4, ANY_V6, FIRST_PORT, LAST_PORT, Publication
from lxgit.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BACKLOG = 128


class PortTaken(LxgitError):
    """Somebody else listens on a port of the host."""

    exit_code = 125


class NoSuchAddress(LxgitError):
    """An address that the host has not, to publish a port at."""

    exit_code = 125


class Reserved(NamedTuple):
    """A port with its number on the host, and the sockets that hold it."""

    publication: Publication
    sockets: tuple[socket.socket, ...]


@contextlib.contextmanager
def reserved(wanted: Iterable[Publication]) -> Iterator[list[Reserved]]:
    """Hold ports of the host meanwhile. PortTaken, NoSuchAddress."""
    with contextlib.ExitStack() as held:
        found: list[Reserved] = []
        for one in wanted:
            found.append(reserve(one))
            for each in found[-1].sockets:
                held.enter_context(each)
        yield found


def reserve(wanted: Publication) -> Reserved:
    """Listen on a port of the host: the one that is wanted, or the first that is free."""
    if wanted.host_port:
        return Reserved(wanted, _listening(wanted))
    for number in range(FIRST_PORT, LAST_PORT + 1):
        with contextlib.suppress(PortTaken):
            tried = replace(wanted, host_port=number)
            return Reserved(tried, _listening(tried))
    raise PortTaken(
        f"every port of the host from {FIRST_PORT} up is taken", hint="-p HOST:PORT names a lower"
    )


def _listening(wanted: Publication) -> tuple[socket.socket, ...]:
    """A socket an address family, all or none."""
    with contextlib.ExitStack() as made:
        sockets = []
        for ip in (wanted.host_ip,) if wanted.host_ip else (ANY_V4, ANY_V6):
            try:
                sockets.append(made.enter_context(_socket(ip, wanted)))
            except OSError as error:
                if wanted.host_ip or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise _fault(error, wanted) from error
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


def _fault(error: OSError, wanted: Publication) -> LxgitError:
    if error.errno == errno.EADDRNOTAVAIL:
        return NoSuchAddress(
            f"the host has no address {wanted.host_ip}", hint="-p PORT publishes at all it has"
        )
    if error.errno != errno.EADDRINUSE:
        return PortTaken(f"port {wanted.host_port} of the host cannot be had: {error.strerror}")
    where = f" at {wanted.host_ip}" if wanted.host_ip else ""
    return PortTaken(
        f"port {wanted.host_port}/{wanted.port.protocol} of the host{where} is taken",
        hint=f"-p {wanted.port} takes one that is free; 'lxgit ps' shows whose are published",
    )
