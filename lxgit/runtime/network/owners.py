"""Who has a port of the host: told to those who wanted it too.

/proc/net/tcp and its like (proc_pid_net(5)) know the sockets of this network namespace with their
inodes, and /proc/PID/fd who has them open. The supervisor of a container has the container's, and
begins its name with its id. Nobody relies on the answer: all may have changed since.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys

from lxgit.runtime.network import records
from lxgit.runtime.network.publishing import ANY_V4, ANY_V6
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.runtime.network.publishing import Publication

_LISTENS = "0A"  # TCP_LISTEN, net/tcp_states.h
_SUPERVISOR = re.compile("lxgit:([0-9a-f]{9})")


class _Process(NamedTuple):
    pid: int
    name: str


def owner(wanted: Publication, store: str) -> str | None:
    """Words for who has the first port that is wanted; None where that cannot be found out.

    `store` is the path of the one that asks: containers of others are told apart.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(wanted)}
    holders = list(_holders(sockets)) if sockets else []
    for _, name in holders:
        if match := _SUPERVISOR.fullmatch(name):
            return _container(match[1], store)
    return f"{holders[0].name}, process {holders[0].pid}," if holders else None


def _container(beginning: str, store: str) -> str:
    """A container by the first digits of its id."""
    for place in records.places():
        with contextlib.suppress(records.DamagedNote):  # it may be any store's, and not this one's
            for member in records.members(place):
                if member.container.startswith(beginning):
                    bridge = records.bridge_at(place)
                    elsewhere = "" if bridge and bridge.store == store else " of another store"
                    return f"container '{member.names[0]}'{elsewhere}"
    return f"container {beginning}"  # it comes or goes just now, or its note is damaged


def _inodes(wanted: Publication) -> Iterator[str]:
    """The sockets that are in the way."""
    protocol = wanted.port.protocol
    for name in (protocol, f"{protocol}6"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/net/{name}", "rb") as file:
            for line in file.read().decode("ascii").splitlines()[1:]:
                words = line.split()
                address, _, port = words[1].partition(":")
                is_ours = int(port, 16) == wanted.host_port and _overlaps(address, wanted.host_ip)
                if is_ours and (protocol == "udp" or words[3] == _LISTENS):
                    yield words[9]


def _overlaps(address: str, ip: str) -> bool:
    """Whether an address, in words of four bytes as the host has them, keeps others from `ip`."""
    packed = bytes.fromhex(address)
    if not any(packed) or ip in ("", ANY_V4, ANY_V6):
        return True
    words = [packed[at : at + 4] for at in range(0, len(packed), 4)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return b"".join(words).endswith(socket.inet_pton(family, ip))  # ::ffff:127.0.0.1 too


def _holders(sockets: set[str]) -> Iterator[_Process]:
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is nobody's to look at
            if any(
                _target(f"/proc/{pid}/fd/{fd}") in sockets for fd in os.listdir(f"/proc/{pid}/fd")
            ):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    yield _Process(int(pid), _printable(file.read().rstrip("\n")))


def _target(link: str) -> str:
    with contextlib.suppress(FileNotFoundError):  # closed meanwhile
        return os.readlink(link)
    return ""


def _printable(name: str) -> str:
    """Whatever a process calls itself, in one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
