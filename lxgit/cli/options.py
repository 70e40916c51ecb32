"""Options that many commands have, each with one meaning."""

from __future__ import annotations

import os

from lxgit.cli.params import Annotated, Literal, argument, option, paths
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.cli.params import Declaration
    from lxgit.operations.values import SizedChange

AsFormat = Annotated[
    Literal["table", "json"], option("--format", help="as a table, or JSON for programs")
]
AsText = Annotated[
    Literal["text", "json"], option("--format", help="as text, or JSON for programs")
]


def format_option(field: str) -> Declaration:
    """`--format` of a listing; `field` is one that its rows have."""
    return option(
        "--format",
        help=f"table, json, or a template: '{{{{.{field}}}}}'",
        metavar="FORMAT",
        completes="format",
    )


def template_option(field: str) -> Declaration:
    """`--format` of what is told as JSON; `field` is one that it has."""
    return option(
        "-f",
        "--format",
        help=f"json, or a template: '{{{{.{field}}}}}'",
        metavar="FORMAT",
        completes="json",
    )


Filters = Annotated[
    tuple[str, ...], option("-f", "--filter", help="what fits alone", metavar="KEY=VALUE")
]
FiltersAlone = Annotated[
    tuple[str, ...], option("--filter", help="what fits alone", metavar="KEY=VALUE")
]
"""Of a command whose -f is --force."""
Quiet = Annotated[bool, option("-q", "--quiet", help="ids alone")]
NoTrunc = Annotated[bool, option("--no-trunc", help="whole ids, nothing cut short")]
Stat = Annotated[bool, option("--stat", help="which paths changed, and by how much")]
NameStatus = Annotated[bool, option("--name-status", help="which paths changed, with A, M, D or T")]
NameOnly = Annotated[bool, option("--name-only", help="which paths changed")]
Paths = Annotated[
    tuple[str, ...], paths(help="only what is at these paths, or below; not patterns")
]
OneContainer = Annotated[
    str | None, argument("CONTAINER", help="one container", completes="container")
]
Stopped = Annotated[str | None, argument("CONTAINER", help="a stopped one", completes="container")]
Message = Annotated[
    tuple[str, ...],
    option("-m", "--message", help="the message; several make paragraphs", metavar="TEXT"),
]

TlsVerify = Annotated[
    bool,
    option(
        "--tls-verify", help="=false: a registry without TLS will do, or one of any certificate"
    ),
]


def message_of(paragraphs: tuple[str, ...]) -> str | None:
    """What `-m` gave; None where it was not given. UsageError where nothing is in it."""
    if paragraphs and not any(map(str.strip, paragraphs)):
        raise UsageError("the message is empty", hint="-m MESSAGE, or none at all")
    return "\n\n".join(paragraphs) if paragraphs else None


def as_bytes(paths: tuple[str, ...]) -> list[bytes]:
    """The paths as the machine has them. UsageError for an empty one, which would be all of it."""
    if "" in paths:
        raise UsageError("a path is empty", hint="'/' is all of the machine")
    return [os.fsencode(path) for path in paths]


def take(names: tuple[str, ...], least: int, most: int | None, form: str) -> None:
    """Raise a UsageError unless there are so many names; `form` is the command line to use."""
    if len(names) < least:
        raise UsageError("a name is missing", hint=form)
    if most is not None and len(names) > most:
        raise UsageError(f"'{names[most]}' is one name too many", hint=form)


def exclusive(given: dict[str, bool]) -> None:
    """Raise a UsageError where more than one of these options is given."""
    names = [name for name, wanted in given.items() if wanted]
    if len(names) > 1:
        raise UsageError(f"{names[0]} and {names[1]} exclude each other", hint="leave one out")


def excludes(option: str, others: dict[str, bool]) -> None:
    """Raise a UsageError where one of the others is given beside the option."""
    for other, given in others.items():
        exclusive({option: True, other: given})


def check_quiet(format_: str, *, quiet: bool, others: dict[str, bool] | None = None) -> None:
    """Raise a UsageError where more is asked for beside `-q`: a format, or one of the others."""
    if quiet:
        excludes("-q", {"--format": format_ not in ("table", "text"), **(others or {})})


def line_wanted(
    *, name_status: bool, name_only: bool, stat: bool = False, patch: bool = False
) -> Callable[[SizedChange], str] | None:
    """What shows a change on a line of its own, where names are all that is wanted of them.

    UsageError where more is wanted of them, or something else.
    """
    if not name_status and not name_only:
        return None
    exclusive({"--name-status": name_status, "--name-only": name_only, "--stat": stat, "-p": patch})
    from lxgit.cli.changes import name_line, name_status_line

    return name_status_line if name_status else name_line
