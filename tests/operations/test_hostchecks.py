"""What `info` says of hosts, each by what it would read there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lxgit.operations import hostchecks
from lxgit.operations.closedchains import ClosedChain
from lxgit.operations.hostchecks import Check
from lxgit.runtime.hierarchies import Hierarchy

TOP = Path("/sys/fs/cgroup")
UNIFIED = Hierarchy(TOP, 2, ("cpuset", "cpu", "io", "memory", "pids"))
MEMORY = Hierarchy(TOP / "memory", 1, ("memory",))
CPU = Hierarchy(TOP / "cpu,cpuacct", 1, ("cpu", "cpuacct"))
CPUSET = Hierarchy(TOP / "cpuset", 1, ("cpuset",))
PIDS = Hierarchy(TOP / "pids", 1, ("pids",))
NAMES_ALONE = Hierarchy(TOP / "unified", 2, ())

DEBIAN_12 = {"user.max_user_namespaces": "31000", "kernel.unprivileged_userns_clone": "1"}
UBUNTU_24 = {**DEBIAN_12, "kernel.apparmor_restrict_unprivileged_userns": "1"}


ordinary, network = hostchecks.ordinary_check, hostchecks.user_network_check
limits = hostchecks.user_limits_check


@pytest.mark.parametrize(
    ("check", "fine", "told", "hint"),
    [
        (hostchecks.kernel_check("6.12.48+deb13-amd64"), True, "6.12.48", ""),
        (hostchecks.kernel_check("6.8.0-45-generic"), True, "loop devices", ""),
        (hostchecks.kernel_check("6.1.0-18-amd64"), True, "loop devices", ""),
        (hostchecks.kernel_check("5.15.0"), False, "too old", "Linux 5.19"),
        (hostchecks.wsl_check("6.6.36.3-microsoft-standard-WSL2"), True, "WSL 2", ""),
        (hostchecks.wsl_check("4.4.0-19041-Microsoft"), False, "WSL 1", "wsl --set-version"),
        (hostchecks.wsl_check("6.12.48"), True, "no", ""),
        (hostchecks.lxc_check("6.0.4"), True, "6.0.4", ""),
        (hostchecks.lxc_check("4.0.6"), False, "too old", "LXC 5.0"),
        (hostchecks.lxc_check(""), False, "not installed", "apt install lxc"),
        (hostchecks.cgroup_check([UNIFIED]), True, "v2", ""),
        (hostchecks.cgroup_check([MEMORY, CPU, CPUSET, PIDS]), True, "v1", ""),
        (hostchecks.cgroup_check([MEMORY, CPU, CPUSET, PIDS, NAMES_ALONE]), True, "hybrid", ""),
        (hostchecks.cgroup_check([CPU, PIDS]), False, "without memory", "cgroup_enable=memory"),
        (hostchecks.cgroup_check([MEMORY, CPU, PIDS]), False, "without cpuset", "are refused"),
        (hostchecks.cgroup_check([]), False, "none, without memory, cpu, cpuset, pids", ""),
        (hostchecks.user_namespace_check(DEBIAN_12), True, "root and others", ""),
        (hostchecks.user_namespace_check(UBUNTU_24), True, "root alone", "restrict_unprivileged"),
        (
            hostchecks.user_namespace_check(UBUNTU_24, as_root=False),
            False,
            "root alone",
            "restrict_unprivileged",
        ),
        (
            hostchecks.user_namespace_check({**DEBIAN_12, "kernel.unprivileged_userns_clone": "0"}),
            True,
            "kernel.unprivileged_userns_clone is 0",
            "kernel.unprivileged_userns_clone=1",
        ),
        (
            hostchecks.user_namespace_check({"user.max_user_namespaces": "0"}),
            False,
            "is 0",
            "max_user_namespaces",
        ),
        (hostchecks.user_namespace_check({}), False, "has none", "--userns=host"),
        (hostchecks.apparmor_check(None, None), True, "off", ""),
        (hostchecks.apparmor_check("N", ""), True, "off", ""),
        (hostchecks.apparmor_check("Y", None), True, "as root", ""),
        (
            hostchecks.apparmor_check("Y", "snap (enforce)\nlxc-container-default-cgns (enforce)"),
            True,
            "on, with lxc-container-default-cgns",
            "",
        ),
        (hostchecks.apparmor_check("Y", "snap (enforce)"), False, "not loaded", "apparmor_parser"),
        (ordinary("me", 65536, newuidmap=True), True, "me, with 65536 ids", ""),
        (ordinary("me", 1000, newuidmap=True), True, "me, with 1000 ids", "65536"),
        (ordinary("me", 0, newuidmap=True), False, "no ids", "usermod --add-subuids"),
        (ordinary("me", 65536, newuidmap=False), False, "newuidmap", "apt install uidmap"),
        (limits([]), True, "none", "lxgit"),
        (limits(["cpu", "memory", "pids"]), True, "memory, cpu, pids", "cpuset"),
        (limits(["cpuset", "cpu", "io", "memory", "pids"]), True, "memory, cpu, cpuset, pids", ""),
        (network(pasta=True, slirp=False, device=True), True, "pasta", ""),
        (network(pasta=False, slirp=True, device=True), True, "no ports", "apt install passt"),
        (network(pasta=False, slirp=False, device=True), False, "neither", "apt install passt"),
        (network(pasta=True, slirp=True, device=False), False, "not open to you", "chmod 666"),
        (hostchecks.selinux_check(None), True, "off", ""),
        (hostchecks.selinux_check("0"), True, "permissive", ""),
        (hostchecks.selinux_check("1"), True, "enforced", "ausearch"),
        (hostchecks.nft_check("1.0.6"), True, "1.0.6", ""),
        (hostchecks.nft_check(""), False, "not installed", "apt install nftables"),
        (hostchecks.firewall_check(None), True, "as root", ""),
        (hostchecks.firewall_check([]), True, "nothing", ""),
        (
            hostchecks.firewall_check(
                [ClosedChain("ip a b", "nft x"), ClosedChain("ip c d", "nft y")]
            ),
            *(False, "dropped by 'ip a b', 'ip c d' of nftables", "nft x; nft y"),
        ),
        (hostchecks.erofs_check("1.8.6"), True, "1.8.6", ""),
        (hostchecks.erofs_check("1.5"), False, "directories", "erofs-utils 1.8"),
        (hostchecks.erofs_check(""), False, "not installed", "apt install erofs-utils"),
        (hostchecks.skopeo_check("1.18.0"), True, "1.18.0", ""),
        (hostchecks.skopeo_check(""), False, "not installed", "apt install skopeo"),
        (hostchecks.store_check("/x", "ext4"), True, "/x is on ext4", ""),
        (hostchecks.store_check("/x", "tmpfs"), True, "tmpfs", "next boot"),
        (hostchecks.store_check("/x", "overlay"), False, "overlay", "--store"),
    ],
    ids=lambda value: f"{value.name}: {value.told}" if isinstance(value, Check) else "",
)
def test_what_is_told(check: Check, fine: bool, told: str, hint: str) -> None:
    assert check.fine is fine
    assert told in check.told
    assert hint in check.hint
    assert bool(check.hint) or check.fine


def test_the_file_system_of_a_place(tmp_path: Path) -> None:
    assert hostchecks.file_system(Path("/proc/nothing/there"))[1] == "proc"
    missing = tmp_path / "a" / "b"
    assert hostchecks.file_system(missing) == (str(missing), hostchecks.file_system(tmp_path)[1])


def test_this_host(tmp_path: Path) -> None:
    checks = hostchecks.all_checks(tmp_path)
    assert [check.name for check in checks] == [
        *("Kernel", "WSL", "LXC", "Control groups", "User namespaces"),
        *("AppArmor", "SELinux", "nft", "Firewall", "erofs-utils", "skopeo", "Store"),
        "User",
    ]
