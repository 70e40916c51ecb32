"""Ports of a container: what was asked for, and what they are on the host."""

from __future__ import annotations

import socket

from lxgit.errors import LxgitError, UsageError
from lxgit.lean import pattern
from lxgit.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

FIRST_PORT, LAST_PORT = 49153, 65535
"""The host's ports for those who ask for none in particular, as in Docker since 2013."""

ANY_V4, ANY_V6 = "0.0.0.0", "::"  # noqa: S104 - what is published is for everybody

_RANGE = "[0-9]{1,9}(?:-[0-9]{1,9})?"
_EXPOSED = pattern(rf"(?P<ports>{_RANGE})(?:/(?P<protocol>[a-z]+))?")
_PUBLISHED = pattern(
    r"(?:(?P<ip>\[[0-9a-fA-F:.]+\]|[0-9]+\.[0-9.]+):)?"
    rf"(?:(?P<host>(?:{_RANGE})?):)?{_EXPOSED.pattern}"
)


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
        first, *more = cls.all_of(text)
        if more:
            raise _unreadable(text, "one of them, PORT[/udp]")
        return first

    @classmethod
    def all_of(cls, text: str) -> list[Self]:
        """The same, and `7000-7010/udp` for each of these. UsageError."""
        match = _EXPOSED.fullmatch(text)
        if match is None:
            raise _unreadable(text, "PORT[-PORT][/udp]")
        protocol = _protocol(match["protocol"], text)
        return [cls(number, protocol) for number in _numbers(match["ports"], text)]


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of a container, and where on the host it is to be reached.

    `host_ip` is "" for every address of the host. `host_port` 0: one that is free. With `host_last`
    it is the first that is free up to there.
    """

    port: Port
    host_ip: str = ""
    host_port: int = 0
    host_last: int = 0

    def __str__(self) -> str:
        """As `-p` takes it."""
        return f"{self._before}{self.host_ports}:{self.port}"

    @property
    def _before(self) -> str:
        """The address, as it stands before a port; "" for every one."""
        ip = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip
        return f"{ip}:" if ip else ""

    @property
    def host_ports(self) -> str:
        """The ports of the host that will do; "" for any."""
        last = f"-{self.host_last}" if self.host_last else ""
        return f"{self.host_port or ''}{last}"

    @property
    def choices(self) -> range:
        """The ports of the host that will do, the best first."""
        if not self.host_port:
            return range(FIRST_PORT, LAST_PORT + 1)
        return range(self.host_port, (self.host_last or self.host_port) + 1)

    @property
    def shown(self) -> str:
        """As `ps` has it since 2013: `49153->4444`, and only what is not as usual besides."""
        after = "" if self.port.protocol == "tcp" else f"/{self.port.protocol}"
        return f"{self._before}{self.host_port}->{self.port.number}{after}"

    @classmethod
    def parsed(cls, text: str) -> Self:
        """One of them, as `str` has it. UsageError."""
        first, *more = cls.all_of(text)
        if more:
            raise _unreadable(text, "one of them")
        return first

    @classmethod
    def all_of(cls, text: str) -> list[Self]:
        """`[IP:][HOST:]PORT[/udp]`; `IP::PORT` for a free port at that address. UsageError.

        HOST and PORT may be ranges: two of the same length go together, one by one, and of a range
        for a single PORT the first that is free is taken.
        """
        match = _PUBLISHED.fullmatch(text)
        if match is None or (match["ip"] and match["host"] is None):
            raise _unreadable(text, "-p [IP:][HOST:]PORT[/udp]")
        ip = _address((match["ip"] or "").strip("[]"), text)
        protocol = _protocol(match["protocol"], text)
        ports = [Port(number, protocol) for number in _numbers(match["ports"], text)]
        if not match["host"]:
            return [cls(port, ip) for port in ports]
        hosts = _numbers(match["host"], text)
        if len(ports) == 1 < len(hosts):
            return [cls(ports[0], ip, hosts[0], hosts[-1])]
        if len(hosts) != len(ports):
            raise UsageError(
                f"'{text}' has {len(hosts)} ports of the host for {len(ports)} of the container",
                hint="ranges of the same length, such as 8000-8010:80-90",
            )
        return [cls(port, ip, host) for port, host in zip(ports, hosts, strict=True)]


def wanted(
    published: Iterable[str], exposed: Iterable[str], *, everything: bool
) -> tuple[Publication, ...]:
    """What `-p` asks for, one by one, and with `everything` (`-P`) what is exposed besides."""
    found = [Publication.parsed(text) for text in published]
    if everything:
        named = {one.port for one in found}
        ports = sorted({Port.parsed(text) for text in exposed} - named)
        found += [Publication(port) for port in ports]
    return tuple(dict.fromkeys(found))


def _numbers(text: str, whole: str) -> range:
    """`80`, or all of `80-90`. UsageError."""
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found or not 1 <= found[0] <= found[-1] <= LAST_PORT:
        raise UsageError(
            f"'{whole}' names no port", hint="ports are 1 to 65535, of a range the lower one first"
        )
    return found


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
    except (OSError, UnicodeEncodeError):
        raise _unreadable(whole, "-p 127.0.0.1:8080:80, -p [::1]:8080:80") from None


def _unreadable(text: str, form: str) -> UsageError:
    return UsageError(f"'{text}' names no port", hint=form)
