"""What an undo has to do, or a redo: each name of the operation, where it is, and is to be."""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.operationlog import Stand
from lxgit.objects.refnames import BRANCHES, short_name
from lxgit.operations.pins import stash_owner
from lxgit.operations.standing import container_of, stand_now
from lxgit.runtime.containers import LostUpper
from lxgit.runtime.index import NoSuchContainer
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.objects.operationlog import Moved, Operation
    from lxgit.repository import Repository


class MovedSince(LxgitError):
    """A ref is not where the operation left it."""


class DamagedOperation(LxgitError):
    """The log of operations does not say all of what one has done."""


class GoneSince(LxgitError):
    """The store has not what a name or a container was: gc has dropped it, most of the time."""


class Step(NamedTuple):
    """A name, what it is expected to be, is, and is to be; values as `operationlog` has them."""

    moved: Moved
    expected: str | None
    now: str | None
    wanted: str | None

    @property
    def places(self) -> bool:
        """Whether it moves the files of a container."""
        return self.moved.container is not None and Stand.parse(self.wanted or "").shown is not None


def steps_of(repository: Repository, operation: Operation, *, redo: bool) -> Iterator[Step]:
    """What is to be done; MovedSince where a ref is neither what it was nor what it became.

    A container that has gone is no obstacle. ContainerRuns, LostUpper.
    """
    for each in all_steps(repository, operation, redo=redo):
        moved, expected, _, wanted = each
        owner = owner_of(moved)
        container = None if owner is None else container_of(repository, owner)
        if owner is not None and container is None:
            continue
        try:
            now = _now(repository, moved, expected, wanted)
        except NoSuchContainer:  # it has just been deleted
            continue
        step = each._replace(now=now)
        if now == wanted:
            continue
        if now == expected or step.places:
            if moved.container is not None and container is not None and container.has_lost_upper:
                raise LostUpper(container)  # it could not stand there, and names go first
            yield step
        elif moved.container is None:
            raise MovedSince(
                f"'{short_name(moved.name)}' has moved since '{operation.message}'",
                hint=f"'lxgit reflog {short_name(moved.name)}' lists where it was",
            )


def owner_of(moved: Moved) -> str | None:
    """The id of the container that this is about, or whose stash it is."""
    return moved.container or stash_owner(moved.name)


def all_steps(repository: Repository, operation: Operation, *, redo: bool) -> Iterator[Step]:
    """What is to be done where all is as it is expected.

    Containers that lost their branch when this was done the other way round are on it again.
    """
    for moved in operation.net() if redo else reversed(operation.net()):
        expected, wanted = (moved.old, moved.new) if redo else (moved.new, moved.old)
        yield Step(moved, expected, expected, wanted)
    if not any(moved.name.startswith(BRANCHES) for moved in operation.moved):
        return  # else of many that are passed over, each would read the whole log
    for moved in repository.operations.detached(operation, "undo" if redo else "redo"):
        yield Step(moved, moved.new, moved.new, moved.old)


def _now(
    repository: Repository, moved: Moved, expected: str | None, wanted: str | None
) -> str | None:
    """What a name is now."""
    if moved.container is not None:
        container = container_of(repository, moved.container)
        if container is None:
            return None
        stands = [Stand.parse(value or "") for value in (expected, wanted)]
        now = stand_now(repository, container, *stands)
        return None if now is None else now.text
    if moved.name == "HEAD":
        head = repository.refs.head()
        return head if isinstance(head, str) else hex_id(head)
    oid = repository.refs.read(moved.name)
    return None if oid is None else hex_id(oid)


def fault_of(
    repository: Repository, operation: Operation, steps: Sequence[Step], there: str
) -> DamagedOperation | GoneSince | None:
    """What keeps an operation from being undone or done again whole: what was before or after."""
    if operation.damaged:
        return DamagedOperation(f"the log of operations is damaged at '{operation.message}'")
    lost = next(_lost(repository, steps), None)
    if lost is None:
        return None
    return GoneSince(f"what was {there} '{operation.message}' is not in the store: {lost[:12]}")


def _lost(repository: Repository, steps: Sequence[Step]) -> Iterator[str]:
    """What is to be back and is no more."""
    for step in steps:
        yield from (oid for oid in _ids_of(step) if from_hex(oid) not in repository.objects)


def _ids_of(step: Step) -> list[str]:
    """The objects that have to be there for a step."""
    if step.wanted is None or step.wanted.startswith(BRANCHES):
        return []
    if step.moved.container is None:
        return [step.wanted]
    stand = Stand.parse(step.wanted)
    return [stand.commit, *([stand.shown] if stand.shown is not None else [])]
