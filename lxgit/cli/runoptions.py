"""The options of a container that is made, in groups: what `run` and its like take alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from lxgit.cli.environment import variable
from lxgit.cli.params import option
from lxgit.errors import UsageError

if TYPE_CHECKING:
    from lxgit.operations.creating import RunRequest

Interactive = Annotated[bool, option("-i", "--interactive", help="pass standard input on")]
Tty = Annotated[bool, option("-t", "--tty", help="give it a terminal")]
Environment = Annotated[
    tuple[str, ...],
    option("-e", "--env", help="a variable; without =VALUE, as it is here", metavar="NAME[=VALUE]"),
]
WorkingDir = Annotated[
    str | None, option("-w", "--workdir", help="the directory it starts in", metavar="PATH")
]
User = Annotated[
    str | None, option("-u", "--user", help="who runs it, by name or id", metavar="USER[:GROUP]")
]


class How(NamedTuple):
    """What is run, as whom, and what it sees of the caller."""

    interactive: Interactive = False
    tty: Tty = False
    name: Annotated[str | None, option("--name", help="the container's name", metavar="NAME")] = (
        None
    )
    environment: Environment = ()
    working_dir: WorkingDir = None
    user: User = None
    hostname: Annotated[
        str | None, option("-h", "--hostname", help="its short id by default", metavar="NAME")
    ] = None
    entrypoint: Annotated[
        str | None, option("--entrypoint", help="in place of the image's", metavar="PROGRAM")
    ] = None


class Networking(NamedTuple):
    """Whom it can talk to."""

    network: Annotated[
        Literal["none", "host"], option("--network", help="one with nothing in it, or the host's")
    ] = "none"


class Isolation(NamedTuple):
    """What keeps it apart from the host."""

    userns: Annotated[
        Literal["host"] | None, option("--userns", help="the host's user ids: less isolation")
    ] = None
    privileged: Annotated[
        bool, option("--privileged", help="all powers of root on this host: no isolation")
    ] = False


def request(
    image: str | None,
    program: tuple[str, ...],
    how: How,
    networking: Networking,
    isolation: Isolation,
    *,
    remove: bool = False,
) -> RunRequest:
    """What the options ask for."""
    from lxgit.operations.creating import RunRequest

    return RunRequest(
        image=image,
        command=program,
        name=how.name,
        remove=remove,
        interactive=how.interactive,
        tty=how.tty,
        environment=variables(how.environment),
        working_dir=how.working_dir,
        user=how.user,
        hostname=how.hostname,
        network=networking.network,
        entrypoint=how.entrypoint,
        host_ids=isolation.userns == "host",
        privileged=isolation.privileged,
    )


def variables(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """`NAME=VALUE`; a bare NAME with its value here, and left out where it has none."""
    found = []
    for item in wanted:
        name, equals, _ = item.partition("=")
        if not name:
            raise UsageError(f"'{item}' names no variable", hint="-e NAME=VALUE")
        if equals:
            found.append(item)
        elif (value := variable(name)) is not None:
            found.append(f"{name}={value}")
    return tuple(found)
