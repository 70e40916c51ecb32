"""From words to a command, and from whatever it raises to words and an exit code."""

from __future__ import annotations

import os

from lxgit import __version__
from lxgit.cli import commands
from lxgit.cli.output import Output, OutputFailed
from lxgit.cli.session import Session
from lxgit.errors import LxgitError, ReaderGone, UsageError
from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STANDARD_OUTPUT = 1
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE
_GIT_THERE = "git -C STORE/git"


def run_command_line(words: Sequence[str]) -> int:
    """Do what the words say; nothing that a user can cause leaves as an exception."""
    session = Session(Output(STANDARD_OUTPUT))
    try:
        code = _guarded(session, lambda: _dispatch(session, list(words)))
        return _guarded(session, session.close) or code
    except KeyboardInterrupt:  # while a fault was told
        return INTERRUPTED


def _guarded(session: Session, step: Callable[[], int | None]) -> int:
    """The step's exit code, or that of what it raised, once that is told."""
    try:
        return step() or 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except ReaderGone:
        return 0 if session.paged else BROKEN_PIPE
    except (LxgitError, OSError, OutputFailed) as error:
        from lxgit.cli.report import fault, tell

        message, hint, code = fault(error)
        tell(message, hint=hint and _with_store(session, hint))
        return code


def _with_store(session: Session, hint: str) -> str:
    """The hint with the store's path in what stock Git is to do there, if there is a store."""
    if _GIT_THERE not in hint:
        return hint
    with suppress(OSError):  # a relative path where the working directory is gone
        directory = f"{session.store}/git"
        if os.path.isdir(directory):
            from shlex import quote

            return hint.replace(_GIT_THERE, f"git -C {quote(directory)}")
    return hint


def _dispatch(session: Session, words: list[str]) -> int:
    words = _global_options(session, words)
    if not words or words[0] in ("--help", "-h"):
        session.out.write(commands.overview())
        return 0
    if words[0] == "--version":
        session.out.line(f"lxgit {__version__}")
        return 0
    if words[0] == "__complete":
        return _complete(session, words[1:])
    return run_command(session, words)


def _complete(session: Session, words: Sequence[str]) -> int:
    """Answer a shell's completion script; whatever goes wrong, there is nothing to offer."""
    from lxgit.cli.completion import candidates

    with suppress(LxgitError, OSError):
        for word, meaning in candidates(session, " ".join(words)):
            session.out.line(f"{word}\t{meaning}" if meaning else word)
    return 0


def _global_options(session: Session, words: list[str]) -> list[str]:
    """Take `--store DIR` from the front."""
    while words and words[0].partition("=")[0] == "--store":
        option, equals, value = words.pop(0).partition("=")
        if not equals:
            value = words.pop(0) if words else ""
        if not value:
            raise UsageError(f"{option} needs a directory", hint="lxgit --store DIR COMMAND")
        session.store_option = value
    if words and words[0].startswith("-") and words[0] not in ("--help", "-h", "--version"):
        hint = "lxgit --version" if words[0] in ("-v", "-V") else "lxgit --help"
        raise UsageError(f"unknown option '{words[0]}'", hint=hint)
    return words


def run_command(session: Session, words: Sequence[str]) -> int:
    """Run the command that the words begin with; of most families alone, list its commands."""
    from lxgit.cli.parse import HelpWanted, NotWellFormed, parse

    family = commands.find_family(words[0])
    if family is not None and commands.asks_for_help(family, words[1:]):
        session.out.write(commands.family_help(family))
        return 0
    name, arguments = commands.split(words)
    command = _find(name).load()
    try:
        values = parse(command, arguments)
    except HelpWanted:
        from lxgit.cli.usage import help_text

        session.out.write(help_text(name, command))
        return 0
    except NotWellFormed:
        from lxgit.cli.usage import explain

        explain(name, command, arguments)
    return command.call(session, values) or 0


def _find(name: str) -> commands.Listed:
    listed = commands.find(name)
    if listed is None:
        raise UsageError(f"'{name}' is not a command", hint=_meant(name))
    return listed


def _meant(name: str) -> str:
    """What to type in place of what is no command."""
    from lxgit.cli.instead import COMMANDS

    if name in COMMANDS:
        return COMMANDS[name]
    if near := commands.nearest(name):
        return f"did you mean '{near}'?"
    first, _, word = name.partition(" ")
    lists = f"'lxgit help {first if word else '--all'}' lists the commands"
    family = commands.find_family(first)
    if family is None or not family.alone:
        return lists
    return f"{lists}; of a container it is 'lxgit {first} {family.alone} {word}'"
