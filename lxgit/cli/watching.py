"""Commands that watch: events, top, stats."""

from __future__ import annotations

import os

from lxgit.cli.options import Filters, NoTrunc, format_option
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.session import Session
from lxgit.lean import NANOSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lxgit.cli.output import Output
    from lxgit.operations.events import Event
    from lxgit.operations.stats import Statistics


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
        str,
        option(
            "--format",
            help="json, or a template: '{{.Action}}'",
            metavar="FORMAT",
            completes="json",
        ),
    ] = "",
) -> None:
    """Tell what happens to containers, images, volumes and networks, as it does: Ctrl-C ends it.

    Filters: container, image, volume, network, label, type, event (create, start, die, oom, pause,
    …). The last few thousand events are known.
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
    return printable(line.replace("\n", " "))


def _fields(event: Event) -> Mapping[str, object]:
    return {
        "Type": event.type,
        "Action": event.action,
        "ID": event.id,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "Time": event.time // NANOSECONDS,
        "TimeNano": event.time,
    }


@command(
    options_first=True,
    examples=(
        ("lxgit top web", ""),
        ("lxgit top web -o pid,rss,comm", "columns of ps(1); the PID is among them"),
    ),
)
def top(
    session: Session,
    container: Annotated[str, argument("CONTAINER", help="a running one", completes="container")],
    options: Annotated[tuple[str, ...], argument("PS_OPTION", help="for ps; -ef by default")] = (),
) -> None:
    """Show the processes of a running container, as the host's ps does: its ids are the host's."""
    from lxgit.cli.tables import write_table
    from lxgit.operations.stats import top

    head, *rows = top(session.repository(), container, options)
    write_table(session.out, head, rows)


_STATS = {
    "ID": "ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
    "Container": "CONTAINER",
}
_STATS_COLUMNS = tuple(_STATS)[:-1]
_REDRAW = "\x1b[H\x1b[2J"


@command(
    examples=(
        ("lxgit stats --no-stream", "once, of all that run"),
        ("lxgit stats --no-stream --format '{{.Name}} {{.MemUsage}}' web", ""),
        ("lxgit stats --no-stream --format json", "for programs"),
    )
)
def stats(
    session: Session,
    containers: Annotated[
        tuple[str, ...], argument("CONTAINER", help="names or ids", completes="container")
    ] = (),
    no_stream: Annotated[bool, option("--no-stream", help="once, and not every second")] = False,
    no_trunc: NoTrunc = False,
    format_: Annotated[str, format_option("Name")] = "table",
) -> None:
    """Show what running containers use of the host, every second: Ctrl-C ends it."""
    from lxgit.operations.stats import statistics

    redraw = _REDRAW if format_ == "table" and os.isatty(session.out.fd) else ""
    interval = 0.3 if no_stream else 1.0
    for rows in statistics(session.repository(), containers, interval):
        session.out.write("" if no_stream else redraw)
        _write_stats(session.out, rows, format_, no_trunc=no_trunc)
        session.out.flush()
        if no_stream:
            return


def _write_stats(out: Output, rows: list[Statistics], format_: str, *, no_trunc: bool) -> None:
    from lxgit.cli.formats import write_listing

    write_listing(
        out,
        format_,
        (_stats_fields(row, no_trunc=no_trunc) for row in rows),
        head=_STATS,
        columns=_STATS_COLUMNS,
        fields=(row._asdict() for row in rows),
    )


def _stats_fields(row: Statistics, *, no_trunc: bool) -> dict[str, str]:
    from lxgit.cli.human import size
    from lxgit.cli.tables import short_id

    return {
        "ID": short_id(row.id, whole=no_trunc),
        "Container": short_id(row.id, whole=no_trunc),
        "Name": row.name,
        "CPUPerc": f"{row.cpu:.2f}%",
        "MemUsage": f"{size(row.memory)} / {size(row.memory_limit)}",
        "MemPerc": f"{100 * row.memory / row.memory_limit:.2f}%",
        "NetIO": f"{size(row.received)} / {size(row.sent)}",
        "BlockIO": f"{size(row.read)} / {size(row.written)}",
        "PIDs": str(row.pids),
    }
