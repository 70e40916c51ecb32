"""`container prune`: delete the containers that do not run."""

from __future__ import annotations

from contextlib import suppress

from lxgit.lean import NANOSECONDS
from lxgit.operations.containerrows import ContainerStatus
from lxgit.operations.containers import list_containers, remove_container, what_goes
from lxgit.operations.lookup import AlreadyRunning
from lxgit.operations.selecting import has_label, parse_filters
from lxgit.runtime.index import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.values import RemovedContainer
    from lxgit.repository import Repository


def prunable(
    repository: Repository, filters: Iterable[str], moment: Callable[[str], int]
) -> list[ContainerRow]:
    """The containers that do not run and pass the filters, with sizes; the newest first.

    `moment` reads a point in time, in nanoseconds since 1970. UsageError for what is no filter.
    """
    wanted = parse_filters(filters, ("until", "label", "label!"))
    before = min((moment(text) for text in wanted.get("until", ())), default=None)
    return [
        row
        for row in list_containers(repository, everything=True, sizes=True).rows
        if row.state in (ContainerStatus.CREATED, ContainerStatus.EXITED)
        and (before is None or row.created * NANOSECONDS < before)
        and all(has_label(row.labels, text) for text in wanted.get("label", ()))
        and not any(has_label(row.labels, text) for text in wanted.get("label!", ()))
    ]


def what_pruning_takes(
    repository: Repository, rows: Iterable[ContainerRow]
) -> Iterator[RemovedContainer]:
    """What would go with each of the containers, but for those that have gone meanwhile."""
    for row in rows:
        with suppress(NoSuchContainer):
            yield what_goes(repository, row.id)


def prune_containers(
    repository: Repository, rows: Iterable[ContainerRow]
) -> Iterator[RemovedContainer]:
    """Delete containers, one after another; one that has been started meanwhile stays."""
    for row in rows:
        with suppress(AlreadyRunning, NoSuchContainer):
            yield remove_container(repository, row.id, force=False)
