"""`events`: what has happened in a store, and what happens (eventlog.py)."""

from __future__ import annotations

from lxgit import eventlog
from lxgit.operations.selecting import has_label, parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.repository import Repository

Event = eventlog.Event

_KEYS = ("container", "event", "image", "label", "network", "type", "volume")


def events(
    repository: Repository,
    *,
    since: int | None = None,
    until: int | None = None,
    filters: Iterable[str] = (),
) -> Iterator[Event | None]:
    """The events after `since`, by default from now on, up to `until`, if ever it comes.

    Times are in nanoseconds since 1970. None comes whenever nothing has happened for a moment.
    UsageError for what is no filter.
    """
    wanted = parse_filters(filters, _KEYS)
    coming = eventlog.coming(repository.path, until)
    seen: set[tuple[int, str, str, str]] = set()
    if since is not None:
        first = next(coming)  # from here on nothing is missed
        assert first is None
        for event in eventlog.past(repository.path):
            seen.add(event[:4])
            if event.time >= since and (until is None or event.time < until):
                yield from _passing(event, wanted)
    for coming_event in coming:
        if coming_event is None:
            yield None
        elif since is not None and coming_event.time < since:
            continue
        elif coming_event[:4] not in seen:  # not by time: whoever has told may have been held up
            yield from _passing(coming_event, wanted)


def _passing(event: Event, wanted: dict[str, list[str]]) -> Iterator[Event]:
    if all(_passes(event, key, values) for key, values in wanted.items()):
        yield event


def _passes(event: Event, key: str, values: list[str]) -> bool:
    match key:
        case "event":
            return event.action in values or event.action.partition(":")[0] in values
        case "type":
            return event.type in values
        case "label":
            labels = [f"{name}={value}" for name, value in event.attributes.items()]
            return all(has_label(labels, value) for value in values)
        case "image" if event.type == "container":
            image = event.attributes.get("image", "")
            return any(value in (image, image.removesuffix(":latest")) for value in values)
    if event.type != key:
        return False
    name = event.attributes.get("name", event.id)
    return any(
        value in (name, name.removesuffix(":latest")) or event.id.startswith(value)
        for value in values
        if value
    )
