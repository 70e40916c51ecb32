"""/etc/resolv.conf for a container: the host's, as far as it works from another place.

A resolver on the host's loopback cannot be reached from a bridge. systemd-resolved (127.0.0.53)
and NetworkManager's dnsmasq (127.0.0.1) write the real ones behind them down; where the host's file
names loopback alone, those count. resolv.conf(5), systemd-resolved.service(8).
"""

from __future__ import annotations

import socket

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RESOLV_CONF = "/etc/resolv.conf"
BEHIND = (
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
)
_LARGEST = 1 << 16
_NONE = b"# no resolver of the host can be reached from a bridge: --dns ADDRESS\n"

_NOBODY = b"# nothing leads out of this network: --dns ADDRESS\n"


class Wanted(NamedTuple):
    """What a container asks for in the place of what the host has."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()  # domains; "." for none
    options: tuple[str, ...] = ()


def for_host(wanted: Wanted) -> bytes:
    """For who shares the host's network: the host's own file, or the same with what is wanted."""
    content = _read(RESOLV_CONF)
    return _written(content, wanted, _servers(content)) if any(wanted) else content


def for_user(wanted: Wanted, own: str) -> bytes:
    """The host's own file with other servers, or one."""
    return _written(_read(RESOLV_CONF), wanted, [own])


def for_internal(wanted: Wanted) -> bytes:
    """For who reaches nobody outside: what is wanted, or nobody to ask, so that nobody waits."""
    return _written(b"", wanted, ()) or _NOBODY


def for_bridge(wanted: Wanted, *, with_v6: bool) -> bytes:
    """What a container on a bridge gets: what is wanted, else the resolvers that it can reach."""
    content = _read(RESOLV_CONF)
    if wanted.servers:
        return _written(content, wanted, ())
    for other in BEHIND:
        if any(_reachable(content, with_v6=with_v6)):
            break
        content = _read(other) or content
    return _written(content, wanted, _reachable(content, with_v6=with_v6)) or _NONE


def _written(content: bytes, wanted: Wanted, servers: Iterable[str]) -> bytes:
    """A file as it is but for what is wanted, with these servers where none are."""
    lines = [line for line in content.splitlines() if _is_kept(line, wanted)]
    if wanted.search and wanted.search != (".",):
        lines.append(b"search " + " ".join(wanted.search).encode())
    if wanted.options:
        lines.append(b"options " + " ".join(wanted.options).encode())
    lines += [b"nameserver " + server.encode() for server in wanted.servers or servers]
    return b"".join(line + b"\n" for line in lines)


def nameservers() -> Iterator[bytes]:
    """The addresses of the host's resolvers, in network order."""
    for path in (RESOLV_CONF, *BEHIND):
        for server in _servers(_read(path)):
            if packed := packed_address(server):
                yield packed


def packed_address(text: str) -> bytes | None:
    """4 or 16 bytes in network order; None for what is no address, or of one link alone."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, UnicodeEncodeError):
        return None


def _reachable(content: bytes, *, with_v6: bool) -> Iterator[str]:
    for server in _servers(content):
        packed = packed_address(server)
        if packed is None or (len(packed) == 16 and not with_v6):
            continue
        if packed[:1] != b"\x7f" and packed != bytes(15) + b"\1" and any(packed):
            yield server


def _servers(content: bytes) -> Iterator[str]:
    for line in content.splitlines():
        words = line.split()
        if words[:1] == [b"nameserver"] and len(words) > 1:
            yield words[1].decode("ascii", "replace")


def _is_kept(line: bytes, wanted: Wanted) -> bool:
    """Whether a line of the host's is a container's too, unless it wants others."""
    word = line.split()[:1]
    return (
        word == [b"sortlist"]
        or (word in ([b"search"], [b"domain"]) and not wanted.search)
        or (word == [b"options"] and not wanted.options)
    )


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST)
    except FileNotFoundError:
        return b""
