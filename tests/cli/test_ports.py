"""Published ports: from the host, from a peer, through loopback; and whose they are."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime.network import records
from tests.support import netns
from tests.support.peers import ECHO, HOST, HOST_V6, SERVE, curl, nothing_is_left, said, settings
from tests.support.processes import is_attached
from tests.support.program import PROGRAM, Lxgit
from tests.support.stores import copied
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tests.support.peers import Peer
    from tests.support.program import Result

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


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
    for fitting, wanted in ((1, "publish=80/tcp"), (0, "publish=8080"), (1, "expose=79-81")):
        assert len(based("ps", "-q", "--filter", wanted).lines) == fitting, wanted
    assert based("port", "web").lines == ["80/tcp -> 0.0.0.0:49153", "80/tcp -> 127.0.0.1:8080"]
    based("rm", "-f", "web")
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
    deadline = time.monotonic() + 60
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((address, port))
        asking.settimeout(0.5)
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError, ConnectionRefusedError):
                asking.send(b"ping")
                return asking.recv(100) == b"ping"
            time.sleep(0.05)
    return False


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
    won = 1 if tried[0].code else 0
    for index, (lxgit, _) in enumerate(both):
        refused = lxgit("run", "--rm", "-p", "8080:80", "base", "true", code=125)
        elsewhere = "" if index == won else " of another store"
        owner = f"container '{both[won][1]}'{elsewhere}"
        assert refused.err == taken("8080", owner)
    for lxgit, name in both:
        lxgit("rm", "-f", name)
    with socket.create_server(("127.0.0.1", 8080)):
        refused = based("run", "--rm", "-p", "8080:80", "base", "true", code=125)
    name = Path("/proc/self/comm").read_text().strip()
    assert refused.err == taken("8080", f"{name}, process {os.getpid()},")
    wait_until(nothing_is_left)


def taken(port: str, owner: str) -> str:
    return f"""\
lxgit: port {port}/tcp of the host is taken
hint: {owner} has {port}; -p 80/tcp takes one that is free
"""


WEB = ("--name", "web", "-p", "8080:80", "base", "sleep", "1000")


@pytest.mark.parametrize("words", [("stop", "-t", "0"), ("kill",)], ids=" ".join)
def test_who_ends_a_container_has_its_ports(
    based: Lxgit, peer: Peer, words: tuple[str, ...]
) -> None:
    """However long its supervisor takes to clear up, as here for others who come and go.

    So does who stops it again.
    """
    based("run", "-d", *WEB)
    with ThreadPoolExecutor() as pool:
        with records.locked_networks():
            ended = pool.submit(based, *words, "web")
            wait_until(lambda: not based("ps", "-q").out)
            again = pool.submit(based, "stop", "web")
            for each in (ended, again):
                with pytest.raises(TimeoutError):
                    each.result(0.5)
        for each in (ended, again):
            each.result()
    with socket.create_server((HOST, 8080)):
        pass
    wait_until(nothing_is_left)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (("run", "-d", *WEB), ("wait", "web")),
        (("run", "-d", *WEB), ("attach", "--no-stdin", "web")),
        (("create", *WEB), ("start", "-a", "web")),
        (None, ("run", "--rm", *WEB)),
    ],
    ids=["wait", "attach", "start", "run"],
)
def test_who_sees_a_container_end_has_its_ports(
    based: Lxgit, peer: Peer, before: tuple[str, ...] | None, words: tuple[str, ...]
) -> None:
    if before is not None:
        based(*before)
    command, environment = [str(PROGRAM), *words], based.environment()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as client:
        wait_until(lambda: based("exec", "web", "true", code=None).code == 0)
        if words[0] == "attach":
            wait_until(lambda: is_attached(client.pid))
        with records.locked_networks():
            os.kill(int(based("inspect", "--format", "{{.State.Pid}}", "web").out), signal.SIGKILL)
            wait_until(lambda: not based("ps", "-q").out)
            with pytest.raises(subprocess.TimeoutExpired):
                client.wait(0.5)
    assert client.returncode == (0 if words[0] == "wait" else 128 + signal.SIGKILL)
    with socket.create_server((HOST, 8080)):
        pass
    wait_until(nothing_is_left)


def test_who_could_not_start_a_container_has_its_ports(based: Lxgit, peer: Peer) -> None:
    words = ("run", "--name", "web", "-p", "8080:80", "base", "/nonexistent")
    with ThreadPoolExecutor() as pool:
        while True:  # until the list is had between the two moments at which the supervisor has it
            failed = pool.submit(based, *words, code=127)
            wait_until(partial(is_there_or_done, failed), every=0.001)
            with records.locked_networks():
                if anybody_is_there():
                    wait_until(lambda: based("ps", "-aq", "--filter", "exited=127").out)
                    with pytest.raises(TimeoutError):
                        failed.result(0.5)
                    break
            failed.result()
            based("rm", "web")
        failed.result()
    with socket.create_server((HOST, 8080)):
        pass
    wait_until(nothing_is_left)


def is_there_or_done(command: Future[Result]) -> bool:
    return command.done() or anybody_is_there()


def anybody_is_there() -> bool:
    """Whether a container is on a bridge of this network namespace."""
    return any(map(records.members, records.places()))


def test_who_waits_for_ports_is_told_for_whom(based: Lxgit, peer: Peer) -> None:
    """For the one who has the list of networks, not for the supervisor that waits for it, too."""
    based("run", "-d", "--name", "web", "-p", "8080:80", "base", "sleep", "1000")
    with (
        records.locked_networks(),
        subprocess.Popen(
            [PROGRAM, "stop", "-t", "0", "web"],
            stderr=subprocess.PIPE,
            env=based.environment(),
            text=True,
        ) as stopping,
    ):
        assert stopping.stderr is not None
        line = stopping.stderr.readline()
        stopping.terminate()
    assert line.startswith(f"lxgit: waiting for process {os.getpid()} (")
    assert line.endswith("): the list of networks is in use\n")
    wait_until(nothing_is_left)


def test_ranges_of_ports(based: Lxgit, peer: Peer) -> None:
    ranges = ("-p", "8000-8001:80-81", "-p", "8000-8009:80", "-p", "5000-5001/udp")
    based("run", "-d", "--name", "web", *ranges, "base", *SERVE)
    for port in (8000, 8002):
        assert peer.run(*curl(HOST, port)) == "hello\n"
    shown = ["80->8000", "80->8002", "81->8001", "5000/udp->49153", "5001/udp->49154"]
    lines = [line.replace("/tcp", "") for line in based("port", "web").lines]
    assert sorted(lines) == sorted(line.replace("->", " -> 0.0.0.0:") for line in shown)
    bindings = based("inspect", "web").json[0]["HostConfig"]["PortBindings"]
    assert [one["HostPort"] for one in bindings["80/tcp"]] == ["8000", "8000-8009"]
    exposed = ("-P", "--expose", "7000-7002", "--expose", "53/udp")
    based("run", "-d", "--name", "all", *exposed, "base", "sleep", "1000")
    assert based("port", "all", "7002").out.strip().isdecimal()
    assert len(based("port", "all").lines) == 4
    refused = based("run", "-p", "8000-8002:80", "base", "true", code=125)
    assert refused.err.startswith("lxgit: ports 8000-8002/tcp of the host are taken\n")
    for wrong in ("8000-8001:80-82", "81-80", "8000:80-81"):
        refused = based("run", "-p", wrong, "base", "true", code=2)
        assert refused.err.count("\n") == 2
    based("rm", "-f", "web", "all")
    wait_until(nothing_is_left)


def test_the_session_of_2013(based: Lxgit, peer: Peer, scratch: Path) -> None:
    """The article's: a container's netcat hears what is sent to the port that `port` names.

    Busybox's ends when the other one has no more to say, as here at once, whatever it has still to
    send itself: unless that is there from the start, as in a file.
    """
    script = f"""
        set -e
        echo hello world >{scratch}/said
        JOB=$(lxgit run -d -p 4444 base /bin/nc -l -p 4444)
        PORT=$(lxgit port $JOB 4444)
        echo $PORT
        lxgit ps | grep -q "$PORT->4444"
        until busybox nc {HOST} $PORT <{scratch}/said; do sleep 0.1; done
        lxgit wait $JOB
        echo "Daemon received: $(lxgit logs $JOB)"
    """
    environment = based.environment()
    environment["PATH"] = f"{PROGRAM.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "49153\n0\nDaemon received: hello world\n", done.stderr


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
    """A connection to who begins to listen there at some time: a byte has come back on it."""
    deadline = time.monotonic() + 60
    while True:
        made = socket.create_connection((address, port), timeout=60)
        with contextlib.suppress(ConnectionError):
            made.sendall(b"?")
            if made.recv(1) == b"?":
                return made
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
