"""Which containers a listing shows: Docker's filters (docs.docker.com, "docker container ls").

A filter is `KEY=VALUE`. Several of one key ask for any of them, of different keys for all; each
`label` must be there.
"""

from __future__ import annotations

import re
from functools import cache, partial

from lxgit.errors import UsageError
from lxgit.objects.ids import hex_id
from lxgit.operations.lookup import find_commit, find_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

    Test = Callable[[Container], bool]

ABOUT_ALL = ("status=", "exited=")
"""Filters that look at stopped containers too, without `-a`, as in Docker."""

STATES = ("created", "running", "paused", "restarting", "exited")
_HEALTHS = ("starting", "healthy", "unhealthy", "none")

DAMAGED = "damaged"
"""In the place of the driver of a volume or a network whose description cannot be read."""


def parse_filters(filters: Iterable[str], known: Sequence[str]) -> dict[str, list[str]]:
    """The values that each key is to have. UsageError for what is no `KEY=VALUE` of a known key."""
    found: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in known:
            raise UsageError(
                f"'{text}' is no filter", hint=f"KEY=VALUE, with a KEY of {', '.join(known)}"
            )
        found.setdefault(key, []).append(value)
    return found


def container_test(repository: Repository, filters: Iterable[str]) -> Test:
    """Whether a container passes the filters. UsageError, and errors of the names in them."""
    tests = [
        _all_of(partial(_has_label, value) for value in values)
        if key == "label"
        else _any_of(_TESTS[key](repository, value) for value in values)
        for key, values in parse_filters(filters, (*_TESTS, "label")).items()
    ]
    return _all_of(tests)


def _any_of(tests: Iterable[Test]) -> Test:
    listed = list(tests)
    return lambda container: any(test(container) for test in listed)


def _all_of(tests: Iterable[Test]) -> Test:
    listed = list(tests)
    return lambda container: all(test(container) for test in listed)


def _has_label(wanted: str, container: Container) -> bool:
    return has_label(container.config.labels, wanted)


def has_label(labels: Iterable[str], wanted: str) -> bool:
    """Whether labels, `NAME=VALUE`, have one of that name, or of that name and value."""
    return any(wanted in (label, label.partition("=")[0]) for label in labels)


def _name(_: Repository, value: str) -> Test:
    try:
        pattern = re.compile(value)
    except re.error as error:
        raise UsageError(f"'{value}' is no pattern: {error}", hint="--filter name=web") from None
    return lambda container: pattern.search(container.config.name) is not None


def _id(_: Repository, value: str) -> Test:
    return lambda container: container.id.startswith(value)


def _status(_: Repository, value: str) -> Test:
    if value not in STATES:
        raise UsageError(f"there is no status '{value}'", hint=f"one of {', '.join(STATES)}")

    def has_status(container: Container) -> bool:
        state = container.state
        return value == ("paused" if state.paused else state.status)

    return has_status


def _exited(_: Repository, value: str) -> Test:
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
        raise UsageError(f"'{value}' is no exit code", hint="--filter exited=137")

    def exited(container: Container) -> bool:
        state = container.state
        return state.status == "exited" and state.exit_code == int(value)

    return exited


def _ancestor(repository: Repository, value: str) -> Test:
    """Standing on that commit, or on one that descends from it."""
    commit = hex_id(find_commit(repository, value))

    @cache
    def descends(tip: str) -> bool:
        command = ["rev-list", "--max-count=1", commit, "--not", tip, "--"]
        return not repository.git.run(command)

    return lambda container: descends(container.config.commit)


def _before(repository: Repository, value: str) -> Test:
    other = find_container(repository, value).config.created
    return lambda container: container.config.created < other


def _since(repository: Repository, value: str) -> Test:
    other = find_container(repository, value).config.created
    return lambda container: container.config.created > other


def _network(_: Repository, value: str) -> Test:
    return lambda container: value in container.config.networks


def _volume(_: Repository, value: str) -> Test:
    """By a volume's name, a path of the host, or the place in the container."""
    return lambda container: any(
        value in (mount.source, mount.target) for mount in container.config.mounts
    )


def _health(_: Repository, value: str) -> Test:
    if value not in _HEALTHS:
        raise UsageError(f"there is no health '{value}'", hint=f"one of {', '.join(_HEALTHS)}")

    def has_health(container: Container) -> bool:
        health = container.state.health
        return value == ("none" if health is None else health.status)

    return has_health


def _publish(_: Repository, value: str) -> Test:
    """By a port of the container that the host passes on now."""
    from lxgit.runtime.network.publishing import Port

    wanted = {*Port.all_of(value)}

    def publishes(container: Container) -> bool:
        endpoint = container.state.endpoint
        found = endpoint.publications if endpoint is not None else ()
        return any(one.port in wanted for one in found)

    return publishes


def _expose(_: Repository, value: str) -> Test:
    from lxgit.runtime.network.publishing import Port

    wanted = {*map(str, Port.all_of(value))}
    return lambda container: not wanted.isdisjoint(container.config.exposed)


_TESTS: dict[str, Callable[[Repository, str], Test]] = {
    "name": _name,
    "id": _id,
    "status": _status,
    "exited": _exited,
    "ancestor": _ancestor,
    "before": _before,
    "since": _since,
    "network": _network,
    "volume": _volume,
    "health": _health,
    "publish": _publish,
    "expose": _expose,
}


def complete_filters(unfinished: str) -> list[str]:
    """What may stand in place of an unfinished filter of containers: for completion."""
    if "=" not in unfinished:
        return [f"{key}=" for key in (*_TESTS, "label")]
    return [*(f"status={state}" for state in STATES), *(f"health={one}" for one in _HEALTHS)]
