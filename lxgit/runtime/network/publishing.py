"""Ports of a container: what was asked for, and what they are on the host."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Self

from lxgit.errors import LxgitError, UsageError
from lxgit.records import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_PORT, LAST_PORT = 49153, 65535
"""The host's ports for those who ask for none in particular, as in Docker since 2013."""

ANY_V4, ANY_V6 = "0.0.0.0", "::"  # noqa: S104 - what is published is for everybody

_PUBLISHED = re.compile(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9]+\.[0-9.]+):)?(?:(?P<host>[0-9]*):)?"
    r"(?P<port>[0-9]+)(?:/(?P<protocol>[a-z]+))?"
)
_EXPOSED = re.compile(r"(?P<port>[0-9]+)(?:/(?P<protocol>[a-z]+))?")


class NoSuchPort(LxgitError):
    """A port of a container that is not published."""


@dataclass(frozen=True, slots=True, order=True)
class Port:
    """A port of a container. `80/tcp`."""

    number: int
    protocol: str  # "tcp", "udp"

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """`80`, `80/tcp`, `53/udp`. UsageError."""
        match = _EXPOSED.fullmatch(text)
        if match is None:
            raise _unreadable(text, "PORT[/udp]")
        return cls(_number(match["port"], text), _protocol(match["protocol"], text))


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of a container, and where on the host it is to be reached.

    `host_ip` is "" for every address of the host. `host_port` 0: one that is free.
    """

    port: Port
    host_ip: str = ""
    host_port: int = 0

    def __str__(self) -> str:
        """As `-p` takes it."""
        ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        before = f"{ip}:" if ip else ""
        return f"{before}{self.host_port or ''}:{self.port}"

    @property
    def shown(self) -> str:
        """As `ps` has it since 2013: `49153->4444`, and only what is not as usual besides."""
        ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        before = f"{ip}:" if ip else ""
        after = "" if self.port.protocol == "tcp" else f"/{self.port.protocol}"
        return f"{before}{self.host_port}->{self.port.number}{after}"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """`[IP:][HOST:]PORT[/udp]`; `IP::PORT` for a free port at that address. UsageError."""
        match = _PUBLISHED.fullmatch(text)
        if match is None or (match["ip"] and match["host"] is None):
            raise _unreadable(text, "-p [IP:][HOST:]PORT[/udp]")
        ip = _address((match["ip"] or "").strip("[]"), text)
        host = _number(match["host"], text) if match["host"] else 0
        port = Port(_number(match["port"], text), _protocol(match["protocol"], text))
        return cls(port, ip, host)


def wanted(
    published: Iterable[str], exposed: Iterable[str], *, everything: bool
) -> tuple[Publication, ...]:
    """What `-p` asks for, and with `everything` (`-P`) what is exposed and not among it."""
    found = [Publication.parsed(text) for text in published]
    if everything:
        named = {one.port for one in found}
        ports = sorted({Port.parsed(text) for text in exposed} - named)
        found += [Publication(port) for port in ports]
    return tuple(dict.fromkeys(found))


def _number(text: str, whole: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise UsageError(f"'{whole}' names no port", hint="ports are 1 to 65535")
    return int(text)


def _protocol(text: str | None, whole: str) -> str:
    if text not in (None, "tcp", "udp"):
        raise UsageError(f"'{whole}' is neither of TCP nor of UDP", hint="80, 80/tcp or 53/udp")
    return text or "tcp"


def _address(text: str, whole: str) -> str:
    """An address in its one spelling; nothing for all of them of a family."""
    if not text:
        return ""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError:
        raise _unreadable(whole, "-p 127.0.0.1:8080:80, -p [::1]:8080:80") from None


def _unreadable(text: str, form: str) -> UsageError:
    return UsageError(f"'{text}' names no port", hint=form)
