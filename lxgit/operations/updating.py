"""`update`: other limits and another restart policy for containers that there are."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.operations.lookup import find_container
from lxgit.records import replace
from lxgit.runtime.config import RUNNING
from lxgit.runtime.containers import edited
from lxgit.runtime.restarts import RestartPolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.limiting import WantedLimits
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container
    from lxgit.runtime.limits import Limits


class GoesAtItsEnd(LxgitError):
    """A policy that is to start again what is deleted when it ends."""


def policy_of(text: str | None) -> RestartPolicy | None:
    """A restart policy as it is typed. InvalidPolicy."""
    return None if text is None else RestartPolicy.of(text)


def update(
    repository: Repository,
    name: str,
    wanted: WantedLimits,
    policy: RestartPolicy | None,
    progress: Progress,
) -> None:
    """Give a container other limits, at once where it runs, and another restart policy.

    Raises InvalidLimit, GoesAtItsEnd and NoSuchContainer before anything is changed, and
    LimitNotInForce.
    """
    container = find_container(repository, name)
    if policy is not None and policy.keeps and container.config.remove:
        raise GoesAtItsEnd(
            f"container '{container.config.name}' was run with --rm: it goes when it ends",
            hint="'lxgit run' without --rm makes one that stays",
        )
    with edited(container) as now:
        limits, state = wanted.applied(now.config.limits), now.state
        if state.status == RUNNING:
            _change(now, limits)
        restart = policy or now.config.restart
        new = now.configured(replace(now.config, limits=limits, restart=restart))
        if state.status != RUNNING and now.recorded_state().status == RUNNING:
            try:  # it has begun meanwhile, and may not have looked, or too early
                _change(now, limits)
            except BaseException:  # its supervisor, which looks later, would end it
                now.configured(now.config)
                raise
        new.tell("update")
    if policy is not None and policy.keeps and state.status == RUNNING and not state.kept:
        name = now.config.name
        progress.warn(
            f"container '{name}' was started without a policy: '{policy.name}' holds from its next"
            f" start, as by 'lxgit restart {name}'"
        )


def _change(container: Container, limits: Limits) -> None:
    """Change those in force; there are none of one whose end is about to be recorded."""
    from lxgit.runtime.enforcement import Enforcement
    from lxgit.runtime.usage import has_none_left

    if has_none_left(container):
        return
    Enforcement(container.id, container.config.limits).change(limits)
