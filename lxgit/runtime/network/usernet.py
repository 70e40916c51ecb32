"""The way out for a container of an ordinary user, who can lay no cable to a bridge.

A program of the user's is at the other end of a device in the container's network namespace, and
does with sockets of its own what the container asks for: pasta(1), or where there is none
slirp4netns(1). To the host all that is the user's doing. The host's loopback is not passed on, and
nothing comes in but what is published.

It is started when the namespace is there, before the command runs, and ended with the container;
when the supervisor was killed it sees for itself that the namespace has gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from functools import partial

from lxgit.errors import LxgitError
from lxgit.processes import die_with_parent
from lxgit.runtime import kernel, rootless
from lxgit.runtime.network import keys, program, publishing, resolver
from lxgit.runtime.network.endpoint import Endpoint
from lxgit.runtime.network.reserving import reserved

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.reserving import Reserved

PASTA = "/usr/bin/pasta"
SLIRP = "/usr/bin/slirp4netns"
TUN = "/dev/net/tun"
_INTERFACE = "eth0"
_PATIENCE = 1.0  # seconds for a program to end
_PASTA_RESOLVER = "169.254.1.1"  # of link-local addresses, which no router passes on
_SLIRP_RESOLVER = "10.0.2.3"  # slirp4netns(1)


class NoUserNetwork(LxgitError):
    """Nothing is installed, or at work, that passes a container's traffic on."""

    exit_code = 125


class UserNetwork:
    """A container's way out, from before its start until after its end."""

    def __init__(self, directory: Path, config: ContainerConfig, ports: Sequence[Reserved]) -> None:
        self._directory = directory
        self._config = config
        self._ports = ports
        self._slirp: tuple[int, int] | None = None  # its process, and what keeps it going
        self._with_pasta = os.access(PASTA, os.X_OK)

    namespace = gateway = ""

    @property
    def endpoint(self) -> Endpoint:
        """What the container's record says: its ports on the host. It has no address there."""
        ports = tuple(str(one.publication) for one in self._ports)
        return Endpoint(
            bridge="",
            address="",
            prefix=0,
            gateway="",
            address_v6="",
            prefix_v6=0,
            gateway_v6="",
            mac="",
            ports=ports,
        )

    def resolv_conf(self, wanted: resolver.Wanted) -> bytes:
        """Its /etc/resolv.conf: what is wanted, else the program, which asks the host's own."""
        own = _PASTA_RESOLVER if self._with_pasta else _SLIRP_RESOLVER
        return resolver.for_user(wanted, own)

    def keep_hosts(self, _: Path, __: Loop) -> None:
        """It has no neighbours whose names it could know."""

    def plug(self, pid: int, _: Loop) -> None:
        """Pass on what the network namespace of a process wants. NoUserNetwork, ProgramFailed."""
        _in_network_of(pid, partial(_open_to_users, self._config))
        if self._with_pasta:
            self._start_pasta(pid)
        else:
            self._start_slirp(pid)

    def _start_pasta(self, pid: int) -> None:
        for one in self._ports:  # from here on they are pasta's
            for each in one.sockets:
                each.close()
        program.run((PASTA, *self._pasta_options(), str(pid)), package="passt")

    def _pasta_options(self) -> Iterator[str]:
        yield from ("--config-net", "--quiet", "--no-map-gw", "--ns-ifname", _INTERFACE)
        yield from ("--dns-forward", _PASTA_RESOLVER, "--pid", os.fspath(self._directory / "pasta"))
        yield from ("--tcp-ns", "none", "--udp-ns", "none")  # nothing of the host's loopback
        for protocol, option in (("tcp", "--tcp-ports"), ("udp", "--udp-ports")):
            published = [one.publication for one in self._ports]
            wanted = [one for one in published if one.port.protocol == protocol]
            if not wanted:
                yield from (option, "none")
            for one in wanted:
                address = f"{one.host_ip}/" if one.host_ip else ""
                yield from (option, f"{address}{one.host_port}:{one.port.number}")

    def _start_slirp(self, pid: int) -> None:
        ready, told = os.pipe()
        end, keep = os.pipe()
        parent, child = os.getpid(), os.fork()
        if child == 0:
            _become_slirp(parent, pid, told, end)
        os.close(told)
        os.close(end)
        self._slirp = child, keep
        with open(ready, "rb") as stream:
            if stream.read(1) != b"1":
                raise NoUserNetwork(
                    "slirp4netns gives the container no network",
                    hint="apt install passt, which does it better; or --network none",
                )

    def end(self) -> None:
        """Pass nothing on any more, and have no ports of the host."""
        if self._slirp is not None:
            child, keep = self._slirp
            os.close(keep)
            os.waitpid(child, 0)
        with contextlib.suppress(OSError, ValueError):
            _end_pasta(int((self._directory / "pasta").read_text("ascii")))


def _end_pasta(process: int) -> None:
    """Have it end: its ports are free only then."""
    fd = os.pidfd_open(process)
    try:
        with open(f"/proc/{process}/comm", encoding="ascii") as name:
            if not name.read().startswith("pasta"):  # another process has its number
                return
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(fd, number)
            if select.select([fd], [], [], _PATIENCE)[0]:
                return
    finally:
        os.close(fd)


@contextlib.contextmanager
def joined(directory: Path, config: ContainerConfig) -> Iterator[UserNetwork]:
    """Have a way out meanwhile. `directory` is the container's in /run/lxgit.

    NoUserNetwork, PortTaken, PortRefused, NoSuchAddress.
    """
    wanted = publishing.wanted(config.publish, config.exposed, everything=config.publish_all)
    require(with_ports=bool(wanted))
    with reserved(wanted) as ports:
        network = UserNetwork(directory, config, ports)
        try:
            yield network
        finally:
            network.end()


def require(*, with_ports: bool) -> None:
    """NoUserNetwork unless there is a program for it, and the device that it needs."""
    if not os.access(TUN, os.R_OK | os.W_OK):
        raise NoUserNetwork(
            f"an ordinary user's containers have their network through {TUN}, which is not open"
            " to you",
            hint=f"as root: modprobe tun; chmod 666 {TUN}; or --network none, or host",
        )
    if os.access(PASTA, os.X_OK):
        return
    if not os.access(SLIRP, os.X_OK):
        raise NoUserNetwork(
            "an ordinary user's containers have their network from pasta, which is not installed",
            hint="apt install passt; or --network none, or host",
        )
    if with_ports:
        raise NoUserNetwork(
            "slirp4netns publishes no ports", hint="apt install passt, whose pasta does"
        )


def _become_slirp(parent: int, pid: int, told: int, end: int) -> None:
    """The child of `_start_slirp`; never returns."""
    try:
        die_with_parent(parent)
        for fd in (told, end):
            os.set_inheritable(fd, True)  # noqa: FBT003 - a single argument
        os.execve(  # noqa: S606
            SLIRP,
            [
                *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
                *(f"--ready-fd={told}", f"--exit-fd={end}", str(pid), _INTERFACE),
            ],
            {},
        )
    finally:
        os._exit(1)


def _in_network_of(pid: int, work: Callable[[], object]) -> None:
    """Have a child do some work in the network namespace of a process.

    It would not come back to the host's, which is not this user's to enter.
    """
    child = os.fork()
    if child == 0:
        try:
            fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            kernel.setns(fd, kernel.CLONE_NEWNET)
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _open_to_users(config: ContainerConfig) -> None:
    """As for root's containers, within the groups that there are."""
    run = rootless.runs()[-1]
    groups = {"ipv4/ping_group_range": f"0 {run.first + run.length - 1}"}
    keys.open_to_users(config, {**keys.OPEN, **groups})
