"""Options of Docker's that lxgit has not, and what does the same, or why nothing does."""

from __future__ import annotations

_DISKS = "what a container does to the disk is not limited by itself: docs/security.md"
_CPUS = "--cpus 1.5 and --cpuset-cpus"

_RUN = {
    "--annotation": "--label",
    "--blkio-weight": _DISKS,
    "--cgroup-parent": "limits are a container's own: -m, --cpus, --pids-limit",
    "--cgroupns": "a container sees its own control group alone, as with Docker's private",
    "--cpu-period": _CPUS,
    "--cpu-quota": _CPUS,
    "--device-cgroup-rule": "--device gives it one; nodes that it makes itself open nothing",
    "--device-read-bps": _DISKS,
    "--device-read-iops": _DISKS,
    "--device-write-bps": _DISKS,
    "--device-write-iops": _DISKS,
    "--domainname": "-h takes a name with dots",
    "--gpus": "--device gives it the device nodes: --device /dev/dri/renderD128",
    "--ip6": "--ip chooses that of IPv6 too: it ends in the same number",
    "--ipc": "a container's is its own, with --shm-size; two share files by -v VOLUME:PATH",
    "--isolation": "that is of Windows",
    "--link": "--network NAME of both: each knows the others there by name",
    "--memory-swappiness": "--memory-swap",
    "--oom-kill-disable": "--oom-score-adj",
    "--pid": "a container sees its own processes alone: 'lxgit exec' joins them, 'lxgit top' lists",
    "--runtime": "containers run in LXC",
    "--storage-opt": _DISKS,
    "--uts": "a container's host name is its own: -h, --hostname",
    "--volume-driver": "a volume lies in the store",
}
_NETWORK = "a network is a bridge of this host: --subnet, --gateway, --ip-range, --internal"
INSTEAD = {
    "run": _RUN,
    "create": _RUN,
    "network create": dict.fromkeys(
        ("-o", "--opt", "--attachable", "--ipam-driver", "--scope", "--ingress"), _NETWORK
    ),
}
