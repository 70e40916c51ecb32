"""Commands about what runs: attach, logs, stop, kill, pause, wait, restart, rename."""

from __future__ import annotations

from lxgit.cli.detaching import DetachKeys, SigProxy, exit_code, key_sequence
from lxgit.cli.options import AsFormat
from lxgit.cli.params import Annotated, argument, command, option
from lxgit.cli.report import Faults, for_each
from lxgit.cli.session import Session
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.operations.logs import Piece
    from lxgit.operations.running import Stop

Container = Annotated[str, argument("CONTAINER", help="a name or an id", completes="container")]
Containers = Annotated[
    tuple[str, ...], argument("CONTAINER", help="names or ids", completes="container")
]
StopSignal = Annotated[
    str | None,
    option("-s", "--signal", help="what is sent first; its own by default", metavar="SIGNAL"),
]
Patience = Annotated[
    int | None,
    option(
        "-t",
        "--time",
        "--timeout",
        help="seconds until it is killed; 10 by default, -1 for never",
        metavar="SECONDS",
    ),
]


@command(
    examples=(
        ("lxgit logs web", ""),
        ("lxgit logs --tail 5 -t web", "the last five lines, with their times"),
        ("lxgit logs --since 10m web", "of the last ten minutes"),
        ("lxgit logs -f web", "what comes too, until it ends"),
    )
)
def logs(
    session: Session,
    container: Container,
    follow: Annotated[bool, option("-f", "--follow", help="go on until it ends")] = False,
    tail: Annotated[
        str, option("-n", "--tail", help="the last lines only", metavar="COUNT|all")
    ] = "all",
    since: Annotated[
        str | None,
        option("--since", help="what came after: 10m, or 2026-11-24T13:00", metavar="TIME"),
    ] = None,
    until: Annotated[str | None, option("--until", help="what came before", metavar="TIME")] = None,
    timestamps: Annotated[
        bool, option("-t", "--timestamps", help="when each line came, in UTC")
    ] = False,
) -> None:
    """Print what a container has written, each stream to its own."""
    from lxgit.cli.moments import moment
    from lxgit.cli.output import Output
    from lxgit.cli.parse import whole_number
    from lxgit.operations.logs import Wanted, logs

    if tail != "all" and not tail.isdecimal():
        raise UsageError(f"'{tail}' is no number of lines", hint="--tail 10, or --tail all")
    wanted = Wanted(
        tail=None if tail == "all" else whole_number("--tail", tail),
        since=None if since is None else moment(since),
        until=None if until is None else moment(until),
        follow=follow,
    )
    errors = Output(2)
    last = session.out
    for piece in logs(session.repository(), container, wanted):
        out = errors if piece.is_error else session.out
        if out is not last or follow:
            last.flush()  # in the order in which they came
            last = out
        out.write(_stamped(piece) if timestamps else piece.data)
        if follow:
            out.flush()
    errors.flush()


def _stamped(piece: Piece) -> bytes:
    if not piece.begins_line:
        return piece.data
    from lxgit.cli.moments import nanosecond_stamp

    return nanosecond_stamp(piece.time).encode() + b" " + piece.data


@command(
    examples=(
        ("lxgit attach web", "Ctrl-p Ctrl-q leaves a container with a terminal"),
        ("lxgit attach --no-stdin web", "look only"),
    )
)
def attach(
    session: Session,
    container: Container,
    no_stdin: Annotated[bool, option("--no-stdin", help="send nothing of what is typed")] = False,
    sig_proxy: SigProxy = True,
    detach_keys: DetachKeys = None,
) -> int:
    """Connect this terminal to a running container, until it ends; its exit code is ours."""
    from lxgit.operations.running import attach
    from lxgit.operations.values import Streams

    stdin, keys = None if no_stdin else 0, key_sequence(detach_keys)
    streams = Streams(stdin, 1, 2, None, keys, keeps_signals=not sig_proxy)
    return exit_code(session, attach(session.repository(), container, streams))


@command(
    examples=(
        ("lxgit stop web", ""),
        (
            "lxgit stop -t 1 $(lxgit ps -q)",
            "all there are; who has not ended in a second is killed",
        ),
    )
)
def stop(
    session: Session,
    containers: Containers,
    patience: Patience = None,
    signal: StopSignal = None,
) -> int:
    """End running containers: SIGTERM, or their own stop signal, then SIGKILL."""
    from lxgit.operations.running import begin_stop, finish_stop

    repository, how, faults = session.repository(), _how(patience, signal), Faults(session)
    asked = []
    for name in containers:
        with faults:
            asked.append((name, begin_stop(repository, name, how)))
    for name, stopping in asked:
        with faults:
            finish_stop(stopping)
            session.out.line(name)
    return faults.exit_code


def _how(seconds: int | None, signal: str | None) -> Stop:
    from lxgit.cli.moments import patience
    from lxgit.operations.running import Stop
    from lxgit.operations.signals import signal_number

    waits = patience("--time", seconds)
    return Stop(waits, None if signal is None else signal_number(signal))


@command(
    examples=(
        ("lxgit kill web", ""),
        ("lxgit kill -s HUP web", "have it read its configuration anew"),
    )
)
def kill(
    session: Session,
    containers: Containers,
    signal: Annotated[
        str, option("-s", "--signal", help="by name or number", metavar="SIGNAL")
    ] = "KILL",
) -> int:
    """Send running containers a signal, SIGKILL by default."""
    from lxgit.operations.running import kill
    from lxgit.operations.signals import signal_number

    repository, number = session.repository(), signal_number(signal)
    return for_each(session, containers, lambda name: kill(repository, name, number))


@command(examples=(("lxgit pause web && lxgit unpause web", "a while in between"),))
def pause(session: Session, containers: Containers) -> int:
    """Have running containers stand still, with all their processes, until 'unpause'."""
    from lxgit.operations.pausing import pause

    repository = session.repository()
    return for_each(session, containers, lambda name: pause(repository, name))


@command(examples=(("lxgit pause web && lxgit unpause web", "a while in between"),))
def unpause(session: Session, containers: Containers) -> int:
    """Have paused containers go on."""
    from lxgit.operations.pausing import unpause

    repository = session.repository()
    return for_each(session, containers, lambda name: unpause(repository, name))


@command(examples=(("lxgit wait web", "prints its exit code"),))
def wait(session: Session, containers: Containers) -> int:
    """Block until containers have ended, then print their exit codes."""
    from lxgit.operations.running import wait

    repository, faults = session.repository(), Faults(session)
    for name in containers:
        with faults:
            session.out.line(str(wait(repository, name)))
            session.out.flush()
    return faults.exit_code


@command(
    examples=(
        ("lxgit port web", "all that are published"),
        ("lxgit port web 80", "the number alone"),
    )
)
def port(
    session: Session,
    container: Container,
    number: Annotated[str | None, argument("PORT", help="a port of the container: 80, 53/udp")] = (
        None
    ),
    format_: AsFormat = "table",
) -> None:
    """Show where ports of a running container are on the host."""
    from lxgit.cli.tables import write_json
    from lxgit.operations.ports import ANY_ADDRESS, published_ports

    found = published_ports(session.repository(), container, number)
    if format_ == "json":
        write_json(session.out, (one._asdict() for one in found))
    elif number is not None:
        for host_port in dict.fromkeys(one.host_port for one in found):
            session.out.line(str(host_port))
    else:
        for one in found:
            ip = f"[{one.host_ip}]" if ":" in one.host_ip else one.host_ip
            session.out.line(f"{one.port} -> {ip or ANY_ADDRESS}:{one.host_port}")


@command(examples=(("lxgit restart web", ""),))
def restart(
    session: Session,
    containers: Containers,
    patience: Patience = None,
    signal: StopSignal = None,
) -> int:
    """Stop containers, and start them again."""
    from lxgit.operations.launching import restart

    repository, how = session.repository(), _how(patience, signal)

    def step(name: str) -> None:
        with session.progress() as progress:
            restart(repository, name, how, progress)

    return for_each(session, containers, step)


@command(examples=(("lxgit rename web front", ""),))
def rename(
    session: Session,
    container: Container,
    name: Annotated[str, argument("NAME", help="which no branch, tag or container has")],
) -> None:
    """Give a container another name."""
    from lxgit.operations.running import rename

    rename(session.repository(), container, name)
