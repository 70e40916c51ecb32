"""What `info` checks of the host: each with what is there, and with a hint where something is not.

The checks take what they are about as values, so that every host can be tried anywhere; `facts`
reads it. Containers themselves are refused by `runtime.probe`, which tries instead of reading.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.operations.closedchains import closed_chains
from lxgit.operations.versions import program_version
from lxgit.runtime import delegation, lxc, rootless
from lxgit.runtime.hierarchies import hierarchies
from lxgit.runtime.idmap import RANGE
from lxgit.runtime.network import usernet
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxgit.operations.closedchains import ClosedChain
    from lxgit.runtime.hierarchies import Hierarchy

_LEAST_KERNEL = (5, 19)
_DIRECT_EROFS = (6, 12)
_LEAST_EROFS_UTILS = (1, 8)
_CONTROLLERS = ("memory", "cpu", "cpuset", "pids")

_SYSCTLS = {
    "user.max_user_namespaces": "/proc/sys/user/max_user_namespaces",
    "kernel.unprivileged_userns_clone": "/proc/sys/kernel/unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns": (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
    ),
}


class Check(NamedTuple):
    """One of them. `hint` says what to do about what is missing, or not as good as it could be."""

    name: str
    fine: bool
    told: str
    hint: str = ""


def _fine(name: str, told: str, hint: str = "") -> Check:
    return Check(name, fine=True, told=told, hint=hint)


def _lacking(name: str, told: str, hint: str) -> Check:
    return Check(name, fine=False, told=told, hint=hint)


def all_checks(store: Path) -> list[Check]:
    """Every check, of this host and of the store's file system."""
    return [
        kernel_check(os.uname().release),
        wsl_check(os.uname().release),
        lxc_check(program_version(lxc.LXC_START, "--version")),
        cgroup_check(hierarchies()),
        user_namespace_check(_sysctls(), as_root=rootless.user() == 0),
        apparmor_check(
            _read("/sys/module/apparmor/parameters/enabled"),
            _read("/sys/kernel/security/apparmor/profiles"),
        ),
        selinux_check(_read("/sys/fs/selinux/enforce")),
        nft_check(program_version("nft", "--version")),
        firewall_check(_closed_chains()),
        erofs_check(program_version("mkfs.erofs", "-V")),
        skopeo_check(program_version("skopeo", "--version")),
        store_check(*file_system(store)),
        *user_checks(),
    ]


def user_checks() -> list[Check]:
    """Who asks; and for an ordinary user, where a container's network comes from."""
    if rootless.user() == 0:
        return [_fine("User", "root")]
    ids = min(sum(run.length for run in rootless.subordinate(kind)) for kind in ("uid", "gid"))
    installed = os.access(rootless.NEWUIDMAP, os.X_OK)
    return [
        ordinary_check(rootless.user_name(), ids, newuidmap=installed),
        user_limits_check([name for one in delegation.here() for name in one.controllers]),
        user_network_check(
            pasta=os.access(usernet.PASTA, os.X_OK),
            slirp=os.access(usernet.SLIRP, os.X_OK),
            device=os.access(usernet.TUN, os.R_OK | os.W_OK),
        ),
    ]


def kernel_check(release: str) -> Check:
    """Overlayfs over idmapped layers came with Linux 5.19; 6.1 is the oldest that is tried."""
    if _numbers(release) < _LEAST_KERNEL:
        return _lacking("Kernel", f"Linux {release} is too old", "Linux 5.19 or newer")
    if _numbers(release) < _DIRECT_EROFS:
        return _fine("Kernel", f"Linux {release}; EROFS layers take loop devices before 6.12")
    return _fine("Kernel", f"Linux {release}")


def wsl_check(release: str) -> Check:
    """Microsoft's kernels name themselves."""
    if "microsoft" not in release.lower():
        return _fine("WSL", "no")
    if "WSL2" not in release:
        return _lacking("WSL", "WSL 1, which is no Linux kernel", "wsl --set-version DISTRO 2")
    return _fine("WSL", "WSL 2: keep the store on its own disk, not below /mnt/c")


def lxc_check(version: str) -> Check:
    """LXC 5 and newer are tried."""
    if not version:
        return _lacking("LXC", "not installed", "apt install lxc")
    if _numbers(version) < (5, 0):
        return _lacking("LXC", f"{version} is too old", "LXC 5.0 or newer")
    return _fine("LXC", version)


def cgroup_check(hierarchies: Sequence[Hierarchy]) -> Check:
    """Limits want the controllers for memory, cpu, cpuset and pids, in whichever version."""
    versions = {hierarchy.version for hierarchy in hierarchies}
    kind = {(1,): "v1", (2,): "v2", (1, 2): "hybrid"}.get(tuple(sorted(versions)), "none")
    found = {name for hierarchy in hierarchies for name in hierarchy.controllers}
    missing = [name for name in _CONTROLLERS if name not in found]
    if not missing:
        return _fine("Control groups", kind)
    told = f"{kind}, without {', '.join(missing)}"
    hint = "boot with cgroup_enable=memory" if "memory" in missing else "limits of it are refused"
    return _lacking("Control groups", told, hint)


def user_namespace_check(sysctls: Mapping[str, str], *, as_root: bool = True) -> Check:
    """Root's containers want the first; the two others are about ordinary users."""
    limit = sysctls.get("user.max_user_namespaces")
    if limit is None or limit == "0":
        told = "the kernel has none" if limit is None else "user.max_user_namespaces is 0"
        hint = "sysctl user.max_user_namespaces=15000; or run with --userns=host, less isolated"
        return _lacking("User namespaces", told, hint)
    for name, closed in (
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
    ):
        if sysctls.get(name) == closed:
            other = "1" if closed == "0" else "0"
            told = f"for root alone: {name} is {closed}"
            verdict = _fine if as_root else _lacking
            return verdict("User namespaces", told, f"for others: sysctl {name}={other}")
    return _fine("User namespaces", "for root and others")


def apparmor_check(enabled: str | None, profiles: str | None) -> Check:
    """Containers want the profile that LXC's package brings; only root sees what is loaded."""
    if enabled != "Y":
        return _fine("AppArmor", "off")
    if profiles is None:
        return _fine("AppArmor", "on; as root, this tells whether its profile is loaded")
    if any(line.startswith(f"{lxc.APPARMOR} (") for line in profiles.splitlines()):
        return _fine("AppArmor", f"on, with {lxc.APPARMOR}")
    hint = "apparmor_parser -r /etc/apparmor.d/lxc-containers"
    return _lacking("AppArmor", f"on, and {lxc.APPARMOR} is not loaded", hint)


def selinux_check(enforce: str | None) -> Check:
    """Containers get no type of their own, so a policy that is enforced may be in their way."""
    if enforce is None:
        return _fine("SELinux", "off")
    if enforce == "0":
        return _fine("SELinux", "permissive")
    told = "enforced; containers run in the domain of who starts them"
    return _fine("SELinux", told, "'ausearch -m avc' tells what it denied")


def nft_check(version: str) -> Check:
    """A bridge wants it for NAT and published ports."""
    if version:
        return _fine("nft", version)
    hint = "apt install nftables; --network none and host do without"
    return _lacking("nft", "not installed", hint)


def firewall_check(closed: Sequence[ClosedChain] | None) -> Check:
    """A chain of nftables that drops what is forwarded has to be opened by who made it."""
    if closed is None:
        return _fine("Firewall", "as root, this tells whether one is in the way of bridges")
    if not closed:
        return _fine("Firewall", "nothing that bridges would have to be let through by hand")
    names = ", ".join(f"'{chain.name}'" for chain in closed)
    opening = "; ".join(chain.opening for chain in closed)
    return _lacking("Firewall", f"what bridges forward is dropped by {names} of nftables", opening)


def erofs_check(version: str) -> Check:
    """Without it layers are directories."""
    slower = "layers are directories, which take longer to make"
    if not version:
        return _lacking("erofs-utils", f"not installed; {slower}", "apt install erofs-utils")
    if _numbers(version) < _LEAST_EROFS_UTILS:
        return _lacking("erofs-utils", f"{version}; {slower}", "erofs-utils 1.8 or newer")
    return _fine("erofs-utils", version)


def skopeo_check(version: str) -> Check:
    """What talks to registries."""
    if version:
        return _fine("skopeo", version)
    return _lacking("skopeo", "not installed; no images come from registries", "apt install skopeo")


def store_check(place: str, kind: str) -> Check:
    """Overlayfs takes no upper directory on itself, nor on what is another machine's."""
    told = f"{place} is on {kind}"
    if kind in ("overlay", "nfs", "nfs4", "cifs", "9p", "vfat", "exfat", "ntfs3"):
        return _lacking("Store", told, "put it on ext4, xfs or btrfs: --store, LXGIT_STORE")
    if kind == "tmpfs":
        return _fine("Store", told, "it goes with the machine's next boot")
    return _fine("Store", told)


def ordinary_check(name: str, ids: int, *, newuidmap: bool) -> Check:
    """An ordinary user's containers want ids beside the user's own, and who may give them."""
    if not newuidmap:
        told = f"{name}, who runs no containers: newuidmap is not installed"
        return _lacking("User", told, "apt install uidmap")
    if not ids:
        told = f"{name}, who runs no containers: no ids in /etc/subuid and /etc/subgid"
        return _lacking("User", told, rootless.hint_for_ids(name))
    told = f"{name}, with {ids} ids for containers"
    if ids < RANGE - 1:
        return _fine("User", told, "an image may want 65536: see subuid(5)")
    return _fine("User", told)


def user_limits_check(controllers: Sequence[str]) -> Check:
    """Which limits an ordinary user's containers can have: it depends on where lxgit is started."""
    name, found = "User limits", [one for one in _CONTROLLERS if one in controllers]
    if not found:
        told = "none, as no control group was given to you where this runs"
        return _fine(name, told, delegation.what_gives_a_group())
    missing = [one for one in _CONTROLLERS if one not in found]
    told = ", ".join(found)
    return _fine(name, told, delegation.what_gives_controllers() if missing else "")


def user_network_check(*, pasta: bool, slirp: bool, device: bool) -> Check:
    """What passes on the traffic of an ordinary user's containers."""
    name = "User network"
    if not device:
        hint = f"as root: modprobe tun; chmod 666 {usernet.TUN}"
        return _lacking(name, f"{usernet.TUN} is not there, or not open to you", hint)
    if pasta:
        return _fine(name, "pasta")
    if slirp:
        return _fine(name, "slirp4netns, which publishes no ports", "apt install passt")
    return _lacking(name, "neither pasta nor slirp4netns is installed", "apt install passt")


def file_system(path: Path) -> tuple[str, str]:
    """A path, and the type of the file system that it is on, or would be."""
    there = path
    while not there.exists():
        there = there.parent
    device = os.stat(there).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = [line.split() for line in (_read("/proc/self/mountinfo") or "").splitlines()]
    kinds = [words[words.index("-", 6) + 1] for words in mounts if words[2] == number]
    if not kinds:  # btrfs gives a device of its own to each subvolume
        real = os.path.realpath(there)
        above = [w for w in mounts if real.startswith(w[4].rstrip("/") + "/") or real == w[4]]
        longest = max(above, key=lambda words: len(words[4]))
        kinds = [longest[longest.index("-", 6) + 1]]
    return str(path), kinds[-1]


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def _sysctls() -> dict[str, str]:
    return {name: value for name, path in _SYSCTLS.items() if (value := _read(path)) is not None}


def _closed_chains() -> list[ClosedChain] | None:
    """None where the kernel does not say, or has no nftables."""
    try:
        return closed_chains()
    except (OSError, LxgitError):
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
