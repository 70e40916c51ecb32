"""An ordinary user's containers: who becomes root of a namespace, and what is refused there."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError
from lxgit.runtime.config import NO_BRIDGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.operations.creating import RunRequest
    from lxgit.repository import Repository


_LISTS = {".lock", ".names", ".ranges"}
"""What beside containers is where they are: their list, which whoever makes a branch has."""


class RootsAlone(LxgitError):
    """What the kernel gives to containers of the host's root alone."""

    exit_code = 125


def has_containers(repository: Repository) -> bool:
    """Whether there are files with owners as containers have them, not history alone."""
    places = (repository.layers_dir, repository.containers_dir, repository.volumes_dir)
    return any(place.is_dir() and set(os.listdir(place)) - _LISTS for place in places)


def become_root() -> None:
    """Be root of a namespace, unless this process is root already. NoNamespace."""
    if os.geteuid() != 0:
        from lxgit.runtime import rootless

        rootless.enter()


def check(request: RunRequest) -> None:
    """Raise RootsAlone if an ordinary user's container cannot have all that is asked for.

    LimitNotInForce for a limit that needs what was not given to the user, InvalidLimit, and
    UsageError for a network that nobody could ask for.
    """
    for option, hint in _refused(request):
        raise RootsAlone(f"{option} is for containers of root alone", hint=hint)
    limits = request.limits.applied()
    if limits.wanted():
        from lxgit.runtime import delegation

        delegation.check(limits, delegation.here())


def _refused(request: RunRequest) -> Iterator[tuple[str, str]]:
    """Each option that an ordinary user cannot have, and what to do."""
    as_root = "leave it out, or run lxgit as root"
    for one in request.networking.asked:
        if one.network not in NO_BRIDGE:
            hint = "--network user, the default of an ordinary user, or none"
            yield f"--network {one.network}", hint
    if any(given.endswith(":host-gateway") for given in request.networking.add_host):
        yield "--add-host NAME:host-gateway", "name an address of the host that others reach"
    if request.privileged:
        yield "--privileged", as_root
    if request.host_ids:
        yield "--userns=host", as_root
    if request.oom_score < 0:
        yield "--oom-score-adj below 0", as_root
    if request.security.devices:
        yield "--device", as_root
    if request.system:
        yield "--init-system", as_root
