"""From a container's record to what LXC is asked for: what it may, and what it may not."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.runtime import capabilities, cgroups, lxc, rootless, seccomp
from lxgit.runtime.idmap import UnmappedId
from lxgit.runtime.limits import LimitNotInForce
from lxgit.runtime.lxcconfig import ContainerSpec
from lxgit.runtime.security import UNCONFINED, Device, Sysctl, Ulimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from lxgit.runtime.command import User
    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.credentials import Credentials
    from lxgit.runtime.enforcement import Enforcement

_REFUSED = "sysctl"


class SysctlRefused(LxgitError):
    """A kernel parameter that this kernel does not have, or a value that it does not take."""

    exit_code = 125


def spec(
    config: ContainerConfig,
    root: Path,
    devices: Path,
    becomes: Credentials | None,
    apparmor: str | None,
    enforcement: Enforcement,
    directory: Path,
    namespace: str,
) -> ContainerSpec:
    """What LXC is asked for. `devices` is the container's /dev, `directory` its one in /run.

    `namespace` is where another's network is, which it has; "" for one of its own.

    Who `becomes` somebody first needs capabilities for that, and does without them from then on.
    """
    security, kept = config.security, bounding_set(config)
    every_call = config.privileged or security.seccomp == UNCONFINED
    granted = kept if becomes is None else tuple(sorted({*kept, *capabilities.BECOMING}))
    return ContainerSpec(
        name=config.id,
        root=root,
        null=devices / "null",
        hostname=config.hostname,
        idmap=config.idmap,
        network=config.network,
        namespace=namespace,
        capabilities=None if config.privileged else granted,
        apparmor=apparmor,
        seccomp=None if every_call else _seccomp(directory, kept),
        no_new_privileges=security.no_new_privileges,
        masked=not config.privileged,
        in_groups=not rootless.is_active(),
        relative=rootless.is_active() and bool(cgroups.hierarchies_of(config.id)),
        system=config.system,
        cgroup=enforcement.settings,
        devices=[Device.of(text).rule() for text in security.devices],
        ulimits=[Ulimit.of(text) for text in security.ulimits],
        start_hook=_sysctl_hook(config, directory),
        end_hook=enforcement.end_hook(directory),
    )


def bounding_set(config: ContainerConfig) -> tuple[str, ...]:
    """The capabilities that a container's commands can have."""
    if config.privileged:
        return capabilities.NAMES
    default = capabilities.SYSTEM if config.system else capabilities.DEFAULT
    return capabilities.kept(config.security.cap_add, config.security.cap_drop, default)


def credentials(config: ContainerConfig, user: User) -> Credentials | None:
    """Whom a command has to become first; None for root alone, whom LXC starts it as.

    Raises UnmappedId when the container does not have one of the ids.
    """
    if (user.uid, user.gid, user.groups) == (0, 0, ()):
        return None
    for number in (user.uid, user.gid, *user.groups):
        if not config.ids.covers(number):
            raise UnmappedId(f"the container has no id {number}", hint=_more_ids())
    from lxgit.runtime.credentials import Credentials

    others = capabilities.mask_of_others(bounding_set(config))
    return Credentials(user.uid, user.gid, user.groups, others)


def _more_ids() -> str:
    if rootless.is_active():
        return "you have the ids that /etc/subuid and /etc/subgid give you"
    return "'lxgit run' with that number for -u gives it one, --userns=host those of the host"


def set_oom_score(config: ContainerConfig, pid: int) -> None:
    """Give the first process, before it becomes the command, the one that was asked for.

    Raises LimitNotInForce.
    """
    if not config.oom_score:
        return
    try:
        lxc.set_oom_score(pid, config.oom_score)
    except (FileNotFoundError, ProcessLookupError):  # it has ended by now
        return
    except PermissionError:
        raise LimitNotInForce(
            f"--oom-score-adj {config.oom_score}: the kernel of this host refuses it",
            hint="leave --oom-score-adj out, or ask for more than lxgit itself has",
        ) from None


def _seccomp(directory: Path, kept: Collection[str]) -> Path:
    """Write a container's profile, and where it is."""
    path = directory / "seccomp"
    path.write_text(seccomp.profile(kept), "ascii")
    return path


def refused_sysctl(directory: Path) -> SysctlRefused | None:
    """Why a container did not start, if it was for a kernel parameter."""
    try:
        text = (directory / _REFUSED).read_text("ascii").strip()
    except FileNotFoundError:
        return None
    if not text:
        return None
    return SysctlRefused(
        f"--sysctl {text}: the kernel does not take it",
        hint="'lxgit run --rm IMAGE sysctl -a' lists what there is",
    )


def _sysctl_hook(config: ContainerConfig, directory: Path) -> str | None:
    """What sets kernel parameters before the command runs, from outside: /proc/sys is read-only.

    LXC's own lxc.sysctl comes after that (EROFS). The parameters are those of the namespaces of
    whoever opens the file, and root of the user namespace may write them (ipc/ipc_sysctl.c).
    """
    found = [Sysctl.of(text, config.network) for text in config.security.sysctls]
    if not found:
        return None
    user = "--user " if config.idmap is not None else ""
    script = "; ".join(
        f"(echo {one.value} > /proc/sys/{one.path}) 2>&- || {{ echo {one}; exit 1; }}"
        for one in found
    )
    enter = f"/usr/bin/nsenter --target $LXC_PID {user}--net --ipc"
    return f"{enter} /bin/sh -c '{script}' > {directory / _REFUSED}"
