"""Help, and the words about a command line that is not well formed: both are Typer's.

Typer is imported here alone, so only who asks for help or makes a mistake waits for it.
"""

from __future__ import annotations

import inspect
import re
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from lxgit.cli.instead import ARGUMENTS, FORMATS, INSTEAD, OF_ALL
from lxgit.cli.parse import for_click, split_at_dashes
from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.core import TyperCommand

    from lxgit.cli.params import Command, Parameter

_WIDTH = 88
_TERMINAL = 80
_SLIP = 0.83  # of the letters alike (difflib): one of `--word` may be another, none of shorter ones
_LONGEST_EXAMPLE = 46  # columns; what longer ones are for stands farther right


def help_text(name: str, command: Command) -> str:
    """What `lxgit NAME --help` prints, with a newline at its end."""
    made = _typer_command(name, command, command.parameters, add_help_option=True)
    context = made.make_context(
        f"lxgit {name}", [], resilient_parsing=True, max_content_width=_WIDTH
    )
    return f"{_ARGUMENT_TYPE.sub(_blank, context.get_help())}\n"


# `NAME <str>`, which no manual page says. Options have a metavar of their own in its place.
_ARGUMENT_TYPE = re.compile(r" <(?:str|int|list\[str\])>")


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def explain(name: str, command: Command, words: Sequence[str]) -> NoReturn:
    """Raise a UsageError with Typer's words about the line."""
    before, _ = split_at_dashes(command, words)
    hint = f"lxgit {name} --help"
    try:
        words = for_click(command, before)
        typer_command(name, command).make_context(f"lxgit {name}", words)
    except TyperException as error:
        message = _with_what_was_meant(_as_one_line(error.format_message()), command)
        plain = name.removeprefix("container ").removeprefix("image ").removeprefix("builder ")
        named = message.removeprefix("no such option: ").split(" ")[0]
        if instead := INSTEAD.get(plain, {}).get(named, OF_ALL.get(named)):
            hint, message = instead, f"no such option: {named}"  # and not what is spelled alike
        elif message.startswith("invalid value for '--format'"):
            hint = FORMATS.get(plain, hint)
        elif message.startswith("got unexpected extra argument"):
            hint = ARGUMENTS.get(plain, hint)
        raise UsageError(message, hint=hint) from None
    raise UsageError("this command line is not understood", hint=hint)


def _as_one_line(message: str) -> str:
    """Typer's sentence in the manner of ours; `Value error` is Pydantic's word for a choice.

    Flags take a value here, as in Docker: `--rm=false`.
    """
    text = " ".join(message.replace(": Value error, ", ": ").split()).rstrip(".")
    text = text.replace("does not take a value", "takes true or false")
    return text[:1].lower() + text[1:]


_NO_OPTION = re.compile(r"(no such option: (\S+))(?: \(Possible options: (.+)\))?")


def _with_what_was_meant(message: str, command: Command) -> str:
    """With the options that begin so, as Git takes them; or else with those mistyped.

    Of Typer's guesses only those stay in which the one typed is a slip of the finger.
    """
    if (match := _NO_OPTION.fullmatch(message)) is None:
        return message
    plain, typed, guesses = match.groups()
    meant = _begun(typed, command)
    if not meant and guesses:
        from difflib import get_close_matches

        meant = get_close_matches(typed, guesses.split(", "), cutoff=_SLIP)
    return f"{plain} (Possible options: {', '.join(meant)})" if meant else plain


def _begun(typed: str, command: Command) -> list[str]:
    """The long options that begin with what was typed."""
    if len(typed) <= len("--"):
        return []
    names = (name for each in command.parameters for name in each.declaration.names)
    return [name for name in names if name.startswith(typed)]


def typer_command(name: str, command: Command) -> TyperCommand:
    """The command for Typer to parse with.

    Without `--help`, which Typer would print itself, and without the paths after `--`, which it
    cannot tell from other arguments.
    """
    known = [item for item in command.parameters if not item.declaration.after_dashes]
    return _typer_command(name, command, known, add_help_option=False)


def _typer_command(
    name: str, command: Command, parameters: Sequence[Parameter], *, add_help_option: bool
) -> TyperCommand:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(
        name,
        help=_paragraphs(command),
        add_help_option=add_help_option,
        context_settings={"allow_interspersed_args": not command.options_first},
    )(_declared(parameters))
    return get_command(app)  # type: ignore[return-value]


def _paragraphs(command: Command) -> str:
    r"""The description, and the examples behind a `\b`, which keeps Click from filling them."""
    description = inspect.getdoc(command.function) or ""
    if not command.examples:
        return description
    width = min(max(len(line) for line, _ in command.examples), _LONGEST_EXAMPLE)
    lines = [shown for line, what in command.examples for shown in _example(line, what, width)]
    return "\n".join((description, "", "\b", "Examples:", *lines))


def _example(line: str, what: str, width: int) -> tuple[str, ...]:
    """What it is for stands behind it, or above where a terminal of 80 columns would break it."""
    if not what:
        return (f"  {line}",)
    for together in (f"  {line:{width}}  # {what}", f"  {line}  # {what}"):
        if len(together) <= _TERMINAL - 2:
            return (together,)
    return (f"  # {what}", f"  {line}")


def _declared(parameters: Sequence[Parameter]) -> Any:  # noqa: ANN401 - made for Typer's eyes
    """A function whose signature declares the parameters in Typer's way."""

    def declared(**_values: object) -> None:
        """Do nothing: it is never called."""

    made = [_typer_parameter(parameter) for parameter in parameters]
    declared.__signature__ = inspect.Signature(made)  # type: ignore[attr-defined]
    declared.__annotations__ = {item.name: item.annotation for item in made}
    return declared


def _typer_parameter(parameter: Parameter) -> inspect.Parameter:
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=_typer_default(parameter),
        annotation=Annotated[_typer_type(parameter), _typer_info(parameter)],
    )


def _typer_default(parameter: Parameter) -> Any:  # noqa: ANN401
    if parameter.required:
        return inspect.Parameter.empty
    if parameter.is_flag:
        return False  # Click would take a flag for the opposite of its default
    if parameter.declaration.after_dashes:
        return None
    return list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default


def _typer_type(parameter: Parameter) -> Any:  # noqa: ANN401
    if parameter.declaration.after_dashes:  # for the help alone; Click allows one list of arguments
        return str | None
    kind: Any = Literal[parameter.choices] if parameter.choices else parameter.kind
    if parameter.multiple:
        return list[kind]
    return kind if parameter.is_flag or parameter.required else kind | None


def _typer_info(parameter: Parameter) -> Any:  # noqa: ANN401
    declaration = parameter.declaration
    metavar = declaration.metavar or None
    if parameter.is_option:
        shown = bool(parameter.default) and not parameter.is_flag
        return typer.Option(
            *declaration.names, help=declaration.help, metavar=metavar, show_default=shown
        )
    if declaration.after_dashes:
        metavar = f"-- {metavar}..."
    return typer.Argument(help=declaration.help, metavar=metavar, show_default=False)
