"""The rules of a bridge: what they keep out, and how other firewalls let it through."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import netns
from tests.support.peers import (
    HOST,
    HOST_PROGRAMS,
    PEER,
    PERL,
    PINGS,
    SERVE,
    curl,
    links,
    nothing_is_left,
    said,
    settings,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.peers import Peer
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_a_container_is_no_open_door(based: Lxgit, peer: Peer) -> None:
    """Who routes to a container past the host's ports meets the bridge's own rules."""
    based("run", "-d", "--name", "web", "-p", "80", "base", *SERVE)
    address = settings(based, "web")["IPAddress"]
    said(*curl("127.0.0.1", 49153))
    peer.run("ip", "route", "add", f"{address}/32", "via", HOST)
    with netns.inside(peer.pid), pytest.raises(TimeoutError):
        socket.create_connection((address, 80), timeout=1)
    route_localnet = said("sh", "-c", "cat /proc/sys/net/ipv4/conf/*/route_localnet")
    assert set(route_localnet.split()) == {"0"}
    based("rm", "-f", "web")


def test_a_container_cannot_send_as_somebody_else(based: Lxgit, peer: Peer) -> None:
    """Of two datagrams the one from a strange address is lost, the other has the host's.

    They are sent again until one comes: none is sure to, least of all just after a start.
    """
    peer.run("ip", "route", "add", "198.51.100.0/24", "via", HOST)
    with netns.inside(peer.pid):
        hears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        hears.bind((PEER, 9))
    send = (
        "for (;;) { foreach $from ('198.51.100.9', '0.0.0.0') {"
        "socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(0, inet_aton($from))) or die;"
        f"send(S, $from, 0, sockaddr_in(9, inet_aton('{PEER}'))) }} sleep(1) }}"
    )
    script = f'ip address add 198.51.100.9/32 dev eth0 && exec {" ".join(PERL)} "$0"'
    with hears:
        hears.settimeout(60)
        options = ("--name", "web", "--cap-add", "net_admin", *HOST_PROGRAMS)
        based("run", "-d", *options, "base", "sh", "-c", script, send)
        told, (source, _) = hears.recvfrom(100)
    assert (told, source) == (b"0.0.0.0", HOST)
    based("rm", "-f", "web")


DROPPED = {
    "a policy": "*filter\n:FORWARD DROP\nCOMMIT\n",
    "Docker": "*filter\n:FORWARD DROP\n:DOCKER-USER -\n-A FORWARD -j DOCKER-USER\n"
    "-A FORWARD -j DROP\nCOMMIT\n",
    "ufw": "*filter\n:FORWARD DROP\n:ufw-before-forward -\n:ufw-user-forward -\n"
    "-A FORWARD -j ufw-before-forward\n-A ufw-before-forward -j ufw-user-forward\nCOMMIT\n",
}


@pytest.mark.parametrize("rules", DROPPED.values(), ids=DROPPED)
@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_other_firewalls_let_it_through(based: Lxgit, peer: Peer, rules: str, variant: str) -> None:
    tool = f"iptables-{variant}"
    # The old kind has one lock for all of the machine, whose networks it works on in turn: -w.
    subprocess.run([f"{tool}-restore", "-w"], input=rules.encode(), check=True)
    before = said(tool, "-w", "-S")
    based("run", "-d", "--name", "web", "-p", "80", *PINGS, "base", *SERVE)
    assert peer.run(*curl(HOST, 49153)) == "hello\n"
    based("exec", "web", "ping", "-c", "1", "-w", "20", PEER)
    based("rm", "-f", "web")
    wait_until(nothing_is_left_but(tool))
    assert said(tool, "-w", "-S") == before


def nothing_is_left_but(tool: str) -> Callable[[], bool]:
    return lambda: links() <= {"lo", "wan"} and "lxgit" not in said(tool, "-w", "-S")


CLOSED = (
    "add table inet mine",
    "add chain inet mine forwarding { type filter hook forward priority 0; policy drop; }",
    "add chain inet mine to-us { type filter hook input priority 0; policy drop; }",
    "add rule inet mine to-us ct state established,related accept",
)


def test_a_chain_of_the_administrators_is_theirs_to_open(based: Lxgit, peer: Peer) -> None:
    said("nft", "; ".join(CLOSED))
    ping = ("run", "--rm", *PINGS, "base", "ping", "-c", "1", "-W", "1", "-w", "1", PEER)
    refused = based(*ping, code=1)
    told, _, opening = refused.err.rstrip("\n").partition("to open it: ")
    assert told == (
        "lxgit: warning: nftables' chain 'inet mine forwarding' drops what this container's"
        " bridge forwards; "
    )
    info = based("info").out
    assert f"is dropped by 'inet mine forwarding' of nftables\n         hint: {opening}\n" in info
    assert not based("run", "--rm", "--network", "none", "base", "true").err
    said("sh", "-c", opening)
    assert not based("run", "--rm", *PINGS, "base", "ping", "-c", "1", "-w", "20", PEER).err
    assert "missing Firewall" not in based("info").out
    based("run", "-d", "--name", "web", "-p", "80", "base", *SERVE)
    assert peer.run(*curl(HOST, 49153)) == "hello\n"
    assert not based("restart", "-t", "0", "web").err
    based("rm", "-f", "web")
    wait_until(lambda: links() <= {"lo", "wan"})


def test_rules_that_somebody_flushed_are_back_with_the_next_start(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "web", "-p", "80", "base", *SERVE)
    assert peer.run(*curl(HOST, 49153)) == "hello\n"
    said("nft", "flush", "ruleset")
    ping = ("ping", "-c", "1", "-w", "20", PEER)
    based("run", "--rm", *PINGS, "base", *ping)
    assert peer.run(*curl(HOST, 49153)) == "hello\n"
    assert "dnat ip to" in said("nft", "list", "ruleset")
    based("rm", "-f", "web")
    wait_until(nothing_is_left)
