"""Well-formed command lines, read without Typer.

What `parse` accepts, Typer accepts with the same values (a test holds them together); what it does
not, it leaves to Typer to explain (`usage.explain`). The rules are Click's: short options cluster
(`-it`), a value follows or is joined (`-n5`, `-n 5`, `--format=json`), `--` ends the options, and
options may stand between arguments unless the command says `options_first`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn

from lxgit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.cli.params import Command, Parameter

_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class HelpWanted(Exception):
    """The line asks for `--help`."""


class NotWellFormed(Exception):
    """The line has a fault; which, Typer tells better."""


def parse(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """The function's keyword arguments; HelpWanted, NotWellFormed, UsageError for `-notrunc`."""
    parser = _Parser(command)
    before, after = split_at_dashes(command, words)
    parser.read(before)
    parser.place()
    if after:
        parser.values[after[0]] = after[1]
    return parser.values


def split_at_dashes(
    command: Command, words: Sequence[str]
) -> tuple[Sequence[str], tuple[str, tuple[str, ...]] | None]:
    """The words before `--`, and the parameter that takes what comes after, with its value.

    None and all the words where no parameter takes it: `--` is then only the end of the options.
    """
    for parameter in command.parameters:
        if parameter.declaration.after_dashes:
            cut = words.index("--") if "--" in words else len(words)
            return words[:cut], (parameter.name, tuple(words[cut + 1 :]))
    return words, None


class _Parser:
    def __init__(self, command: Command) -> None:
        self.command = command
        self.options = {
            name: parameter
            for parameter in command.parameters
            for name in parameter.declaration.names
        }
        self.values: dict[str, Any] = {
            parameter.name: parameter.default for parameter in command.parameters
        }
        self.arguments: list[str] = []

    def read(self, words: Sequence[str]) -> None:
        """Take the options out of the line; the rest is arguments."""
        rest = list(reversed(words))
        while rest:
            word = rest.pop()
            if word == "--":
                break
            if word == "-" or not word.startswith("-"):
                self.arguments.append(word)
                if self.command.options_first:
                    break
            elif word.startswith("--"):
                self._long(word, rest)
            else:
                self._short(word, rest)
        self.arguments.extend(reversed(rest))

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        if name == "--help":
            raise HelpWanted
        parameter = self._option(name)
        if parameter.is_flag:
            if equals:
                raise NotWellFormed
            self.values[parameter.name] = True
        else:
            self._store(parameter, value if equals else _next(rest))

    def _short(self, word: str, rest: list[str]) -> None:
        self._refuse_single_dash(word)
        for position, letter in enumerate(word[1:], start=2):
            parameter = self._option("-" + letter)
            if parameter.is_flag:
                self.values[parameter.name] = True
            else:
                self._store(parameter, word[position:] or _next(rest))
                return

    def _option(self, name: str) -> Parameter:
        try:
            return self.options[name]
        except KeyError:
            raise NotWellFormed from None

    def _refuse_single_dash(self, word: str) -> None:
        """`-notrunc` and its like were options in 2013; as a cluster they would mean something."""
        if len(word) < 4:
            return
        for name in (*self.options, "--help"):
            if name.startswith("--") and word[1:].replace("-", "") == name[2:].replace("-", ""):
                _refuse(word, name)

    def _store(self, parameter: Parameter, text: str) -> None:
        value = _convert(parameter, text)
        if parameter.multiple:
            self.values[parameter.name] = (*(self.values[parameter.name] or ()), value)
        else:
            self.values[parameter.name] = value

    def place(self) -> None:
        """Give the arguments to the parameters, in order."""
        left = self.arguments
        for parameter in self.command.parameters:
            if parameter.is_option or parameter.declaration.after_dashes:
                if parameter.required and self.values[parameter.name] is None:
                    raise NotWellFormed
            elif parameter.multiple:
                if parameter.required and not left:
                    raise NotWellFormed
                self.values[parameter.name] = tuple(_convert(parameter, text) for text in left)
                left = []
            elif left:
                self.values[parameter.name] = _convert(parameter, left[0])
                left = left[1:]
            elif parameter.required:
                raise NotWellFormed
        if left:
            raise NotWellFormed


def _next(rest: list[str]) -> str:
    if not rest:
        raise NotWellFormed
    return rest.pop()


def _convert(parameter: Parameter, text: str) -> str | int:
    if parameter.choices and text not in parameter.choices:
        raise NotWellFormed
    if parameter.kind is int:
        if not _INTEGER.fullmatch(text):
            raise NotWellFormed
        return int(text)
    return text


def _refuse(word: str, name: str) -> NoReturn:
    raise UsageError(f"unknown option '{word}'", hint=f"did you mean '{name}'?")
