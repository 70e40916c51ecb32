"""What a container may do to its host and what it may use of it, with Docker's keys."""

from __future__ import annotations

from lxgit.lean import NANOSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lxgit.runtime.config import ContainerConfig
    from lxgit.runtime.limits import Limits
    from lxgit.runtime.security import Security


def host_config(config: ContainerConfig) -> dict[str, Any]:
    """The `HostConfig` of `inspect`. What has no limit is 0, as in Docker."""
    from lxgit.runtime.security import Sysctl

    limits, security = config.limits, config.security
    return {
        "NetworkMode": config.network,
        "Privileged": config.privileged,
        "UsernsMode": "" if config.idmap is not None else "host",
        "IDMappings": [[e.inside, e.outside, e.count] for e in config.ids.extents],
        "Memory": limits.memory or 0,
        "MemorySwap": _with_swap(limits),
        "MemoryReservation": limits.memory_reservation or 0,
        "CpusetCpus": limits.cpuset or "",
        "NanoCpus": round((limits.cpus or 0) * NANOSECONDS),
        "CpuShares": limits.cpu_shares or 0,
        "PidsLimit": limits.pids or 0,
        "OomScoreAdj": config.oom_score,
        "ShmSize": config.shm_size,
        "GroupAdd": list(config.groups),
        "CapAdd": [name.upper() for name in security.cap_add],
        "CapDrop": [name.upper() for name in security.cap_drop],
        "SecurityOpt": list(_confinement(security)),
        "Devices": [_device(text) for text in security.devices],
        "Ulimits": [_ulimit(text) for text in security.ulimits],
        "Init": config.init,
        "RestartPolicy": {
            "Name": config.restart.name,
            "MaximumRetryCount": config.restart.most or 0,
        },
        "AutoRemove": config.remove,
        "LogConfig": {"Type": "lxgit", "Config": {"max-size": str(config.log_size or 0)}},
        "Sysctls": dict(Sysctl.of(text, config.network) for text in security.sysctls),
    }


def _confinement(security: Security) -> Iterator[str]:
    if security.no_new_privileges:
        yield "no-new-privileges"
    if security.seccomp:
        yield f"seccomp={security.seccomp}"
    if security.apparmor:
        yield f"apparmor={security.apparmor}"


def _with_swap(limits: Limits) -> int:
    """Twice the memory where nothing else was said."""
    return limits.memory_swap or 2 * (limits.memory or 0)


def _device(text: str) -> dict[str, str]:
    from lxgit.runtime.security import Device

    host, name, rights = Device.of(text)
    return {"PathOnHost": host, "PathInContainer": f"/dev/{name}", "CgroupPermissions": rights}


def _ulimit(text: str) -> dict[str, Any]:
    from lxgit.runtime.security import Ulimit

    name, soft, hard = Ulimit.of(text)
    return {"Name": name, "Soft": _number(soft), "Hard": _number(hard)}


def _number(limit: str) -> int:
    return -1 if limit == "unlimited" else int(limit)
