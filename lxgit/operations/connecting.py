"""Containers are put on networks, and taken off them, at once where they run."""

from __future__ import annotations

import os
from contextlib import contextmanager

from lxgit.errors import LxgitError
from lxgit.operations.finding import tries
from lxgit.operations.lookup import find_container
from lxgit.operations.networks import kept_networks, require_root
from lxgit.operations.wantednetwork import checked_attachment
from lxgit.records import replace
from lxgit.runtime import networks as records
from lxgit.runtime.config import CREATED, NO_BRIDGE, RESTARTING
from lxgit.runtime.containers import edited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.config import Attachment, ContainerConfig
    from lxgit.runtime.containers import Container
    from lxgit.runtime.networks import Network


class NotConnected(LxgitError):
    """A container that is not on a network, and is to leave it."""


class CannotConnect(LxgitError):
    """A container that cannot come to a network, or leave it, as it is."""


def connect(
    repository: Repository,
    network: str,
    container: str,
    *,
    aliases: tuple[str, ...] = (),
    address: str = "",
) -> None:
    """Put a container on a further network, at once where it runs.

    CannotConnect, RootsAlone, NoSuchNetwork, NoSuchContainer, UsageError, and what `run` raises.
    """
    if network in NO_BRIDGE:
        raise CannotConnect(
            f"a container has --network {network} from its beginning, or not at all",
            hint=f"'lxgit run --network {network}' makes one",
        )
    require_root()
    with kept_networks(repository, [network]), _settled(repository, container) as now:
        found = records.find(repository.networks_dir, network)
        attachment = checked_attachment(found, aliases, address)
        config = _with(now.config, attachment)
        with _plugged(repository, now, attachment, found):
            now.configured(config)
        records.tell(repository.networks_dir, found.name, "connect", container=now.id)


@contextmanager
def _settled(repository: Repository, name: str) -> Iterator[Container]:
    """A container that nobody else changes, and that `run` or its keeper is not just starting.

    By then they have read which networks it is to have. NotRunning when it goes on for long.
    """
    found = find_container(repository, name)
    for _ in tries(found):
        with edited(found) as now:
            if not _is_being_started(now):
                yield now
                return


def _is_being_started(container: Container) -> bool:
    state = container.recorded_state()
    begins = state.status == CREATED or (state.status == RESTARTING and state.supervisor is None)
    return begins and container.is_locked


@contextmanager
def _plugged(
    repository: Repository, container: Container, attachment: Attachment, network: Network
) -> Iterator[None]:
    """Have a container on a network from now on where it runs, unless writing that down fails."""
    state = container.state
    if state.is_alive:
        _require_bridge(container)
    if state.pid is None or not state.is_alive:
        yield
        return
    from lxgit.runtime.network import joining

    store = _path(repository)
    joining.connect(store, container.config, attachment, network, state.pid)
    try:
        yield
    except BaseException:
        joining.disconnect(store, container.id, network, state.pid)
        raise


def _require_bridge(container: Container) -> None:
    """CannotConnect for one that runs, and was not made ready for networks."""
    if not container.config.attachments and container.state.status != RESTARTING:
        name = container.config.name
        raise CannotConnect(
            f"container '{name}' runs with --network {container.config.network}",
            hint=f"'lxgit stop {name}' first",
        )


def _with(config: ContainerConfig, attachment: Attachment) -> ContainerConfig:
    """A container on one more network. CannotConnect."""
    from lxgit.runtime.network.joining import MOST

    name, network = config.name, attachment.network
    if config.network in ("host", "user") or config.shares:
        raise CannotConnect(
            f"container '{name}' has --network {config.network}, and can have no other",
            hint=f"'lxgit run --network {network}' makes one that has",
        )
    if network in config.networks:
        raise CannotConnect(
            f"container '{name}' is on network '{network}' already",
            hint=f"'lxgit network disconnect {network} {name}' takes it off",
        )
    if len(config.attachments) >= MOST:
        raise CannotConnect(f"container '{name}' is on {MOST} networks, the most that it can be on")
    return _attached(config, (*config.attachments, attachment))


def _attached(config: ContainerConfig, attachments: Sequence[Attachment]) -> ContainerConfig:
    """A container with these networks in the place of what it had."""
    if not attachments:
        return replace(config, network="none", aliases=(), address="", mac="", connected=())
    first, *others = attachments
    return replace(
        config,
        network=first.network,
        aliases=first.aliases,
        address=first.address,
        mac=first.mac,
        connected=tuple(others),
    )


def disconnect(
    repository: Repository, network: str, container: str, *, force: bool = False
) -> None:
    """Take a container off a network, at once where it runs. One that has none left has "none".

    NotConnected, unless with `force`; CannotConnect, NoSuchNetwork, NoSuchContainer.
    """
    with _settled(repository, container) as now:
        found = records.find(repository.networks_dir, network)
        attachments, name = now.config.attachments, now.config.name
        left = [one for one in attachments if one.network != found.name]
        if len(left) == len(attachments):
            if force:
                return
            raise NotConnected(
                f"container '{name}' is not on network '{found.name}'",
                hint=f"'lxgit inspect {name}' shows where it is",
            )
        state = now.state
        if state.is_alive:
            _require_spare(now, found)
            from lxgit.runtime.network import joining

            joining.disconnect(_path(repository), now.id, found, state.pid)
        now.configured(_attached(now.config, left))
        records.tell(repository.networks_dir, found.name, "disconnect", container=now.id)


def _require_spare(container: Container, network: Network) -> None:
    """CannotConnect if a running container's ports, or all that it has, hang on a network."""
    config, first = container.config, container.config.attachments[0]
    if first.network == network.name and config.publishes:
        raise CannotConnect(
            f"container '{config.name}' has its published ports from network '{network.name}'",
            hint=f"'lxgit stop {config.name}' first",
        )


def _path(repository: Repository) -> str:
    """The store's path, as bridges are named by it."""
    return os.path.realpath(repository.path)
