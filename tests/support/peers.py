"""A host's network, and another machine that it can reach: in namespaces of the test's."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from lxgit.runtime import rundir
from tests.support import netns
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit

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


@contextlib.contextmanager
def host_with_peer() -> Iterator[Peer]:
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
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def curl(address: str, port: int) -> tuple[str, ...]:
    at = f"[{address}]" if ":" in address else address
    retry = ("--retry", "60", "--retry-all-errors", "--retry-delay", "1")
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
