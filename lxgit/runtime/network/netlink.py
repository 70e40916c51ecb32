"""Interfaces, addresses and routes: the few messages of rtnetlink(7) that a bridge needs.

Each is one request with an answer, some 50 microseconds; a process of `ip` takes 3 ms, and a
library that knows all of netlink longer than that to import. Sources: rtnetlink(7), netlink(7),
include/uapi/linux/if_link.h, if_addr.h, rtnetlink.h, and drivers/net/veth.c for its peer.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _EXCL, _CREATE, _DUMP = 0x1, 0x4, 0x200, 0x400, 0x300

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_NET_NS_FD = 18, 28
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _NODAD = 1, 2, 8, 0x02
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_NESTED = 0x8000
_MAIN_TABLE, _STATIC, _UNICAST = 254, 4, 1
_UP = 1  # IFF_UP

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg


class Network(NamedTuple):
    """Addresses that a route or an interface of the host has: network order, prefix length."""

    address: bytes  # of 4 or 16 bytes
    prefix: int
    device: int  # index of the interface; 0 for none


class Veth(NamedTuple):
    """Two ends of a cable: one in a bridge here, one in another network namespace."""

    name: str
    bridge: int
    peer: str
    namespace: int  # a descriptor of it
    mac: bytes  # the peer's
    mtu: int


class Netlink:
    """A socket to the kernel, of the network namespace that it was made in."""

    def __init__(self, family: int = socket.NETLINK_ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def add_bridge(self, name: str, mac: bytes, mtu: int) -> int:
        """Make a bridge; its index. FileExistsError."""
        attributes = (
            _text(_IFLA_IFNAME, name)
            + _attribute(_IFLA_ADDRESS, mac)
            + _number(_IFLA_MTU, mtu)
            + _attribute(_IFLA_LINKINFO | _NESTED, _text(_INFO_KIND, "bridge"))
        )
        self._change(_NEWLINK, _LINK.pack(0, 0, 0, 0, 0) + attributes, _CREATE | _EXCL)
        return socket.if_nametoindex(name)

    def add_veth(self, veth: Veth) -> None:
        """Make a pair whose first end is up and in the bridge. FileExistsError."""
        peer = (
            _LINK.pack(0, 0, 0, 0, 0)
            + _text(_IFLA_IFNAME, veth.peer)
            + _attribute(_IFLA_ADDRESS, veth.mac)
            + _number(_IFLA_MTU, veth.mtu)
            + _number(_IFLA_NET_NS_FD, veth.namespace)
        )
        kind = _text(_INFO_KIND, "veth") + _attribute(
            _INFO_DATA | _NESTED, _attribute(_VETH_PEER, peer)
        )
        attributes = (
            _text(_IFLA_IFNAME, veth.name)
            + _number(_IFLA_MTU, veth.mtu)
            + _number(_IFLA_MASTER, veth.bridge)
            + _attribute(_IFLA_LINKINFO | _NESTED, kind)
        )
        self._change(_NEWLINK, _LINK.pack(0, 0, 0, _UP, _UP) + attributes, _CREATE | _EXCL)

    def set_up(self, index: int) -> None:
        """Let an interface send and receive."""
        self._change(_NEWLINK, _LINK.pack(0, 0, index, _UP, _UP))

    def delete(self, name: str) -> None:
        """Remove an interface; with one end of a pair goes the other. One that is gone is gone."""
        try:
            self._change(_DELLINK, _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def add_address(self, index: int, address: bytes, prefix: int) -> None:
        """Give an interface an address, which is in use from now on: nobody else can have it."""
        body = _ADDRESS.pack(_family(address), prefix, 0, 0, index)
        body += _attribute(_IFA_LOCAL, address) + _attribute(_IFA_ADDRESS, address)
        if len(address) == 16:  # no second of waiting for others to object (rfc 4862, 5.4)
            body += _number(_IFA_FLAGS, _NODAD)
        self._change(_NEWADDR, body, _CREATE | _EXCL)

    def add_default_route(self, gateway: bytes) -> None:
        """Send what goes elsewhere to `gateway`."""
        table = (_MAIN_TABLE, _STATIC, 0, _UNICAST, 0)
        body = _ROUTE.pack(_family(gateway), 0, 0, 0, *table) + _attribute(_RTA_GATEWAY, gateway)
        self._change(_NEWROUTE, body, _CREATE | _EXCL)

    def addresses(self) -> Iterator[Network]:
        """Those of every interface, each with the length of its network's prefix."""
        for body in self.dump(_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
            _, prefix, _, _, index = _ADDRESS.unpack_from(body)
            said = attributes(body[_ADDRESS.size :])
            address = said.get(_IFA_LOCAL) or said.get(_IFA_ADDRESS)
            if address is not None:
                yield Network(address, prefix, index)

    def routes(self) -> Iterator[Network]:
        """The destination of every route of every table; a default route's has no bits set."""
        for body in self.dump(_GETROUTE, _ROUTE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)):
            family, prefix = body[0], body[1]
            said = attributes(body[_ROUTE.size :])
            length = 4 if family == socket.AF_INET else 16
            device = int.from_bytes(said.get(_RTA_OIF, b""), "little")
            yield Network(said.get(_RTA_DST, bytes(length)), prefix, device)

    def mtu(self, index: int) -> int:
        """The largest packet that an interface sends, in bytes."""
        answers = self._request(_GETLINK, _LINK.pack(0, 0, index, 0, 0), 0)
        return int.from_bytes(attributes(answers[0][_LINK.size :])[_IFLA_MTU], "little")

    def _change(self, kind: int, body: bytes, flags: int = 0) -> None:
        self._request(kind, body, _ACK | flags)

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """All that there is of a kind. OSError as the kernel says it."""
        return self._request(kind, body, _DUMP)

    def _request(self, kind: int, body: bytes, flags: int) -> list[bytes]:
        """The bodies of the answers. OSError as the kernel says it."""
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, kind, _REQUEST | flags, 1, 0) + body)
        answers: list[bytes] = []
        while True:
            for answer, content in _messages(self._socket.recv(1 << 18)):
                if answer == _ERROR:
                    code = -struct.unpack_from("=i", content)[0]
                    if code:
                        raise OSError(code, os.strerror(code))
                    return answers
                if answer == _DONE:
                    return answers
                answers.append(content)
            if not flags & (_ACK | _DUMP):
                return answers


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each message of a packet."""
    while data:
        size, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : size]
        data = data[(size + 3) & ~3 :]


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode("ascii") + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """What a message says, by kind."""
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:size]
        data = data[(size + 3) & ~3 :]
    return found


def _family(address: bytes) -> int:
    return socket.AF_INET if len(address) == 4 else socket.AF_INET6
