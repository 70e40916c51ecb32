"""The other firewalls of a host, and what they have to be told about a bridge.

A packet that one table drops is gone, whatever another table says of it. So where somebody else
drops what is forwarded, the bridge is let through in their own terms:

    Docker      its chain DOCKER-USER, which it leaves to others and asks first
    ufw         the chain ufw-user-forward, where `ufw route allow` puts its rules, but not into the
                files that it makes them from: after `ufw reload` the next start of a container
                puts them there again
    firewalld   its zone `trusted`, for as long as the bridge is there
    iptables    the chain FORWARD, if its policy is DROP and none of those has it

A chain of an administrator's own that drops by its policy is theirs to open: `closed` finds it.

Two rules, for what comes from the bridge and what goes to it: which of the latter may, the bridge's
own table says (firewall.py). Where there is no such chain nothing is run: which chains there are is
one question to the kernel. Sources: nf_tables.h, iptables(8), firewall-cmd(1).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct

from lxgit.runtime.network import netlink, program, records
from lxgit.runtime.network.firewall import NFT, PACKAGE
from lxgit.runtime.network.program import ProgramFailed
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NETFILTER = 12  # NETLINK_NETFILTER
_GETCHAIN = 10 << 8 | 4  # of nftables; NFT_MSG_GETCHAIN
_TABLE, _NAME, _HOOK, _POLICY = 1, 3, 4, 5  # NFTA_CHAIN_*
_HOOKNUM, _FORWARD = 1, 2  # NFTA_HOOK_HOOKNUM, NF_INET_FORWARD
_INET, _IPV4, _IPV6 = 1, 2, 10  # NFPROTO_*
_FAMILIES = {_INET: "inet", _IPV4: "ip", _IPV6: "ip6"}
_DROP = 0

_LEGACY_TABLES = "/proc/net/ip_tables_names"
_FIREWALL_CMD = "/usr/bin/firewall-cmd"
_TRUSTED = "--zone=trusted"


class Chain(NamedTuple):
    """A chain of the host's; `drops` is its policy, where it is at a hook."""

    family: int
    table: str
    name: str
    drops: bool
    forwards: bool = False  # it is at the hook for what is forwarded

    def __str__(self) -> str:
        """As nft(8) names it."""
        return f"{_FAMILIES.get(self.family, self.family)} {self.table} {self.name}"


def admit(bridge: str, chains: Collection[Chain], *, is_new: bool) -> None:
    """Have the other firewalls, whose chains these are, let a bridge through. ProgramFailed."""
    for tool, chain in _places(chains):
        for rule in _rules(bridge):
            if not _is_there(tool, chain, rule):
                program.run((tool, "-w", "-I", chain, *rule), package="iptables")
    if is_new and _has_firewalld(chains):
        _tell_firewalld(_TRUSTED, f"--change-interface={bridge}")


def forget(bridge: str) -> None:
    """Take back what `admit` has told them; whoever has gone meanwhile has forgotten it."""
    chains = all_chains()
    for tool, chain in _places(chains, whatever_they_drop=True):
        for rule in _rules(bridge):
            with contextlib.suppress(ProgramFailed):
                program.run((tool, "-w", "-D", chain, *rule), package="iptables")
    if _has_firewalld(chains):
        with contextlib.suppress(ProgramFailed):
            _tell_firewalld(_TRUSTED, f"--remove-interface={bridge}")


def closed(chains: Collection[Chain]) -> list[Chain]:
    """Those that drop by their policy what is forwarded, and that nobody has opened for lxgit.

    Whether they let something through is in rules of all kinds, so only those count as opened whose
    table speaks of lxgit's bridges. ProgramFailed, MissingProgram.
    """
    return [
        one
        for one in chains
        if one.forwards and one.drops and one.family in _FAMILIES and not _is_known(one)
    ]


def _is_known(chain: Chain) -> bool:
    """Whether a chain is one that `admit` sees to, or that its owner has opened."""
    if chain.name == "FORWARD" and (_is_filter(chain, _IPV4) or _is_filter(chain, _IPV6)):
        return True
    table = ("list", "table", _FAMILIES[chain.family], chain.table)
    return records.NAMES in program.run((NFT, *table), package=PACKAGE)


def _rules(bridge: str) -> tuple[tuple[str, ...], ...]:
    return ("-i", bridge, "-j", "ACCEPT"), ("-o", bridge, "-j", "ACCEPT")


def _is_there(tool: str, chain: str, rule: tuple[str, ...]) -> bool:
    try:
        program.run((tool, "-w", "-C", chain, *rule), package="iptables")
    except ProgramFailed:
        return False
    return True


def _places(
    chains: Collection[Chain], *, whatever_they_drop: bool = False
) -> Iterator[tuple[str, str]]:
    """The chains that are to let bridges through, each with the program that changes it."""
    legacy = list(_legacy_chains()) if _has_legacy() else []
    for known, family, tool, ufw in (
        (chains, _IPV4, "/usr/sbin/iptables", "ufw-user-forward"),
        (chains, _IPV6, "/usr/sbin/ip6tables", "ufw6-user-forward"),
        (legacy, _IPV4, "/usr/sbin/iptables-legacy", "ufw-user-forward"),
    ):
        drops = {one.name: one.drops for one in known if _is_filter(one, family)}
        found = [name for name in ("DOCKER-USER", ufw) if name in drops]
        if "FORWARD" in drops and (whatever_they_drop or (drops["FORWARD"] and not found)):
            found.append("FORWARD")
        yield from ((tool, name) for name in found)


def _is_filter(chain: Chain, family: int) -> bool:
    return (chain.family, chain.table) == (family, "filter")


def _has_firewalld(chains: Collection[Chain]) -> bool:
    return any((one.family, one.table) == (_INET, "firewalld") for one in chains)


def _tell_firewalld(*what: str) -> None:
    program.run((_FIREWALL_CMD, "--quiet", *what), package="firewalld")


def all_chains() -> list[Chain]:
    """The chains of nftables, those of iptables that is built on it among them."""
    with netlink.Netlink(_NETFILTER) as kernel:
        bodies = kernel.dump(_GETCHAIN, struct.pack("=BxH", socket.AF_UNSPEC, 0))
    return [_chain(body[0], netlink.attributes(body[4:])) for body in bodies]


def _chain(family: int, values: dict[int, bytes]) -> Chain:
    policy = values.get(_POLICY) if _HOOK in values else None
    hook = netlink.attributes(values.get(_HOOK, b"")).get(_HOOKNUM, b"")
    return Chain(
        family,
        values[_TABLE].rstrip(b"\0").decode(),
        values[_NAME].rstrip(b"\0").decode(),
        policy is not None and int.from_bytes(policy, "big") == _DROP,
        int.from_bytes(hook, "big") == _FORWARD,
    )


def _has_legacy() -> bool:
    """Whether iptables of the old kind has rules here."""
    try:
        with open(_LEGACY_TABLES, encoding="ascii") as file:
            return "filter" in file.read().split()
    except FileNotFoundError:
        return False


def _legacy_chains() -> Iterator[Chain]:
    if not os.access("/usr/sbin/iptables-legacy", os.X_OK):
        return
    for line in program.run(
        ("/usr/sbin/iptables-legacy", "-w", "-S"), package="iptables"
    ).splitlines():
        words = line.split()
        if words[:1] in (["-P"], ["-N"]):
            yield Chain(_IPV4, "filter", words[1], words[0] == "-P" and words[2] == "DROP")
