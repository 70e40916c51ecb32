"""Containers on a bridge, in networks that the tests make: a host, and a peer that it can reach."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime import rundir
from tests.cli.conftest import copied
from tests.support import netns
from tests.support.program import PROGRAM, Lxgit
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

HOST, PEER = "192.0.2.1", "192.0.2.2"
HOST_V6, PEER_V6 = "2001:db8::1", "2001:db8::2"
SERVE = ("sh", "-c", "echo hello >/srv/index.html; exec httpd -f -p [::]:80 -h /srv")
"""A web server, on IPv4 and IPv6."""
PINGS = ("--cap-add", "net_raw")  # busybox knows the old way alone

HOST_PROGRAMS = ("-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro")
PERL = ("/usr/bin/perl", "-MSocket", "-e")

ECHO = (
    *(*HOST_PROGRAMS, "base", *PERL),
    (
        "socket(S, PF_INET6, SOCK_DGRAM, 0);"
        "bind(S, Socket::pack_sockaddr_in6(53, Socket::IN6ADDR_ANY));"
        "while ($from = recv(S, $_, 999, 0)) { send(S, $_, 0, $from) }"
    ),
)
"""A server that sends datagrams back, in the host's Perl: busybox has none."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


class Peer:
    """Another machine, on the host's only cable."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def run(self, *command: str) -> str:
        """What a command prints there."""
        return said("nsenter", "-t", str(self.pid), "-n", *command)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A host's network with addresses of both kinds, a way out, and who is at its other end."""
    with netns.fresh(), subprocess.Popen(["unshare", "-n", "sleep", "infinity"]) as holder:
        other = Peer(holder.pid)
        try:
            wait_until(lambda: namespace(holder.pid) != namespace(os.getpid()))
            ip("link", "add", "wan", "type", "veth", "peer", "wan", "netns", str(holder.pid))
            for address in (f"{HOST}/24", f"{HOST_V6}/64"):
                ip("address", "add", address, "dev", "wan", *nodad(address))
            ip("link", "set", "wan", "up")
            for address in (f"{PEER}/24", f"{PEER_V6}/64"):
                other.run("ip", "address", "add", address, "dev", "wan", *nodad(address))
            other.run("ip", "link", "set", "wan", "up")
            other.run("ip", "link", "set", "lo", "up")
            for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                Path(f"/proc/sys/net/{setting}").write_text("0")  # as a new host has it
            ip("route", "add", "default", "via", PEER)
            ip("route", "add", "default", "via", PEER_V6)
            yield other
        finally:
            holder.kill()


def nodad(address: str) -> tuple[str, ...]:
    return ("nodad",) if ":" in address else ()


def namespace(pid: int) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def curl(address: str, port: int) -> tuple[str, ...]:
    at = f"[{address}]" if ":" in address else address
    retry = ("--retry", "20", "--retry-all-errors", "--retry-delay", "1")
    return ("curl", "-sS", "--max-time", "30", *retry, f"http://{at}:{port}/")


def settings(lxgit: Lxgit, name: str) -> dict[str, str]:
    found: dict[str, str] = lxgit("inspect", name).json[0]["NetworkSettings"]
    return found


def links() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def nothing_is_left() -> bool:
    """Whether no bridge, cable, rule or record is here any more."""
    own = os.stat("/proc/self/ns/net").st_ino
    records = [place for place in rundir.NETWORKS.iterdir() if place.name.startswith(f"{own}-")]
    return links() <= {"lo", "wan"} and not records and not said("nft", "list", "tables")


def test_a_published_port_is_there_for_everybody(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "web", "-p", "80", "-p", "127.0.0.1:8080:80", "base", *SERVE)
    port = int(based("port", "web", "80").lines[0])
    assert port == 49153
    for address in ("127.0.0.1", HOST, "::1", HOST_V6):
        assert said(*curl(address, port)) == "hello\n", address
    for address in (HOST, HOST_V6):
        assert peer.run(*curl(address, port)) == "hello\n", address
    assert said(*curl("127.0.0.1", 8080)) == "hello\n"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, 8080), timeout=20)
    found = settings(based, "web")
    for address in (found["IPAddress"], found["GlobalIPv6Address"]):
        assert said(*curl(address, 80)) == "hello\n"
    assert based("ps").lines[1].split()[-3:-1] == ["49153->80,", "127.0.0.1:8080->80"]
    assert based("port", "web").lines == ["80/tcp -> 0.0.0.0:49153", "80/tcp -> 127.0.0.1:8080"]
    based("rm", "-f", "web")
    wait_until(nothing_is_left)


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


def test_datagrams_come_and_go(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "echo", "-P", "--expose", "53/udp", *ECHO)
    assert based("port", "echo", "53/udp").out == "49153\n"
    for address in ("127.0.0.1", "::1", HOST, HOST_V6):
        assert echoed(address, 49153), address
    with netns.inside(peer.pid):
        assert echoed(HOST, 49153)
    based("rm", "-f", "echo")


def echoed(address: str, port: int) -> bool:
    """Whether datagrams that are sent there come back from there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    deadline = time.monotonic() + 30
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((address, port))
        asking.settimeout(0.5)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                asking.send(b"ping")
                return asking.recv(100) == b"ping"
            time.sleep(0.05)
    return False


def test_a_container_cannot_send_as_somebody_else(based: Lxgit, peer: Peer) -> None:
    """Of two datagrams the one from a strange address is lost, the other has the host's."""
    peer.run("ip", "route", "add", "198.51.100.0/24", "via", HOST)
    with netns.inside(peer.pid):
        hears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        hears.bind((PEER, 9))
    send = (
        "foreach $from ('198.51.100.9', '0.0.0.0') {"
        "socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(0, inet_aton($from))) or die;"
        f"send(S, $from, 0, sockaddr_in(9, inet_aton('{PEER}'))) }}"
    )
    script = f'ip address add 198.51.100.9/32 dev eth0 && exec {" ".join(PERL)} "$0"'
    with hears:
        hears.settimeout(30)
        options = ("--cap-add", "net_admin", *HOST_PROGRAMS)
        based("run", "--rm", *options, "base", "sh", "-c", script, send)
        told, (source, _) = hears.recvfrom(100)
    assert (told, source) == (b"0.0.0.0", HOST)


def test_a_port_has_one_owner(based: Lxgit, peer: Peer, scratch: Path) -> None:
    other = Lxgit(copied(based.store, scratch / "other"), based.home)
    both = [(based, "one"), (other, "two")]
    with ThreadPoolExecutor() as pool:
        tried = list(
            pool.map(
                lambda one: one[0](
                    "run",
                    "-d",
                    "--name",
                    one[1],
                    "-p",
                    "8080:80",
                    "base",
                    "sleep",
                    "1000",
                    code=None,
                ),
                both,
            )
        )
    assert sorted(result.code for result in tried) == [0, 125]
    (lost,) = (result for result in tried if result.code)
    assert lost.err.startswith("lxgit: port 8080/tcp of the host is taken\n")
    for lxgit, name in both:
        lxgit("rm", "-f", name)
    with socket.create_server(("127.0.0.1", 8080)):
        refused = based("run", "--rm", "-p", "8080:80", "base", "true", code=125)
    assert refused.err.startswith("lxgit: port 8080/tcp of the host is taken\n")
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
    gone.mkdir()
    (gone / ("f" * 64)).touch()
    # Meanwhile its addresses have become somebody else's.
    ip("link", "delete", next(name for name in links() if name.startswith("lxgit")))
    ip("route", "add", f"{lost}/32", "via", PEER)
    shown = based("run", "--rm", "-p", "8080:80", "base", "ip", "address", "show", "eth0").out
    assert "inet 10." in shown
    assert lost not in shown
    assert not gone.exists()
    wait_until(nothing_is_left)


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
    subprocess.run([f"{tool}-restore"], input=rules.encode(), check=True)
    before = said(tool, "-S")
    based("run", "-d", "--name", "web", "-p", "80", *PINGS, "base", *SERVE)
    assert peer.run(*curl(HOST, 49153)) == "hello\n"
    based("exec", "web", "ping", "-c", "1", "-w", "20", PEER)
    based("rm", "-f", "web")
    wait_until(nothing_is_left_but(tool))
    assert said(tool, "-S") == before


def nothing_is_left_but(tool: str) -> Callable[[], bool]:
    return lambda: links() <= {"lo", "wan"} and "lxgit" not in said(tool, "-S")


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


def test_resolvers_and_hosts_that_were_asked_for(based: Lxgit, peer: Peer) -> None:
    options = ("--dns", "192.0.2.53", "--add-host", "db:192.0.2.7")
    shown = based("run", "--rm", *options, "base", "cat", "/etc/resolv.conf", "/etc/hosts").out
    assert "nameserver 192.0.2.53\n" in shown
    assert "192.0.2.7\tdb\n" in shown
    based("run", "--rm", "--dns", "x", "base", "true", code=2)
    based("run", "--rm", "--network", "none", "-p", "80", "base", "true", code=2)


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


def test_the_session_of_2013(based: Lxgit, peer: Peer) -> None:
    """The article's: a container's netcat hears what is sent to the port that `port` names."""
    script = f"""
        set -e
        JOB=$(lxgit run -d -p 4444 base /bin/nc -l -p 4444)
        PORT=$(lxgit port $JOB 4444)
        echo $PORT
        lxgit ps | grep -q "$PORT->4444"
        until echo hello world | busybox nc {HOST} $PORT && lxgit logs $JOB | grep -q .
        do sleep 0.1; done
        echo "Daemon received: $(lxgit logs $JOB)"
        lxgit wait $JOB
    """
    environment = based.environment()
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "49153\nDaemon received: hello world\n0\n", done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_much_passes_through_loopback_both_ways(
    based: Lxgit, peer: Peer, address: str, scratch: Path
) -> None:
    """Both directions at once, more than anything on the way holds, each with an end of its own."""
    based("run", "-d", "--name", "echo", "-p", "7", "base", "nc", "-ll", "-p", "7", "-e", "cat")
    data = os.urandom(1 << 20) * 16
    with connected(address, 49153) as asking, ThreadPoolExecutor() as pool:
        sent = pool.submit(send_all, asking, data)
        with asking.makefile("rb") as stream:
            assert stream.read() == data
        sent.result()
    based("rm", "-f", "echo")


def send_all(to: socket.socket, data: bytes) -> None:
    to.sendall(data)
    to.shutdown(socket.SHUT_WR)


def connected(address: str, port: int) -> socket.socket:
    """A connection to who begins to listen there at some time, and says so by staying."""
    deadline = time.monotonic() + 30
    while True:
        made = socket.create_connection((address, port), timeout=30)
        made.settimeout(0.2)
        try:
            if made.recv(1, socket.MSG_PEEK):
                return made
        except TimeoutError:
            made.settimeout(30)
            return made
        except ConnectionError:
            pass
        made.close()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_more_connections_than_are_passed_on_at_once(based: Lxgit, peer: Peer) -> None:
    based("run", "-d", "--name", "web", "-p", "80", "base", *SERVE)
    said(*curl("127.0.0.1", 49153))
    with contextlib.ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(socket.create_connection(("127.0.0.1", 49153), timeout=30))
    assert said(*curl("127.0.0.1", 49153)) == "hello\n"
    based("rm", "-f", "web")


@pytest.mark.network
@pytest.mark.slow
def test_nginx_answers_curl(lxgit: Lxgit, large_debian_tar: Path, peer: Peer) -> None:
    lxgit("import", large_debian_tar, "base", timeout=600)
    serve = ("/usr/sbin/nginx", "-g", "daemon off;")
    lxgit("run", "-d", "--name", "web", "-p", "8080:80", "base", *serve)
    for address in ("127.0.0.1", HOST, "::1", HOST_V6):
        assert "Welcome to nginx!" in said(*curl(address, 8080)), address
    assert "Welcome to nginx!" in peer.run(*curl(HOST, 8080))
    lxgit("stop", "-t", "5", "web")
    assert lxgit("port", "web", code=1).err.startswith("lxgit: container 'web' is not running\n")
    wait_until(nothing_is_left)


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
    lines = based("logs", "web").lines
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert settings(based, "web")["IPAddress"] in lines[0]
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
