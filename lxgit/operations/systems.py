"""Containers that boot a whole system: which init it is, and how that is asked to end.

systemd halts at SIGRTMIN+3, as its container interface has it (systemd.io/CONTAINER_INTERFACE);
busybox's init powers off at SIGUSR2 (init/init.c). sysvinit has no such signal, but a command: what
SIGPWR does, LXC's own way (lxc.container.conf(5), lxc.signal.halt), is in its inittab, and in
Debian's nothing. Any other init gets SIGPWR.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.imagepaths import ImagePaths
from lxgit.operations.values import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.image import Image
    from lxgit.runtime.mounts import Mount

INIT = "/sbin/init"
_STOP_SIGNALS = {b"systemd": "SIGRTMIN+3", b"busybox": "SIGUSR2"}


class NoInit(LxgitError):
    """An image that does not boot."""

    exit_code = 125


class HostIds(LxgitError):
    """A system wants a user namespace of its own."""

    exit_code = 125


def system_of(image: Image, command: tuple[str, ...], *, host_ids: bool) -> Program:
    """What boots an image; `command` in the place of its /sbin/init. NoInit, HostIds."""
    if host_ids:
        raise HostIds(
            "a system boots in a user namespace of its own alone",
            hint="leave --privileged and --userns=host out",
        )
    path = ImagePaths(image).find(INIT.encode())
    if path is None and not command:
        raise NoInit(
            f"the image has no {INIT}",
            hint="install systemd-sysv or another init in it, or name its path behind the image",
        )
    if command or path is None:
        return Program(command, "SIGPWR", ())
    name = path.rpartition(b"/")[2]
    halt = (INIT, "0") if name == b"init" else ()
    return Program((INIT,), _STOP_SIGNALS.get(name, "SIGPWR"), halt)


def with_memory(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """The mounts that were asked for, and /run, /run/lock and /tmp in memory, as an init has them.

    It could mount none of them itself: that takes a capability which it has not.
    """
    from lxgit.runtime.mounts import TMPFS, Mount

    taken = {mount.target for mount in mounts}
    own = (
        Mount(kind=TMPFS, target="/run", mode=0o755),
        Mount(kind=TMPFS, target="/run/lock"),
        Mount(kind=TMPFS, target="/tmp", executable=True),  # noqa: S108 - the container's
    )
    return (*(mount for mount in own if mount.target not in taken), *mounts)
