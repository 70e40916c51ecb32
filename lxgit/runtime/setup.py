"""What a supervisor makes ready before LXC can be started: mounts, devices, network, stdio.

All of it is in the supervisor's own mount namespace or undone by an ExitStack, in reverse order.
"""

from __future__ import annotations

import os

from lxgit.records import dataclass
from lxgit.runtime import (
    bases,
    cgroups,
    confinement,
    devices,
    handover,
    lxc,
    lxcconfig,
    protocol,
    rootfs,
    rootless,
    rootmount,
    rundir,
)
from lxgit.runtime.command import find_user
from lxgit.runtime.enforcement import Enforcement
from lxgit.runtime.process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager, ExitStack
    from pathlib import Path
    from typing import Protocol

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.containers import Container
    from lxgit.runtime.loop import Loop
    from lxgit.runtime.network.endpoint import Network
    from lxgit.runtime.overlay import Lower
    from lxgit.runtime.relay import Relay

    class AfterExit(Protocol):
        """What is to be done when a container has ended; its lock `is_locked` by the caller or not.

        It `is_abandoned` when the command that it belongs to has hung up. LockHeld while another
        command has the container's record, or may be about to let go of it: nobody is waited for.
        """

        def __call__(self, *, is_locked: bool, is_abandoned: bool) -> None: ...


DEVICES = rundir.STAGE / "dev"
"""The container's /dev, as the supervisor sees it."""


@dataclass(frozen=True, slots=True)
class Task:
    """A container to be started: what its supervisor has to know beyond its record.

    `after_exit` is called in the supervisor when the container has ended, unless who ended it wants
    it still: before its clients hear of the end, or where its owner has hung up, after. With
    `record_is_locked` who starts it is the only one to change its record until its command has
    begun; `after_exit`, which may want to as well, is called only if it had. Else what others have
    changed of it until it is begun holds, and nobody can from then on without seeing that it is
    being started.
    """

    container: Container
    lowers: tuple[Lower, ...]  # topmost first
    apparmor: str | None
    window: tuple[int, int] | None = None  # rows and columns of its terminal
    detached: bool = False  # its input does not end when the first client leaves
    after_exit: AfterExit | None = None
    record_is_locked: bool = False
    kept: bool = False  # it has a keeper, which starts it again if its policy says so
    restarts: int = 0  # how often its policy has started it


@dataclass(frozen=True, slots=True)
class Ready:
    """A container that only LXC has to be started for.

    A line written to `gate` lets its command begin; `log` is where LXC's log is read from.
    """

    stdio: lxc.Stdio
    arguments: list[bytes]  # of the launcher
    group: Path | None  # the control group to start in, of an ordinary user
    gate: int
    log: int
    enforcement: Enforcement
    connection: Network | None


def make_ready(task: Task, directory: Path, relay: Relay, mounts: ExitStack) -> Ready:
    """Do all that; `directory` is the container's in /run, what is undone at the end `mounts`.

    Raises LxgitError, with the exit code that it means for `run`, and OSError.
    """
    container, config = task.container, task.container.config
    group = _own_group(config, mounts)
    enforcement = Enforcement(config.id, config.limits)
    lowers = mounts.enter_context(bases.held(task.lowers))
    mounts.enter_context(rundir.stage())
    connection = None
    if config.network not in ("none", "host"):
        # After the mounts, which take longer to be undone.
        if config.publishes:
            from lxgit.runtime.network.freeing import marked

            mounts.enter_context(marked(directory))
        connection = mounts.enter_context(_joined(container, directory))

    def tell(words: str) -> None:
        relay.broadcast(protocol.warning(words))

    root = rootmount.mount_root(container, lowers, tell)
    first = Process.first(config, task.window)
    user = find_user(root, first.user, config.groups)
    rootfs.make_directory(root, first.directory, config.ids)
    arguments = first.arguments(root, user, config.hostname)
    _make_devices(config)
    gate, our_gate = os.pipe()
    becomes = confinement.credentials(config, user)
    stdio = first.stdio(relay, DEVICES, user, config.ids, becomes)._replace(gate=gate)
    if first.tty:
        rootfs.set_console(DEVICES)
    _furnish(root, container, connection, relay.loop)
    os.close(root)
    spec = confinement.spec(
        config,
        rootmount.ROOT,
        DEVICES,
        becomes,
        task.apparmor,
        enforcement,
        directory,
        connection.namespace if connection is not None else "",
    )
    (directory / "config").write_text(lxcconfig.config_text(spec), encoding="utf-8")
    log = _log_of_lxc(directory)
    return Ready(stdio, arguments, group, our_gate, log, enforcement, connection)


def _own_group(config: ContainerConfig, mounts: ExitStack) -> Path | None:
    """The control group that an ordinary user's container is started in, if it can have one.

    It goes too where the container is never started.
    """
    if not rootless.is_active():
        return None
    from lxgit.runtime import delegation

    mounts.callback(cgroups.remove, config.id)
    return delegation.prepare(config.id)


def _joined(container: Container, directory: Path) -> AbstractContextManager[Network]:
    config = container.config
    if config.network == "user":
        from lxgit.runtime.network import usernet

        return usernet.joined(directory, config)
    if config.shares:
        from lxgit.runtime.network import sharing

        return sharing.joined(container.path.parent, config)
    from lxgit.runtime.network.joining import joined

    store = container.path.parent.parent
    return joined(os.path.realpath(store), store / "networks", config)


def _make_devices(config: ContainerConfig) -> None:
    """Its /dev, at `DEVICES`: with all that the host has where it is privileged."""
    DEVICES.mkdir()
    most = 1 << 16 if config.privileged else 256
    rootfs.make_devices(DEVICES, config.ids, config.shm_size, most=most)
    devices.add(config.security.devices, DEVICES, config.ids.outside(0))
    if config.privileged:
        devices.add_all(DEVICES)


def _furnish(root: int, container: Container, connection: Network | None, loop: Loop) -> None:
    """Mount what is ready over the root: /dev and all below it, files of /etc."""
    config = container.config
    rootfs.attach_devices(root, DEVICES)
    from lxgit.runtime.network import injected

    content = injected.files(config, connection)
    rootfs.inject(root, content, rundir.STAGE, config.ids)
    if connection is not None:
        connection.keep_hosts(rundir.STAGE / "hosts", loop)
    if config.network == "host":
        rootfs.attach_sysfs(root, read_only=not config.privileged)
    elif config.shares:
        from lxgit.runtime.network.sharing import mount_sysfs

        assert connection is not None
        source = mount_sysfs(connection.namespace)
        rootfs.attach_sysfs(root, source, read_only=not config.privileged)
    rootmount.finish_root(root, container)
    handover.offer(loop, rundir.CONTAINERS / config.id, rootmount.ROOT)


def _log_of_lxc(directory: Path) -> int:
    """The reading end of the FIFO that LXC writes its log to."""
    os.mkfifo(directory / "log", 0o600)
    return os.open(directory / "log", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
