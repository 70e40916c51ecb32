"""Well-formed command lines, read without Typer.

What `parse` accepts, Typer accepts with the same values (a test holds them together); what it does
not, it leaves to Typer to explain (`usage.explain`). The rules are Click's: short options cluster
(`-it`), a value follows or is joined (`-n5`, `-n 5`, `--format=json`), `--` ends the options, and
options may stand between arguments unless the command says `options_first`. Beyond Click's, as
Docker has it, then and now: `=` may come behind a short option, too (`-n=5`), and a flag takes
`=true` and `=false` (`--pause=false`, `-d=false`). And as Git has it, `-5` is `-n 5`.
"""

from __future__ import annotations

from lxgit.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from lxgit.cli.params import Command, Parameter

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""What a flag takes behind `=`, in small letters (Go's strconv.ParseBool)."""
_SINCE_THEN = {"sinceId": "since", "beforeId": "before", "b": "volume"}
"""What Docker called options of 2013 later, where the name is another."""

_MOST_DIGITS = 18


class HelpWanted(Exception):
    """The line asks for `--help`, or for `-h` where that is no option of the command's own."""


class NotWellFormed(Exception):
    """The line has a fault; which, Typer tells better."""


def parse(command: Command, words: Sequence[str]) -> dict[str, Any]:
    """A value for each of the command's parameters, by name.

    Raises HelpWanted, NotWellFormed, and UsageError where Typer's own words would not do: for
    `-notrunc`, and for numbers, which Pydantic takes as `5.0` and `1_0` too.
    """
    parser = _Parser(command)
    before, after = split_at_dashes(command, words)
    parser.read(before)
    values = parser.values()
    if after:
        values[after[0]] = after[1]
    return values


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
        self.texts: dict[str, list[str]] = {}
        self.arguments: list[str] = []
        self.faulty = False

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
            else:
                self._take_option(word, rest)
        self.arguments.extend(reversed(rest))

    def _take_option(self, word: str, rest: list[str]) -> None:
        try:
            if word.startswith("--"):
                self._long(word, rest)
            else:
                self._short(word, rest)
        except NotWellFormed:  # told later: `--help` may follow
            self.faulty = True

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        if name == "--help":
            raise HelpWanted
        parameter = self._option(name)
        if equals:
            self._store(parameter, value)
        elif parameter.is_flag:
            self._store(parameter, "true")
        else:
            self._store(parameter, parameter.declaration.alone or _next(rest))

    def _short(self, word: str, rest: list[str]) -> None:
        if word == "-h" and word not in self.options:
            raise HelpWanted
        self._refuse_single_dash(word)
        if word[1:].isdecimal() and (limit := self.options.get("-n")) and not limit.is_flag:
            self._store(limit, word[1:])
            return
        for position, letter in enumerate(word[1:], start=2):
            parameter = self._option("-" + letter)
            if word.startswith("=", position):
                self._store(parameter, word[position + 1 :])
                return
            if not parameter.is_flag:
                self._store(parameter, word[position:] or _next(rest))
                return
            self._store(parameter, "true")

    def _option(self, name: str) -> Parameter:
        try:
            return self.options[name]
        except KeyError:
            raise NotWellFormed from None

    def _refuse_single_dash(self, word: str) -> None:
        """`-notrunc` and its like were options in 2013; as a cluster they would mean something."""
        then = word.partition("=")[0]
        if len(then) < 4 and then[:2] in self.options:
            return
        meant = _SINCE_THEN.get(then[1:], then[1:]).replace("-", "")
        for name in (*self.options, "--help"):
            if name.startswith("--") and meant == name[2:].replace("-", ""):
                _refuse(then, name)

    def _store(self, parameter: Parameter, text: str) -> None:
        self.texts.setdefault(parameter.name, []).append(text)

    def values(self) -> dict[str, Any]:
        """What each parameter gets; NotWellFormed for any fault so far."""
        self._place()
        if self.faulty:
            raise NotWellFormed
        return {
            item.name: _value(item, self.texts.get(item.name)) for item in self.command.parameters
        }

    def _place(self) -> None:
        """Give the arguments to their parameters, in order."""
        left = self.arguments
        for parameter in self.command.parameters:
            if not parameter.is_option and not parameter.declaration.after_dashes:
                count = len(left) if parameter.multiple else 1
                for text in left[:count]:
                    self._store(parameter, text)
                left = left[count:]
        self.faulty = self.faulty or bool(left)


def _next(rest: list[str]) -> str:
    if not rest:
        raise NotWellFormed
    return rest.pop()


def _value(parameter: Parameter, texts: list[str] | None) -> Any:  # noqa: ANN401
    """The parameter's value; of several texts for one value the last one counts."""
    if texts is None:
        if parameter.required:
            raise NotWellFormed
        return parameter.default
    if parameter.is_flag:
        return [_truth(text) for text in texts][-1]
    if parameter.multiple:
        return tuple(_convert(parameter, text) for text in texts)
    return _convert(parameter, texts[-1])


def _truth(text: str) -> bool:
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise NotWellFormed from None


def for_click(command: Command, words: Sequence[str]) -> list[str]:
    """The words without what Click does not know.

    That is `=` of flags, and behind short options; `-5` for `-n 5`; and values that are left out.
    """
    declared = [each.declaration for each in command.parameters]
    alone = {name: one.alone for one in declared for name in one.names}
    flags = {name: each.is_flag for each in command.parameters for name in each.declaration.names}
    kept: list[str] = []
    for position, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word == "--":
            return [*kept, *words[position:]]
        if flags.get(name) and value.lower() in _TRUTHS:
            kept.append(name)
        elif word[:1] == "-" and word[1:].isdecimal() and flags.get("-n") is False:
            kept += ["-n", word[1:]]
        elif equals and value and len(name) == 2 and flags.get(name) is False:
            kept += [name, value]
        elif alone.get(word):
            kept.append(f"{word}={alone[word]}")
        else:
            kept.append(word)
    return kept


def _convert(parameter: Parameter, text: str) -> str | int:
    if parameter.choices and text not in parameter.choices:
        raise NotWellFormed
    return whole_number(parameter.declaration.names[0], text) if parameter.kind is int else text


def whole_number(option: str, text: str) -> int:
    """A number of plain digits, below 0 too. UsageError names the option."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise UsageError(
            f"invalid value for '{option}': '{text}' is not a whole number",
            hint=f"such as '{option} 5'",
        )
    if len(digits) > _MOST_DIGITS:
        raise UsageError(f"invalid value for '{option}': '{text}' has too many digits")
    return int(text)


def _refuse(word: str, name: str) -> NoReturn:
    raise UsageError(f"unknown option '{word}'", hint=f"did you mean '{name}'?")
