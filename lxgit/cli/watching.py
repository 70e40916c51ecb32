"""Commands that watch: events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from lxgit.cli.options import Filters
from lxgit.cli.params import command, option
from lxgit.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lxgit.operations.events import Event


@command(
    examples=(
        ("lxgit events --since 1h --until 0s", "what happened in the last hour"),
        ("lxgit events --since 1h --until 0s --filter event=die --format json", ""),
        (
            "lxgit events --since 1h --until 0s -f type=container --format '{{.Action}} {{.ID}}'",
            "",
        ),
    )
)
def events(
    session: Session,
    since: Annotated[
        str | None,
        option("--since", help="from then on: 10m, or 2026-11-24T13:00", metavar="TIME"),
    ] = None,
    until: Annotated[
        str | None, option("--until", help="up to then; for ever by default", metavar="TIME")
    ] = None,
    filters: Filters = (),
    format_: Annotated[
        str, option("--format", help="json, or a template: '{{.Action}}'", metavar="FORMAT")
    ] = "",
) -> None:
    """Tell what happens to containers, images and volumes, as it does: Ctrl-C ends it.

    Filters: container, image, volume, label, type, event (create, start, die, oom, pause, …). The
    last few thousand events are known.
    """
    from lxgit.cli.moments import moment
    from lxgit.operations.events import events

    render = _renderer(format_)
    from_then = None if since is None else moment(since)
    up_to = None if until is None else moment(until)
    for event in events(session.repository(), since=from_then, until=up_to, filters=filters):
        if event is None:
            session.out.flush()
        else:
            session.out.line(render(event))


def _renderer(format_: str) -> Callable[[Event], str]:
    from lxgit.cli.templatefuncs import as_json
    from lxgit.cli.templates import Template

    if not format_:
        return _line
    if format_ == "json":
        return lambda event: as_json(_fields(event))
    template = Template(format_)
    return lambda event: template.render(_fields(event))


def _line(event: Event) -> str:
    """As Docker has it: `2026-11-24T22:04:56.324336615Z container start 4637… (name=web)`."""
    from lxgit.cli.moments import nanosecond_stamp
    from lxgit.cli.report import printable

    told = ", ".join(f"{name}={value}" for name, value in sorted(event.attributes.items()))
    line = f"{nanosecond_stamp(event.time)} {event.type} {event.action} {event.id} ({told})"
    return printable(line).replace("\n", " ")


def _fields(event: Event) -> Mapping[str, object]:
    return {
        "Type": event.type,
        "Action": event.action,
        "ID": event.id,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "Time": event.time // 10**9,
        "TimeNano": event.time,
    }
