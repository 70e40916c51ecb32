"""Networks that users have made: who reaches whom, and what comes and goes; all in namespaces."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lxgit import eventlog
from lxgit.runtime.checksums import with_checksum
from lxgit.runtime.index import is_locked
from lxgit.runtime.network import records
from tests.support.peers import (
    HOST,
    PEER,
    PEER_V6,
    PINGS,
    SERVE,
    curl,
    ip,
    nothing_is_left,
    said,
    settings,
)
from tests.support.rlimits import file_size
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.peers import Peer
    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def fetch(name: str) -> tuple[str, ...]:
    """A command that prints what a web server says, as soon as it is there."""
    return ("sh", "-c", f"until wget -q -T 1 -O - http://{name}/; do sleep 0.1; done")


def misses(address: str) -> tuple[str, ...]:
    """A command that fails, but for who reaches a web server."""
    return ("wget", "-q", "-T", "1", "-O", "-", f"http://{address}/")


def test_names_and_ports_are_within_one_network(based: Lxgit, peer: Peer) -> None:
    for name in ("red", "blue"):
        based("network", "create", name)
    based("run", "-d", "--name", "web", "--network", "red", "-p", "8080:80", "base", *SERVE)
    based("run", "-d", "--name", "idle", "--network", "blue", "base", "sleep", "1000")
    address = settings(based, "web")["IPAddress"]
    run = ("run", "--rm", "--network")
    assert based(*run, "red", "base", *fetch("web")).out == "hello\n"
    for stranger in ("blue", "bridge"):
        based(*run, stranger, "base", "grep", "web", "/etc/hosts", code=1)
        based(*run, stranger, "base", *misses(address), code=1)
    # Who has both reaches both; what is published, all do.
    assert based(*run, "blue", "--network", "red", "base", *fetch("web")).out == "hello\n"
    assert peer.run(*curl(HOST, 8080)) == said(*curl("127.0.0.1", 8080)) == "hello\n"
    assert based("exec", "idle", *fetch(f"{HOST}:8080")).out == "hello\n"
    reach = f"ping -c 1 -w 20 {PEER} >/dev/null"
    based(*run, "blue", *PINGS, "base", "sh", "-c", reach)
    based("rm", "-f", "web", "idle")
    wait_until(nothing_is_left)


def test_a_running_container_comes_and_goes(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "--subnet", "172.30.0.0/29", "fixed")
    based("run", "-d", "--name", "web", "base", *SERVE)
    based("run", "-d", "--name", "seer", "--network", "fixed", "base", "sleep", "1000")
    based("exec", "seer", "grep", "web", "/etc/hosts", code=1)
    based("network", "connect", "--alias", "www", "--ip", "172.30.0.5", "fixed", "web")
    wait_until(lambda: "www" in based("exec", "seer", "cat", "/etc/hosts").out)
    assert based("exec", "seer", *fetch("www")).out == "hello\n"
    wait_until(lambda: "seer" in based("exec", "web", "cat", "/etc/hosts").out)
    assert "inet 172.30.0.5/29" in based("exec", "web", "ip", "address", "show", "eth1").out
    there = based("inspect", "web").json[0]["NetworkSettings"]["Networks"]
    assert (there["fixed"]["IPAddress"], there["fixed"]["Aliases"]) == ("172.30.0.5", ["www"])
    # After a restart it is there again.
    based("restart", "-t", "0", "web")
    assert based("exec", "seer", *fetch("www")).out == "hello\n"
    based("network", "disconnect", "fixed", "web")
    wait_until(lambda: "www" not in based("exec", "seer", "cat", "/etc/hosts").out)
    wait_until(lambda: "seer" not in based("exec", "web", "cat", "/etc/hosts").out)
    assert "eth1" not in based("exec", "web", "ip", "address").out
    actions = [one.action for one in eventlog.past(based.store) if one.type == "network"]
    assert actions == ["create", "connect", "disconnect"]
    based("rm", "-f", "web", "seer")
    wait_until(nothing_is_left)


def test_who_leaves_the_way_out_has_the_next(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "red")
    both = ("--network", "bridge", "--network", "red")
    based("run", "-d", "--name", "web", *both, *PINGS, "base", "sleep", "1000")
    based("network", "disconnect", "bridge", "web")
    based("exec", "web", "ping", "-c", "1", "-w", "20", PEER)
    based("exec", "web", "ping", "-6", "-c", "1", "-w", "20", PEER_V6)
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_a_connection_that_was_not_recorded_is_none(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "red")
    based("run", "-d", "--name", "web", "base", "sleep", "1000")
    record = next(based.store.glob("containers/*/config.json"))
    before = record.read_bytes()
    addresses = ("exec", "web", "ip", "address")
    with file_size(len(before)):  # there is no place for one network more
        based("network", "connect", "red", "web", code=1)
    assert "eth1" not in based(*addresses).out
    based("network", "connect", "red", "web")
    record.write_bytes(before)  # as if that command had been killed before it came to this
    based("network", "connect", "red", "web")
    assert "eth1" in based(*addresses).out
    assert "eth2" not in based(*addresses).out
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_who_connects_one_that_is_being_started_waits(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "red")
    run = ("run", "-d", "--name", "web", "base", "sleep", "1000")
    with ThreadPoolExecutor() as pool:
        while True:  # until a start has waited for the list, and not what it sweeps up before
            with records.locked_networks():
                started = pool.submit(based, *run)
                if is_seen(lambda: any(map(is_locked, based.store.glob("containers/*/")))):
                    connected = pool.submit(based, "network", "connect", "red", "web")
                    with pytest.raises(TimeoutError):
                        connected.result(0.5)
                    break
            started.result()
            based("rm", "-f", "web")
        started.result()
        connected.result()
    assert "eth1" in based("exec", "web", "ip", "address").out
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def is_seen(true: Callable[[], object]) -> bool:
    """Whether it is true within five seconds."""
    with contextlib.suppress(AssertionError):
        wait_until(true, 5)
    return bool(true())


def test_nothing_leads_out_of_an_internal_network(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "--internal", "quiet")
    based("run", "-d", "--name", "web", "--network", "quiet", "base", *SERVE)
    run = ("run", "--rm", "--network", "quiet")
    assert based(*run, "base", *fetch("web")).out == "hello\n"
    shown = based(*run, "base", "sh", "-c", "ip route; cat /etc/resolv.conf").out
    assert "default" not in shown
    assert "nameserver" not in shown
    # One that makes its own way is stopped at the bridge, and so is who looks for it from outside.
    found = settings(based, "web")
    way = f"ip route add default via {found['Gateway']}; ping -c 1 -W 1 {PEER}"
    based(*run, *PINGS, "--cap-add", "net_admin", "base", "sh", "-c", way, code=1)
    peer.run("ip", "route", "add", f"{found['IPAddress']}/32", "via", HOST)
    failing = f"! curl -sS --max-time 1 http://{found['IPAddress']}/"
    peer.run("sh", "-c", failing)
    based(*run, "-p", "80", "base", "true", code=2)
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_no_port_is_published_from_an_internal_network_that_came_later(
    based: Lxgit, peer: Peer
) -> None:
    based("network", "create", "--internal", "quiet")
    based("create", "--name", "late", "-p", "80", "base", "true")
    based("network", "connect", "quiet", "late")
    based("network", "disconnect", "bridge", "late")
    assert "nothing is published from network 'quiet'" in based("start", "late", code=125).err
    wait_until(nothing_is_left)


def test_two_containers_have_one_network(based: Lxgit, peer: Peer) -> None:
    """Its loopback, its ports, its names for others and its /sys; and no power over it."""
    based("run", "-d", "--name", "web", "-p", "8080:90", "base", *LOCAL)
    based("run", "-d", "--name", "idle", "base", "sleep", "1000")
    share = ("--network", "container:web")
    serve = "echo side >/srv/index.html; exec httpd -f -p [::]:90 -h /srv"
    based("run", "-d", "--name", "side", *share, "base", "sh", "-c", serve)
    assert based("exec", "side", *fetch("127.0.0.1")).out == "hello\n"
    assert based("exec", "idle", *fetch("web:90")).out == "side\n"
    assert peer.run(*curl(HOST, 8080)) == "side\n"
    assert based("exec", "side", "ls", "/sys/class/net").lines == ["eth0", "lo"]
    wait_until(lambda: "idle" in based("exec", "side", "cat", "/etc/hosts").out)
    grab = ("ip", "link", "set", "eth0", "down")
    power = (*share, "--cap-add", "net_admin", "--add-host", "host:host-gateway")
    based("run", "--rm", *power, "base", *grab, code=2)
    gateway = settings(based, "web")["Gateway"]
    assert f"{gateway}\thost\n" in based("run", "--rm", *power, "base", "cat", "/etc/hosts").out
    identity = based("inspect", "-f", "{{.Id}}", "web").out.strip()
    # Of one that has another's, it is that other one's.
    based("create", "--name", "third", "--network", "container:side", "base", "true")
    mode = based("inspect", "-f", "{{.HostConfig.NetworkMode}}", "third").out.strip()
    assert mode == f"container:{identity}"
    based("stop", "-t", "0", "web")
    refused = based("restart", "-t", "0", "side", code=125).err
    assert "container 'web', whose network it is to have, is not running" in refused
    based("rm", "-f", "web")
    assert "has been deleted" in based("start", "side", code=125).err
    based("rm", "-f", *based("ps", "-aq").lines)
    wait_until(nothing_is_left)


def test_who_has_power_over_the_network_of_another(based: Lxgit, peer: Peer) -> None:
    """As docs/security.md says."""
    host_ids, power = ("--userns=host",), ("--cap-add", "net_admin")
    based("run", "-d", "--name", "apart", "base", "sleep", "1000")
    based("run", "-d", "--name", "hosts", *host_ids, "base", "sleep", "1000")
    change = ("ip", "link", "set", "lo", "mtu", "60000")
    for name, options, code in (
        ("apart", power, 2),
        ("apart", host_ids, 0),
        ("apart", ("--privileged",), 0),
        ("hosts", host_ids, 2),
        ("hosts", (*host_ids, *power), 0),
    ):
        share = ("--network", f"container:{name}")
        based("run", "--rm", *share, *options, "base", *change, code=code)
    based("rm", "-f", "apart", "hosts")
    wait_until(nothing_is_left)


LOCAL = ("sh", "-c", "echo hello >/srv/index.html; exec httpd -f -p 127.0.0.1:80 -h /srv")


def test_what_cannot_be_of_a_network_that_is_anothers(based: Lxgit, peer: Peer) -> None:
    based("create", "--name", "web", "base", "true")
    based("create", "--name", "alone", "--network", "host", "base", "true")
    for options, words in (
        (("container:web", "-p", "80"), "nothing to publish"),
        (("container:web", "--ip", "10.0.0.1"), "has no --ip"),
        (("container:web", "--network", "bridge"), "there is no other"),
        (("container:web", "--sysctl", "net.ipv4.ip_forward=1"), "whose network it has"),
        (("container:alone",), "container 'alone' has the host's network"),
        (("container:nosuch",), "no container 'nosuch'"),
        (("container:",), "no container ''"),
        (("container:web",), "is not running"),
    ):
        refused = based("run", "--rm", "--network", *options, "base", "true", code=None)
        assert refused.code in (2, 125)
        assert words in refused.err
    assert len(based("ps", "-aq").lines) == 2


def test_a_network_that_is_in_use_stays(based: Lxgit, peer: Peer) -> None:
    identity = based("network", "create", "--label", "stage=test", "red").out.strip()
    based("create", "--name", "later", "--network", "red", "base", "true")
    assert "in use by container 'later'" in based("network", "rm", "red", code=1).err
    assert based("network", "prune", "-f").out == ""
    shown = based("network", "inspect", identity[:12]).json[0]
    assert [one["Name"] for one in shown["Containers"].values()] == ["later"]
    assert based("ps", "-aq", "--filter", "network=red").out
    based("network", "disconnect", "red", "later")
    based("network", "disconnect", "-f", "red", "later")
    assert based("start", "-a", "later").out == ""
    assert based("network", "prune", "-f", "--filter", "label=stage=test").out == "red\n"
    assert based("network", "ls", "--format", "{{.Name}}").lines == ["bridge", "host", "none"]
    assert "there is no network 'red'" in based("run", "--network", "red", "base", code=125).err


def test_addresses_that_somebody_chose(based: Lxgit, peer: Peer) -> None:
    based("network", "create", "--subnet", "172.30.0.0/29", "--subnet", "fd00:1::/64", "fixed")
    run = ("run", "--rm", "--network", "fixed")
    based(*run[:1], "-d", "--name", "first", *run[2:], "--ip", "172.30.0.2", "base", "sleep", "99")
    taken = based(*run, "--ip", "172.30.0.2", "base", "true", code=125).err
    assert "container 'first' has that address" in taken
    chosen = ("--ip", "172.30.0.6", "--mac-address", "02:00:00:00:00:77", "--network-alias", "x")
    shown = based(*run, *chosen, "base", "sh", "-c", "ip address show eth0; cat /etc/hosts").out
    for word in ("172.30.0.6/29", "fd00:1::6/64", "02:00:00:00:00:77", " x\n"):
        assert word in shown
    based(*run, "--ip", "172.30.0.7", "base", "true", code=2)  # that of all
    based("rm", "-f", "first")
    wait_until(nothing_is_left)
    ip("address", "add", "172.30.0.1/24", "dev", "wan")
    assert "has addresses or routes in 172.30.0.0/29" in based(*run, "base", "true", code=125).err
    wait_until(nothing_is_left)


def test_what_a_container_has_on_each_of_several(based: Lxgit, peer: Peer) -> None:
    for name, subnet in (("red", "172.30.0.0/24"), ("blue", "172.31.0.0/24")):
        based("network", "create", "--subnet", subnet, name)
    red = "name=red,ip=172.30.0.9,alias=r1,alias=r2,mac-address=02:00:00:00:00:09"
    several = ("--network", red, "--network", "name=blue,ip=172.31.0.8,alias=b")
    based("run", "-d", "--name", "web", *several, "--network-alias", "r3", "base", "sleep", "999")
    there = based("inspect", "web").json[0]["NetworkSettings"]["Networks"]
    assert there["red"]["Aliases"] == ["r1", "r2", "r3"]
    assert (there["red"]["IPAddress"], there["red"]["MacAddress"][-2:]) == ("172.30.0.9", "09")
    assert (there["blue"]["IPAddress"], there["blue"]["Aliases"]) == ("172.31.0.8", ["b"])
    hosts = based("run", "--rm", "--network", "name=blue", "base", "cat", "/etc/hosts").out
    assert "172.31.0.8\tweb" in hosts
    assert "r1" not in hosts
    for words, fault in (("name=red,x=1", "'x=1'"), ("alias=a", "names no network")):
        assert fault in based("run", "--network", words, "base", "true", code=2).err
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


def test_a_gateway_and_a_part_that_somebody_chose(based: Lxgit, peer: Peer) -> None:
    parts = ("--gateway", "172.30.0.254", "--ip-range", "172.30.0.128/31")
    subnets = ("--subnet", "172.30.0.0/24", "--subnet", "fd00:1::/64")
    based("network", "create", "-d", "bridge", *subnets, *parts, "fixed")
    shown = based("network", "inspect", "-f", "{{json .IPAM.Config}}", "fixed").json
    first = {"Subnet": "172.30.0.0/24", "IPRange": "172.30.0.128/31", "Gateway": "172.30.0.254"}
    assert shown == [first, {"Subnet": "fd00:1::/64", "Gateway": "fd00:1::fe"}]
    run = ("run", "-d", "--network", "fixed")
    reach = f"ping -c 1 -w 20 {PEER} >/dev/null; ip route; exec sleep 1000"
    based(*run, "--name", "a", *PINGS, "base", "sh", "-c", reach)
    based(*run, "--name", "b", "base", "sleep", "1000")
    assert settings(based, "a")["IPAddress"] == "172.30.0.128"
    assert settings(based, "b")["IPAddress"] == "172.30.0.129"
    wait_until(lambda: "default via 172.30.0.254" in based("logs", "a").out)
    assert "all 2 addresses" in based(*run, "base", "true", code=125).err
    based(*run, "--ip", "172.30.0.1", "--name", "c", "base", "sleep", "1000")
    assert "gateway's, 172.30.0.254" in based(*run, "--ip", "172.30.0.254", "base", code=2).err
    based("rm", "-f", *based("ps", "-aq").lines)
    wait_until(nothing_is_left)


def test_the_first_container_has_no_address_of_the_gateways(based: Lxgit, peer: Peer) -> None:
    chosen = ("--subnet", "172.30.0.0/24", "--gateway", "172.30.0.254")
    based("network", "create", *chosen, "fixed")
    reach = f"ping -c 1 -w 20 172.30.0.254 && ping -c 1 -w 20 {PEER} && ip address show eth0"
    run = ("run", "--rm", "--network", "fixed", *PINGS)
    assert "inet 172.30.0.1/24" in based(*run, "base", "sh", "-c", reach).out
    wait_until(nothing_is_left)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "bridge"), "a network that every store has"),
        (("create", "default"), "a network that every store has"),
        (("create", "a/b"), "cannot be the name of a network"),
        (("create", "--subnet", "10.0.0.0/8", "x"), "a subnet has 16 to 29 bits"),
        (("create", "--subnet", "10.0.0.1/24", "x"), "is no subnet"),
        (("create", "--subnet", "fd00::/48", "x"), "has 64 bits"),
        (("create", "--subnet", "127.0.0.0/16", "x"), "is not for containers"),
        (("create", "--subnet", "0.0.0.0/24", "x"), "is not for containers"),
        (("create", "--subnet", "255.255.255.0/24", "x"), "is not for containers"),
        (("connect", "host", "x"), "from its beginning, or not at all"),
        (("create", "--subnet", "10.1.0.0/24", "--subnet", "10.2.0.0/24", "x"), "another subnet"),
        (("create", "--subnet", "172.30.8.0/24", "x"), "network 'taken' has 172.30.0.0/16"),
        (("create", "--gateway", "10.1.0.1", "x"), "--gateway is within a --subnet of IPv4"),
        (("create", "--subnet", "10.1.0.0/24", "--gateway", "x", "x"), "'x'"),
        (("create", "--subnet", "10.1.0.0/24", "--gateway", "10.1.0.0", "x"), "none of the subnet"),
        (("create", "--subnet", "10.1.0.0/24", "--ip-range", "10.1.0.0/23", "x"), "is no part"),
        (("create", "--driver", "overlay", "x"), "'overlay'"),
        (("create", "--attachable", "x"), "a network is a bridge of this host"),
        (("create", "taken"), "a network is named 'taken' already"),
        (("rm", "none"), "every store has network 'none'"),
        (("rm", "nosuch"), "there is no network 'nosuch'"),
        (("rm", "../taken"), "there is no network '../taken'"),
        (("connect", "taken", "alone"), "container 'alone' has --network host"),
        (("disconnect", "taken", "alone"), "is not on network 'taken'"),
        (("inspect", "nosuch"), "there is no network 'nosuch'"),
    ],
)
def test_what_cannot_be_is_said(based: Lxgit, arguments: tuple[str, ...], words: str) -> None:
    based("network", "create", "--subnet", "172.30.0.0/16", "taken")
    based("create", "--name", "alone", "--network", "host", "base", "true")
    done = based("network", *arguments, code=None)
    assert done.code in (1, 2)
    assert words in done.err
    assert "hint: " in done.err


def test_a_damaged_one_can_be_deleted(based: Lxgit) -> None:
    based("network", "create", "red")
    (based.store / "networks" / "red.json").write_text(json.dumps({"name": "red"}))
    assert "network 'red' is damaged" in based("network", "inspect", "red", code=1).err
    based("network", "create", "blue")
    custom = ("network", "ls", "--filter", "type=custom")
    shown = based(*custom, "--format", "{{.Name}} {{.Driver}}").lines
    assert shown == ["blue bridge", "red damaged"]
    assert based("network", "prune", "-f").out == "blue\n"
    assert based(*custom, "-q").out == "red\n"
    based("network", "rm", "red")
    assert based(*custom, "-q").out == ""


def test_what_a_later_version_wrote_of_one_is_passed_over(based: Lxgit) -> None:
    based("network", "create", "--label", "a=b", "red")
    record = based.store / "networks" / "red.json"
    values = json.loads(record.read_text())
    del values["checksum"]
    record.write_bytes(with_checksum(values | {"later": [1]}))
    assert based("network", "inspect", "-f", "{{.Labels.a}}", "red").out == "b\n"
