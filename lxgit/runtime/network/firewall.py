"""The rules of a bridge, in a table of its own: nft(8).

    forward      who may send to whom: containers to all, as who they are; the others to a container
                 what it has asked for, and what is published
    postrouting  what leaves for elsewhere has the host's address: masquerade
    prerouting   what comes from elsewhere to a published port goes on to its container
    output       and so does what the host itself sends to one of its addresses but loopback

An internal network has the first chain alone, which passes on nothing from or to elsewhere. What
one bridge sends to another, whichever network or store has it, is from elsewhere too.

What comes from loopback, or from the containers of the same bridge to an address of the host, is
not in here: the supervisor listens on the port and passes it on (forwarder.py). The kernel would
route 127.0.0.1 to another interface only with `route_localnet`, with which whoever is on that
interface reaches what listens on the host's loopback (CVE-2020-8558), and ::1 not at all. To listen
is also the one way of having a port that no other program can take.

A container's own table cannot allow what another's has forbidden: see neighbours.py.
"""

from __future__ import annotations

from lxgit.runtime.network import program, subnets
from lxgit.runtime.network.publishing import ANY_V4, ANY_V6

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.runtime.network.records import Bridge, Member

NFT = "/usr/sbin/nft"
PACKAGE = "nftables"


def require() -> None:
    """Raise MissingProgram where there is no nft."""
    program.require(NFT, PACKAGE)


def apply(text: str) -> None:
    """Have the kernel take rules, all or none. MissingProgram, ProgramFailed."""
    program.run((NFT, "-f", "-"), text.encode("ascii"), package=PACKAGE)


def remove(name: str) -> None:
    """Take a bridge's table away; one that is not there is gone."""
    apply(f"table inet {name}\ndelete table inet {name}\n")


def ruleset(bridge: Bridge, members: Iterable[Member]) -> str:
    """What replaces the table of a bridge, as nft reads it."""
    name = bridge.name
    lines = [
        *(f"table inet {name}", f"delete table inet {name}", f"table inet {name} {{"),
        *_chain("forward", "type filter hook forward priority filter; policy accept;"),
        *((f'    iifname "{name}" oifname != "{name}" drop',) if bridge.internal else ()),
        f'    iifname "{name}" ip saddr != {bridge.subnet}/{bridge.prefix} drop',
        *_only(
            bridge.subnet_v6,
            f'    iifname "{name}" ip6 saddr != {bridge.subnet_v6}/{subnets.PREFIX_V6} drop',
        ),
        f'    iifname "{name}" accept',
        *(() if bridge.internal else _answers(name)),
        f'    oifname "{name}" drop',
        "  }",
        *(() if bridge.internal else _translation(bridge, members)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _answers(name: str) -> Iterator[str]:
    yield f'    oifname "{name}" ct state established,related accept'
    yield f'    oifname "{name}" ct status dnat accept'


def _translation(bridge: Bridge, members: Iterable[Member]) -> list[str]:
    name = bridge.name
    return [
        *_chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;"),
        f'    ip saddr {bridge.subnet}/{bridge.prefix} oifname != "{name}" masquerade',
        *_only(
            bridge.subnet_v6,
            f'    ip6 saddr {bridge.subnet_v6}/{subnets.PREFIX_V6} oifname != "{name}" masquerade',
        ),
        "  }",
        *_chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;"),
        f'    iifname != "{name}" fib daddr type local jump published',
        "  }",
        # By number: the nft of Debian 12 (1.0.6) takes the name in prerouting alone.
        *_chain("output", "type nat hook output priority -100; policy accept;"),
        "    ip daddr != 127.0.0.0/8 fib daddr type local jump published",
        "    ip6 daddr != ::1 fib daddr type local jump published",
        "  }",
        *_chain("published"),
        *(f"    {rule}" for member in members for rule in _published(bridge, member)),
        "  }",
    ]


def _chain(name: str, hook: str = "") -> list[str]:
    return [f"  chain {name} {{", *_only(hook, f"    {hook}")]


def _only(condition: str, line: str) -> tuple[str, ...]:
    return (line,) if condition else ()


def _published(bridge: Bridge, member: Member) -> Iterator[str]:
    """A rule a family; a port that only loopback has needs none."""
    for one in member.publications:
        port = f"{one.port.protocol} dport {one.host_port}"
        ip = one.host_ip
        if ":" not in ip and not ip.startswith("127."):
            match = "" if ip in ("", ANY_V4) else f"ip daddr {ip} "
            target = f"{bridge.address(member.number)}:{one.port.number}"
            yield f"{match}{port} dnat ip to {target}"
        if (not ip or ":" in ip) and ip != "::1" and bridge.subnet_v6:
            match = "" if ip in ("", ANY_V6) else f"ip6 daddr {ip} "
            target = f"[{bridge.address_v6(member.number)}]:{one.port.number}"
            yield f"{match}{port} dnat ip6 to {target}"
