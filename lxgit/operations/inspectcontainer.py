"""A container as `inspect` shows it: Docker's keys, with `Parent` and `ContainerConfig` of 2013."""

from __future__ import annotations

import time

from lxgit.lean import NANOSECONDS, calendar_time
from lxgit.operations.hostconfig import host_config
from lxgit.operations.inspectnetwork import endpoints_of, network_settings
from lxgit.runtime.config import RESTARTING, RUNNING
from lxgit.runtime.mounts import BIND, PRIVATE, TMPFS, VOLUME
from lxgit.runtime.network.publishing import Publication
from lxgit.runtime.volumes import is_anonymous

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from lxgit.repository import Repository
    from lxgit.runtime.config import ContainerConfig, ContainerState
    from lxgit.runtime.containers import Container
    from lxgit.runtime.health import Health, HealthCheck
    from lxgit.runtime.mounts import Mount

_NEVER = "0001-01-01T00:00:00Z"  # as Docker writes it


def container_values(repository: Repository, container: Container) -> dict[str, Any]:
    """Everything about a container, as JSON has it."""
    config, state = container.config, container.state
    settings = _settings(config)
    return {
        "Id": container.id,
        "Name": config.name,
        "Created": moment(config.created),
        "Path": config.command[0],
        "Args": list(config.command[1:]),
        "State": _state(state),
        "RestartCount": state.restarts,
        "Platform": "linux",
        "Driver": "overlay",
        "Image": config.commit,
        "Parent": config.commit,
        "Branch": config.branch or "",
        "Config": settings,
        "ContainerConfig": settings,
        "HostConfig": _host_config(config),
        "Mounts": [_mount(repository, mount) for mount in config.mounts if mount.kind != TMPFS],
        "NetworkSettings": network_settings(
            config, state.endpoint, endpoints_of(container), repository.networks_dir
        ),
        "GraphDriver": {
            "Name": "overlay",
            "Data": {"Layers": list(config.stack), "UpperDir": str(container.upper)},
        },
        "LogPath": str(container.path / "log"),
    }


def _settings(config: ContainerConfig) -> dict[str, Any]:
    return {
        "Hostname": config.hostname,
        "User": config.user,
        "Tty": config.tty,
        "OpenStdin": config.stdin_open,
        "Env": list(config.environment),
        "Cmd": list(config.command),
        "WorkingDir": config.working_dir,
        "Image": config.image,
        "ExposedPorts": {port: {} for port in config.exposed},
        "Labels": dict(label.partition("=")[::2] for label in config.labels),
        "Healthcheck": _check(config.health),
        "StopSignal": config.stop_signal or "SIGTERM",
        "StopTimeout": 10 if config.stop_timeout is None else config.stop_timeout,
    }


def _health(health: Health | None) -> dict[str, Any] | None:
    if health is None:
        return None
    return {
        "Status": health.status,
        "FailingStreak": health.failures,
        "Log": [
            {
                "Start": moment(one.begin),
                "End": moment(one.end),
                "ExitCode": one.exit_code,
                "Output": one.output,
            }
            for one in health.log
        ],
    }


def _check(check: HealthCheck | None) -> dict[str, Any] | None:
    """What is asked for; times in nanoseconds, as Docker has them."""
    if check is None:
        return None
    return {
        "Test": ["CMD", *check.command],
        "Interval": round(check.interval * NANOSECONDS),
        "Timeout": round(check.timeout * NANOSECONDS),
        "StartPeriod": round(check.start_period * NANOSECONDS),
        "Retries": check.retries,
    }


def _state(state: ContainerState) -> dict[str, Any]:
    return {
        "Status": "paused" if state.paused else state.status,
        "Running": state.status == RUNNING,
        "Paused": state.paused,
        "Restarting": state.status == RESTARTING,
        "OOMKilled": state.oom_killed,
        "PidsLimitReached": state.pids_refused,
        "Pid": state.pid or 0,
        "ExitCode": state.exit_code if state.exit_code is not None else 0,
        "Error": state.error or "",
        "Health": _health(state.health),
        "StartedAt": moment(state.started),
        "FinishedAt": moment(state.finished),
    }


def _host_config(config: ContainerConfig) -> dict[str, Any]:
    return {
        **host_config(config),
        "Binds": [_bind(mount) for mount in config.mounts if _is_bind(mount)],
        "PortBindings": _port_map(map(Publication.parsed, config.publish)),
        "PublishAllPorts": config.publish_all,
        "Dns": list(config.dns),
        "DnsSearch": list(config.dns_search),
        "DnsOptions": list(config.dns_options),
        "ExtraHosts": list(config.extra_hosts),
        "ReadonlyRootfs": config.read_only,
        "Tmpfs": {mount.target: "" for mount in config.mounts if mount.kind == TMPFS},
    }


def _is_bind(mount: Mount) -> bool:
    """Whether `-v` could say it; unlike Docker's this has what came by --mount as well."""
    return mount.kind == BIND or (
        mount.kind == VOLUME and not mount.subpath and not is_anonymous(mount.source)
    )


def _bind(mount: Mount) -> str:
    """As `-v` takes it."""
    options = ["ro"] if mount.read_only else []
    if mount.kind == BIND and mount.propagation != PRIVATE:
        options.append(mount.propagation)
    if mount.kind == VOLUME and not mount.fill:
        options.append("nocopy")
    return ":".join(filter(None, (mount.source, mount.target, ",".join(options))))


def _mount(repository: Repository, mount: Mount) -> dict[str, Any]:
    values = {
        "Type": mount.kind,
        "Source": mount.source,
        "Destination": mount.target,
        "Mode": "ro" if mount.read_only else "",
        "RW": not mount.read_only,
    }
    if mount.kind == VOLUME:
        data = repository.volumes_dir / mount.source / "data"
        named = {"Name": mount.source, "Driver": "local", "Propagation": ""}
        part = {"Subpath": mount.subpath} if mount.subpath else {}
        return {**values, **named, **part, "Source": str(data)}
    return {**values, "Propagation": mount.propagation}


def _port_map(publications: Iterable[Publication]) -> dict[str, list[dict[str, str]]]:
    """`{"80/tcp": [{"HostIp": "", "HostPort": "49153"}]}`."""
    found: dict[str, list[dict[str, str]]] = {}
    for one in publications:
        binding = {"HostIp": one.host_ip, "HostPort": one.host_ports}
        found.setdefault(str(one.port), []).append(binding)
    return found


def moment(nanoseconds: int | None) -> str:
    """RFC 3339 with nine digits, as Docker has it."""
    if nanoseconds is None:
        return _NEVER
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    return time.strftime("%Y-%m-%dT%H:%M:%S", calendar_time(seconds)) + f".{fraction:09d}Z"
