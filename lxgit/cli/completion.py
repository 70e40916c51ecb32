"""What a shell may offer at the end of an unfinished command line.

`completion_scripts` holds the shells' side. Answers must come while a finger is still on the key:
refs and containers are read as files, and Typer is not imported.
"""

from __future__ import annotations

from lxgit.cli import commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxgit.cli.params import Command, Parameter
    from lxgit.cli.session import Session

Candidate = tuple[str, str]
"""A word, and what it means."""

FILES: Candidate = (":files", "")
"""Tells the script to offer files itself."""

_GLOBAL_OPTIONS: tuple[Candidate, ...] = (
    ("--store", "the store's directory"),
    ("--version", "print the version"),
    ("--help", "list the common commands"),
)
_FORMATS = {"format": ("table", "json"), "json": ("json",)}
_PATHS = ("FILE", "DIR")
_HELP: Candidate = ("--help", "show how to use it")


def candidates(session: Session, line: str) -> list[Candidate]:
    """What may stand in place of the last word of `line`, which begins with the program's name."""
    *words, unfinished = split(line)
    words = words[1:]
    while words and words[0].startswith("-"):
        name, equals, value = words.pop(0).partition("=")
        if name == "--store" and not equals:
            if not words:
                return [FILES]
            value = words.pop(0)
        session.store_option = value or session.store_option
    if words[:1] == ["help"] and not unfinished.startswith("-"):
        return _beginning(unfinished, _names_of_commands(words[1:], unfinished))
    offered = _names_of_commands(words, unfinished)
    if offered:
        options = _GLOBAL_OPTIONS if not words else (_HELP,)
        return _beginning(unfinished, options if unfinished.startswith("-") else offered)
    name, arguments = commands.split(words)
    listed = commands.find(name)
    return [] if listed is None else _of_command(session, listed.load(), arguments, unfinished)


def _names_of_commands(words: Sequence[str], unfinished: str) -> list[Candidate]:
    """What may follow the words while they do not name a command whole."""
    if not words:
        return commands.first_words()
    family = commands.find_family(words[0])
    if family is None or len(words) > 1 or (family.alone and unfinished.startswith("-")):
        return []
    return [(member.name, member.summary) for member in family.members()]


def split(line: str) -> list[str]:
    """The words of a shell's command line; the last is the unfinished one, perhaps empty."""
    words = [""]
    quote = ""
    letters = iter(line)
    for letter in letters:
        if letter == "\\" and quote != "'":
            words[-1] += next(letters, "")
        elif quote:
            quote = "" if letter == quote else quote
            words[-1] += letter if quote else ""
        elif letter in "'\"":
            quote = letter
        elif letter.isspace():
            words += [""] if words[-1] else []
        else:
            words[-1] += letter
    return words


def _of_command(
    session: Session, command: Command, words: Sequence[str], unfinished: str
) -> list[Candidate]:
    options = {
        name: parameter for parameter in command.parameters for name in parameter.declaration.names
    }
    expected, options_allowed = _expected(command, options, words)
    name, equals, value = unfinished.partition("=")
    if options_allowed and equals and name in options:
        found = _values(session, options[name], value)
        return [(f"{name}={word}", meaning) for word, meaning in found if (word, meaning) != FILES]
    if options_allowed and unfinished.startswith("-"):
        named = [(name, parameter.declaration.help) for name, parameter in options.items()]
        return _beginning(unfinished, [*named, _HELP])
    return _values(session, expected, unfinished) if expected else []


def _expected(
    command: Command, options: dict[str, Parameter], words: Sequence[str]
) -> tuple[Parameter | None, bool]:
    """What the next word is a value of, and whether it may be an option instead."""
    arguments = [item for item in command.parameters if not item.is_option]
    position, pending, ended, meant = 0, None, False, None
    for word in words:
        if pending:
            pending = None
        elif word == "--" and not ended:
            ended = True
            position = next(
                (at for at, item in enumerate(arguments) if item.declaration.after_dashes),
                position,
            )
        elif word.startswith("-") and word != "-" and not ended:
            pending = _waits_for_value(options, word)
            meant = meant or _says_what_arguments_are(options, word)
        else:
            ended = ended or command.options_first
            position += 0 if _is_last(arguments, position) else 1
    if pending:
        return pending, False
    if position >= len(arguments):
        return None, not ended
    return meant or arguments[position], not ended


def _is_last(arguments: Sequence[Parameter], position: int) -> bool:
    """Whether the argument there takes every word that comes."""
    return position < len(arguments) and arguments[position].multiple


def _waits_for_value(options: dict[str, Parameter], word: str) -> Parameter | None:
    """The option whose value is the next word."""
    if word.startswith("--"):
        parameter = options.get(word)
        if parameter is None or parameter.is_flag or parameter.declaration.alone:
            return None
        return parameter
    for position, letter in enumerate(word[1:], start=2):
        parameter = options.get(f"-{letter}")
        if parameter is not None and not parameter.is_flag:
            return None if word[position:] else parameter
    return None


def _says_what_arguments_are(options: dict[str, Parameter], word: str) -> Parameter | None:
    """The flag in the word after which arguments are something else, as behind `tag -d`."""
    names = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:]]
    flags = (options[name] for name in names if name in options and options[name].is_flag)
    return next((flag for flag in flags if flag.declaration.completes), None)


def _values(session: Session, parameter: Parameter, unfinished: str) -> list[Candidate]:
    declaration = parameter.declaration
    choices = parameter.choices or _FORMATS.get(declaration.completes, ())
    if choices:
        return _beginning(unfinished, [(choice, "") for choice in choices])
    match declaration.completes:
        case "" | "path":
            return [FILES] if declaration.completes or declaration.metavar in _PATHS else []
        case "copied" if ":/" not in unfinished:
            return (_containers(session, unfinished) if unfinished else []) or [FILES]
        case "inside" if ":/" not in unfinished:
            offered = _containers(session, unfinished)
        case "volume":
            offered = _volumes(session)
        case "network":
            offered = _networks(session)
        case "filter":
            offered = _filters(unfinished)
        case "place" | "copied" | "inside" if ":/" in unfinished:
            offered = _places(session, unfinished)
        case kind:
            offered = _names(session, kind)
    return _beginning(unfinished, offered)


def _volumes(session: Session) -> list[Candidate]:
    from lxgit.operations.volumes import complete_volumes

    return [(name, "volume") for name in complete_volumes(session.repository())]


def _networks(session: Session) -> list[Candidate]:
    from lxgit.operations.networks import complete_networks

    return [(name, "network") for name in complete_networks(session.repository())]


def _filters(unfinished: str) -> list[Candidate]:
    from lxgit.operations.selecting import complete_filters

    return [(word, "") for word in complete_filters(unfinished)]


def _names(session: Session, kind: str) -> list[Candidate]:
    """Names in the store; tags go by Docker's names too, revisions by containers' names."""
    from lxgit.operations.branches import complete_names

    repository = session.repository()
    branches, tags, docker_names = complete_names(repository)
    found: list[Candidate] = []
    if kind not in {"container", "tag"}:
        found += [(name, "branch") for name in branches]
    if kind not in {"branch", "container"}:
        found += [(name, "tag") for name in (*tags, *docker_names)]
    if kind in {"container", "place", "revision"}:
        from lxgit.operations.finding import complete_containers

        found += [(name, "container") for _, name in complete_containers(repository)]
    return found


def _containers(session: Session, unfinished: str) -> list[Candidate]:
    """Containers before the path that will follow them."""
    from lxgit.operations.finding import complete_containers

    names = complete_containers(session.repository())
    return _beginning(unfinished, [(f"{name}:", "container") for _, name in names])


def _places(session: Session, unfinished: str) -> list[Candidate]:
    """What is in the directory that `REV:/PATH` has come to."""
    from os import fsdecode

    from lxgit.operations.listing import list_directory

    directory, slash, _ = unfinished.rpartition("/")
    entries = list_directory(session.repository(), directory + slash)
    return [
        (
            f"{directory}/{fsdecode(entry.path)}{'/' if entry.kind == 'directory' else ''}",
            entry.kind,
        )
        for entry in entries
        if fsdecode(entry.path).isprintable()
    ]


def _beginning(unfinished: str, offered: Iterable[Candidate]) -> list[Candidate]:
    return [candidate for candidate in offered if candidate[0].startswith(unfinished)]
