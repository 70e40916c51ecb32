"""Containers on a bridge, in networks that the tests make: a host, and a peer that it can reach."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import rundir
from lxgit.runtime.network import records
from tests.support import netns
from tests.support.peers import (
    HOST,
    PEER,
    PEER_V6,
    PINGS,
    SERVE,
    curl,
    ip,
    links,
    nothing_is_left,
    said,
    settings,
)
from tests.support.program import PROGRAM, Lxgit
from tests.support.stores import copied
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers import Peer

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_containers_reach_the_world_and_each_other_by_name(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "web", "-h", "front", "base", *SERVE)
    based("run", "-d", "--name", "idle", *PINGS, "base", "sleep", "1000")
    identity = based("ps", "-q", "--filter", "name=web").out.strip()
    for name in ("web", "front", identity):
        fetch = f"until wget -q -O - http://{name}/; do sleep 0.1; done"
        assert based("run", "--rm", "base", "sh", "-c", fetch).out == "hello\n"
    # A host that forwards listens to its own router all the same.
    ipv6 = "/proc/sys/net/ipv6/conf"
    assert said("cat", f"{ipv6}/all/forwarding", f"{ipv6}/wan/accept_ra") == "1\n2\n"
    ping = "ping -c 1 -w 20 {0} >/dev/null && ping -6 -c 1 -w 20 {1} >/dev/null"
    based("run", "--rm", *PINGS, "base", "sh", "-c", ping.format(PEER, PEER_V6))
    based("exec", "idle", "sh", "-c", ping.format("web", "web"))
    based("rename", "web", "other")
    wait_until(lambda: "other" in based("exec", "idle", "cat", "/etc/hosts").out)
    based("rm", "-f", "other")
    wait_until(lambda: "other" not in based("exec", "idle", "cat", "/etc/hosts").out)
    based("rm", "-f", "idle")
    wait_until(nothing_is_left)


def test_two_stores_have_a_bridge_each(based: Lxgit, peer: Peer, scratch: Path) -> None:
    other = Lxgit(copied(based.store, scratch / "other"), based.home)
    for lxgit in (based, other):
        lxgit("run", "-d", "--name", "web", "base", *SERVE)
    here, there = settings(based, "web"), settings(other, "web")
    assert here["Bridge"] != there["Bridge"]
    assert here["Gateway"] != there["Gateway"]
    for found in (here, there):
        assert said(*curl(found["IPAddress"], 80)) == "hello\n"
    across = f"wget -q -T 1 -O - http://{there['IPAddress']}/"
    based("run", "--rm", "base", "sh", "-c", across, code=1)
    for lxgit in (based, other):
        lxgit("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_many_at_once_lose_nothing(based: Lxgit, peer: Peer) -> None:
    count = 20
    with ThreadPoolExecutor(4) as pool:
        ids = list(
            pool.map(
                lambda _: based("run", "-d", "-p", "80", "base", "sleep", "1000").out.strip(),
                range(count),
            )
        )
    found = based("inspect", *ids).json
    assert all(one["State"]["Running"] for one in found)
    addresses = {one["NetworkSettings"]["IPAddress"] for one in found}
    ports = {one["NetworkSettings"]["PortMapping"]["80"] for one in found}
    assert len(addresses) == len(ports) == count
    for address in addresses:
        said("busybox", "ping", "-c", "1", "-w", "20", address)
    based("rm", "-f", *ids)
    wait_until(nothing_is_left)


def test_a_killed_supervisor_leaves_nothing(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "web", "-p", "8080:80", "base", *SERVE)
    state = json.loads(next(based.store.glob("containers/*/state.json")).read_text())
    lost = settings(based, "web")["IPAddress"]
    os.kill(state["supervisor"], signal.SIGKILL)
    wait_until(lambda: not based("ps", "-q").out)
    assert settings(based, "web")["IPAddress"] == ""
    wait_until(lambda: not any(name.startswith("lxv") for name in links()))
    gone = rundir.NETWORKS / "1-lxgit12345678"  # of a namespace that is no more
    with records.locked_networks():  # or another container's start drops it half made
        gone.mkdir()
        (gone / os.urandom(32).hex()).touch()
    # Meanwhile its addresses have become somebody else's.
    ip("link", "delete", next(name for name in links() if name.startswith("lxgit")))
    ip("route", "add", f"{lost}/32", "via", PEER)
    shown = based("run", "--rm", "-p", "8080:80", "base", "ip", "address", "show", "eth0").out
    assert "inet 10." in shown
    assert lost not in shown
    assert not gone.exists()
    wait_until(nothing_is_left)


def test_resolvers_and_hosts_that_were_asked_for(based: Lxgit, peer: Peer) -> None:
    options = ("--dns", "192.0.2.53", "--add-host", "db:192.0.2.7")
    shown = based("run", "--rm", *options, "base", "cat", "/etc/resolv.conf", "/etc/hosts").out
    assert "nameserver 192.0.2.53\n" in shown
    assert "192.0.2.7\tdb\n" in shown
    words = ("--dns-search", "a.example", "--dns-search", "b.example", "--dns-option", "ndots:3")
    lines = based("run", "--rm", *words, "base", "cat", "/etc/resolv.conf").lines
    assert {"search a.example b.example", "options ndots:3"} <= {*lines}
    lines = based("run", "--rm", "--dns-search", ".", "base", "cat", "/etc/resolv.conf").lines
    assert not [line for line in lines if line.startswith("search")]
    based("run", "--rm", "--dns-search", "a\nnameserver 1.2.3.4", "base", "true", code=2)
    based("run", "--rm", "--dns", "x", "base", "true", code=2)
    based("run", "--rm", "--network", "none", "-p", "80", "base", "true", code=2)


def test_who_is_not_root_serves_any_port(based: Lxgit, peer: Peer) -> None:
    """Its ports are its own, as in Docker; unless its kernel parameters were asked for."""
    based("run", "-d", "--name", "web", "-u", "nobody", "base", *SERVE[:2], "httpd -f -p 80 -h /")
    fetch = ("wget", "-q", "-O", "-", "http://web/etc/passwd")
    wait_until(lambda: "nobody" in based("run", "--rm", "base", *fetch, code=None).out)
    keys = {"ip_unprivileged_port_start": "7", "ping_group_range": "7 8"}
    asked = [f"--sysctl=net.ipv4.{key}={value}" for key, value in keys.items()]
    read = ["cat", *(f"/proc/sys/net/ipv4/{key}" for key in keys)]
    assert based("run", "--rm", *asked, "base", *read).out.split() == ["7", "7", "8"]
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_without_the_right_to_it_the_way_around_is_named(based: Lxgit, peer: Peer) -> None:
    command = ("setpriv", "--bounding-set=-net_admin", PROGRAM, "run", "--rm", "base", "true")
    done = subprocess.run(
        command, env=based.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 125
    assert done.stderr == _NOT_PERMITTED


_NOT_PERMITTED = """\
lxgit: this host gives the container no network: [Errno 1] Operation not permitted
hint: --network none runs it without one
"""


def test_without_nft_the_way_around_is_named(based: Lxgit, peer: Peer) -> None:
    hidden = 'mount -t tmpfs none /usr/sbin && exec "$@"'
    command = ("unshare", "-m", "sh", "-c", hidden, "sh", PROGRAM, "run", "--rm")
    for network, code in (("bridge", 125), ("none", 0)):
        done = subprocess.run(
            [*command, "--network", network, "base", "true"],
            env=based.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert done.stderr == (_NO_NFT if code else "")
    wait_until(nothing_is_left)


_NO_NFT = """\
lxgit: a network for the container needs /usr/sbin/nft, which is not there
hint: apt install nftables; --network none runs it without a network
"""


def test_a_reboot_from_inside_keeps_address_and_ports(based: Lxgit, peer: Peer) -> None:
    script = f"""
        ip -4 -o address show eth0
        [ -e /again ] && exec {SERVE[0]} {SERVE[1]} '{SERVE[2]}'
        touch /again
        reboot -f
    """
    options = ("--cap-add", "sys_boot", "-p", "8080:80")
    based("run", "-d", "--name", "web", *options, "base", "sh", "-c", script)
    assert said(*curl("127.0.0.1", 8080)) == "hello\n"
    assert peer.run(*curl(HOST, 8080)) == "hello\n"
    wait_until(lambda: len(based("logs", "web").lines) == 2)
    first, second = based("logs", "web").lines
    assert first == second
    assert settings(based, "web")["IPAddress"] in first
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


@pytest.mark.parametrize("options", [("--privileged",), ("--userns", "host")], ids=str)
def test_with_the_hosts_ids_it_is_the_same(
    based: Lxgit, peer: Peer, options: tuple[str, ...]
) -> None:
    based("run", "-d", "--name", "web", "-p", "8080:80", *options, "base", *SERVE)
    assert peer.run(*curl(HOST, 8080)) == "hello\n"
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_a_host_without_ipv6_and_without_a_way_out(based: Lxgit) -> None:
    with netns.fresh():
        based("run", "-d", "--name", "web", "-p", "80", "base", *SERVE)
        assert said(*curl("127.0.0.1", 49153)) == said(*curl("::1", 49153)) == "hello\n"
        assert based("exec", "web", "ip", "-6", "address", "show", "dev", "eth0").out == ""
        assert settings(based, "web")["GlobalIPv6Address"] == ""
        fetch = "wget -q -O - http://web/"
        assert based("run", "--rm", "base", "sh", "-c", fetch).out == "hello\n"
        based("rm", "-f", "web")
        wait_until(nothing_is_left)
