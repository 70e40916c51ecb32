"""Containers as the command line shows them: lines of `ps`, and of what is told of one."""

from __future__ import annotations

from lxgit.enums import Enum
from lxgit.lean import NANOSECONDS
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.runtime.containers import Container


class ContainerStatus(Enum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    RESTARTING = "restarting"
    EXITED = "exited"


class ContainerRow(NamedTuple):
    """A line of `ps`. Times are seconds since 1970; `id` has 64 digits."""

    id: str
    name: str
    image: str
    """As the user named it when it was started, `base` as `base:latest`."""
    branch: str | None
    commit: str
    command: tuple[str, ...]
    created: float
    state: ContainerStatus
    started: float | None
    finished: float | None
    exit_code: int | None
    ports: tuple[str, ...] = ()
    """As Docker shows them: `49153->4444`."""
    labels: tuple[str, ...] = ()
    """`NAME=VALUE` each."""
    health: str = ""
    """`starting`, `healthy` or `unhealthy`; empty where nothing is checked."""
    networks: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    """Names of volumes and paths of the host that are mounted in it."""
    volumes: tuple[str, ...] = ()
    size: int | None = None
    """What its files in the upper directory have, in bytes; None where nobody asked."""
    virtual_size: int | None = None
    """That, and what the files of its image have."""

    @property
    def runs(self) -> bool:
        """Whether it is under way, be it at a standstill."""
        return self.state in (ContainerStatus.RUNNING, ContainerStatus.PAUSED)


def row_of(container: Container) -> ContainerRow:
    """A container as the command line shows it."""
    config, state = container.config, container.state
    return ContainerRow(
        id=container.id,
        name=config.name,
        image=config.image,
        branch=config.branch,
        commit=config.commit,
        command=config.command,
        created=config.created / NANOSECONDS,
        state=ContainerStatus.PAUSED if state.paused else ContainerStatus(state.status),
        started=state.started / NANOSECONDS if state.started is not None else None,
        finished=state.finished / NANOSECONDS if state.finished is not None else None,
        exit_code=state.exit_code,
        ports=tuple(state.endpoint.shown) if state.endpoint is not None else (),
        labels=config.labels,
        health=state.health.status if state.health is not None else "",
        networks=config.networks,
        mounts=tuple(mount.source for mount in config.mounts if mount.source),
        volumes=tuple(mount.source for mount in config.mounts if mount.kind == "volume"),
    )
