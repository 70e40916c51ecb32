"""Which addresses a bridge gets: of a subnet that nothing on this host uses or reaches.

A bridge of Linux takes 1,024 ports (BR_MAX_PORTS, net/bridge/br_private.h), and a /22 has as many
addresses. Those offered are of 10.128.0.0/10, far from where LXC (10.0.3.0/24), Docker
(172.17.0.0/16 and up), Podman (10.88.0.0/16), libvirt (192.168.122.0/24) and most home routers
have theirs; what the host has addresses in, routes to, or asks for names at, is left out whatever
it is. For IPv6 every bridge has a random /64 of the addresses that are nobody's (rfc 4193).
"""

from __future__ import annotations

import os
import zlib

from lxgit.errors import LxgitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

PREFIX, PREFIX_V6 = 22, 64
_POOL = range(10 << 24 | 128 << 16, 10 << 24 | 192 << 16, 1 << (32 - PREFIX))
_SIZE = 1 << (32 - PREFIX)
NUMBERS = range(1, _SIZE - 1)
"""Those of a subnet's addresses that somebody can have: 0 is its own, and the last one for all."""


class AddressesExhausted(LxgitError):
    """No address, or no subnet, is left."""


def free_subnet(used: Iterable[tuple[bytes, int]], store: str) -> bytes:
    """The first address of a subnet for the bridge of `store`, 4 bytes in network order.

    `used` are addresses with the lengths of their prefixes; those of default routes (0) are not
    counted, nor is IPv6. The search begins at a place of the store's own, so that a store mostly
    has the same subnet again. Raises AddressesExhausted.
    """
    taken = list(_ranges(used))
    begin = zlib.crc32(os.fsencode(store)) % len(_POOL)
    for index in range(len(_POOL)):
        first = _POOL[(begin + index) % len(_POOL)]
        if not any(first < end and start < first + _SIZE for start, end in taken):
            return first.to_bytes(4, "big")
    raise AddressesExhausted(
        "every subnet of 10.128.0.0/10 is in use on this host, or reached by one of its routes",
        hint="--network none runs it without a network",
    )


def is_free(subnet: bytes, prefix: int, used: Iterable[tuple[bytes, int]]) -> bool:
    """Whether nothing of what is `used`, as above, lies in a subnet, nor that in it."""
    ((first, last),) = _ranges([(subnet, prefix)])
    return not any(first < end and start < last for start, end in _ranges(used))


def _ranges(used: Iterable[tuple[bytes, int]]) -> Iterator[tuple[int, int]]:
    for address, prefix in used:
        if len(address) == 4 and prefix:
            size = 1 << (32 - prefix)
            first = int.from_bytes(address, "big") // size * size
            yield first, first + size


def random_subnet_v6() -> bytes:
    """The first address of a network that no other has: fd, 40 random bits, subnet 0."""
    return b"\xfd" + os.urandom(5) + bytes(10)


def numbered(subnet: bytes, number: int) -> bytes:
    """An address of a subnet, of either kind."""
    return (int.from_bytes(subnet, "big") + number).to_bytes(len(subnet), "big")


def free_number(taken: Collection[int], offered: range = NUMBERS) -> int:
    """The lowest of the numbers `offered` that nobody has. Raises AddressesExhausted."""
    for number in offered:
        if number not in taken:
            return number
    raise AddressesExhausted(
        f"all {len(offered)} addresses of this network's bridge are taken",
        hint="--network none runs it without a network",
    )
