"""The network of an ordinary user's containers: pasta, slirp4netns, published ports."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support import machine, waiting

if TYPE_CHECKING:
    from tests.support.ordinary import OrdinaryUser

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture(params=["pasta", "slirp4netns"])
def connected(networked: OrdinaryUser, request: pytest.FixtureRequest) -> OrdinaryUser:
    if reason := machine.lacks_program(request.param):
        unable(reason)
    hidden = "" if request.param == "pasta" else "mount --bind /dev/null /usr/bin/pasta"
    return replace(networked, before=f"{networked.before}\n{hidden}")


def test_the_way_out(connected: OrdinaryUser, outside: str) -> None:
    """A container reaches what the host does, but for the host's own loopback."""
    others = "127.0.0.1 192.0.2.77 10.0.2.2"  # itself, and where a gateway could be the host
    reach = f"for host in {others}; do nc -w 1 $host 4000 </dev/null; done"
    script = f"nc -w 60 {outside} 4000 </dev/null; {reach}; ls /sys/class/net"
    ran = connected("run", "--rm", "base", "sh", "-c", script, code=0)
    assert ran.lines == ["reached", "eth0", "lo"]


@pytest.mark.usefixtures("outside")
def test_the_default_by_its_name(networked: OrdinaryUser) -> None:
    ran = networked("run", "--rm", "--network", "default", "base", "ls", "/sys/class/net", code=0)
    assert ran.lines == ["eth0", "lo"]


@pytest.mark.usefixtures("outside")
def test_published_ports(networked: OrdinaryUser) -> None:
    served = "echo inside >/index.html; httpd -h / -p 80; sleep 1000"
    networked("run", "-d", "--name", "c1", "-p", "8080:80", "base", "sh", "-c", served, code=0)
    assert networked("port", "c1", "80", code=0).out == "8080\n"
    waiting.wait_until(lambda: _answer("127.0.0.1", 8080) == "inside\n")
    taken = networked("run", "--rm", "-p", "8080:80", "base", "true", code=125)
    assert "port 8080/tcp of the host is taken" in taken.err
    networked("rm", "-f", "c1", code=0)
    waiting.wait_until(lambda: _answer("127.0.0.1", 8080) is None)


@pytest.mark.usefixtures("outside")
def test_who_ends_a_container_has_its_ports(networked: OrdinaryUser) -> None:
    """Whatever holds up the program that has them: here it stands still."""
    networked("run", "-d", "--name", "c1", "-p", "8080:80", "base", "sleep", "1000", code=0)
    identity = networked("inspect", "--format", "{{.Id}}", "c1", code=0).out.strip()
    os.kill(_pasta_of(identity), signal.SIGSTOP)
    networked("stop", "-t", "0", "c1", code=0)
    with socket.create_server(("127.0.0.1", 8080)):
        pass


def _pasta_of(container: str) -> int:
    """The process that passes on what comes to a container's ports."""
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just gone
            is_pasta = (directory / "comm").read_text().startswith("pasta")
            if is_pasta and container in (directory / "cmdline").read_text():
                return int(directory.name)
    pytest.fail(f"no pasta of {container}")


def test_what_is_missing(networked: OrdinaryUser) -> None:
    closed = f"chmod 600 {networked.passage}/tun"
    both = "".join(f"mount --bind /dev/null /usr/bin/{name}\n" for name in ("pasta", "slirp4netns"))
    for before, fault, hint in (
        (f"{networked.before}\n{closed}", "/dev/net/tun, which is not open to you", "chmod 666"),
        (f"{networked.before}\n{both}", "pasta, which is not installed", "apt install passt"),
    ):
        refused = replace(networked, before=before)("run", "--rm", "base", "true", code=125)
        assert fault in refused.err
        assert hint in refused.err


def _answer(address: str, port: int) -> str | None:
    """What a web server says; None without one."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
