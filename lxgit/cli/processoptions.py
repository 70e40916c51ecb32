"""What a command in a container gets of its caller: the options of `run` and `exec` alike."""

from __future__ import annotations

import os

from lxgit.cli.environment import variable
from lxgit.cli.params import Annotated, option
from lxgit.errors import UsageError

Interactive = Annotated[bool, option("-i", "--interactive", help="pass standard input on")]
Tty = Annotated[bool, option("-t", "--tty", help="give it a terminal")]
Environment = Annotated[
    tuple[str, ...],
    option("-e", "--env", help="a variable; without =VALUE, as it is here", metavar="NAME[=VALUE]"),
]
EnvironmentFiles = Annotated[
    tuple[str, ...], option("--env-file", help="a file of such lines", metavar="FILE")
]
WorkingDir = Annotated[
    str | None, option("-w", "--workdir", help="the directory it starts in", metavar="PATH")
]
User = Annotated[
    str | None, option("-u", "--user", help="who runs it, by name or id", metavar="USER[:GROUP]")
]


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


_LONGEST = 1 << 20  # letters; a command takes no more of an environment


def lines_of(option: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of files that have one for each thing, `#` before a remark. UsageError."""
    found: list[str] = []
    for path in paths:
        if not path:
            raise UsageError(f"{option}: the name of the file is empty", hint=f"{option} FILE")
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(_LONGEST + 1)
        if len(text) > _LONGEST:
            raise UsageError(f"'{path}' has more than {_LONGEST >> 20} MiB: it is no list of names")
        lines = [line.lstrip() for line in text.split("\n")]
        found += [line for line in lines if line and not line.startswith("#")]
    return tuple(found)


def check_terminal(*, interactive: bool, tty: bool) -> None:
    """Raise UsageError where a terminal is to be passed on, and there is none."""
    if interactive and tty and not os.isatty(0):
        raise UsageError(
            "-it passes a terminal on, and standard input is none", hint="leave -t out for a pipe"
        )


def terminal_size() -> tuple[int, int] | None:
    """Rows and columns of the terminal that the user sits at."""
    for fd in (0, 1, 2):
        if os.isatty(fd):
            size = os.get_terminal_size(fd)
            return size.lines, size.columns
    return None
