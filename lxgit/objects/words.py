"""Words of a Dockerfile instruction: quotes, backslashes and variables in them.

As Docker has it (moby/buildkit, frontend/dockerfile/shell/lex.go): a word may have parts in single
quotes, which stand as they are, and in double quotes, where a backslash keeps `"`, `$` and itself.
`$name`, `${name}`, `${name:-other}` and `${name:+other}` stand for variables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_BLANK = " \t"


class BadWord(LxgitError):
    """A quote or a variable without its end."""


def split_words(text: str) -> list[str]:
    """The words as they are written, quotes and all; blanks within quotes part nothing. BadWord."""
    words: list[str] = []
    current: list[str] = []
    quote, escaped = "", False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _BLANK:
            words += ["".join(current)] if current else []
            current = []
            continue
        current.append(letter)
    if quote:
        raise BadWord(f"a quote ({quote}) has no end", hint=f"in {text!r}")
    return [*words, "".join(current)] if current else words


def expand(word: str, variables: Mapping[str, str]) -> str:
    """The word without its quotes, with what its variables stand for; an unknown one is empty."""
    return _Expansion(word, variables).run()


class _Expansion:
    def __init__(self, word: str, variables: Mapping[str, str]) -> None:
        self._word = word
        self._variables = variables
        self._at = 0

    def run(self) -> str:
        made = []
        while self._at < len(self._word):
            made.append(self._part())
        return "".join(made)

    def _part(self) -> str:
        letter = self._word[self._at]
        if letter == "'":
            return self._single()
        if letter == '"':
            return self._double()
        if letter == "$":
            return self._variable()
        self._at += 1
        if letter == "\\" and self._at < len(self._word):
            self._at += 1
            return self._word[self._at - 1]
        return letter

    def _single(self) -> str:
        end = self._end("'", self._at + 1)
        text = self._word[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double(self) -> str:
        self._at += 1
        made = []
        while not self._word.startswith('"', self._at):
            if self._at >= len(self._word):
                raise BadWord(f"a '\"' is missing in {self._word!r}")
            letter = self._word[self._at]
            if letter == "$":
                made.append(self._variable())
                continue
            if letter == "\\" and self._word[self._at + 1 : self._at + 2] in ('"', "$", "\\"):
                self._at += 1
            made.append(self._word[self._at])
            self._at += 1
        self._at += 1
        return "".join(made)

    def _end(self, letter: str, begin: int) -> int:
        """Where a letter stands next; BadWord when it does not."""
        end = self._word.find(letter, begin)
        if end < 0:
            raise BadWord(f"a '{letter}' is missing in {self._word!r}")
        return end

    def _variable(self) -> str:
        self._at += 1
        if self._word.startswith("{", self._at):
            return self._braced()
        match = _NAME.match(self._word, self._at)
        if match is None:
            return "$"
        self._at = match.end()
        return self._variables.get(match[0], "")

    def _braced(self) -> str:
        match = _NAME.match(self._word, self._at + 1)
        if match is None:
            raise BadWord(f"'${{' without a name in {self._word!r}")
        value = self._variables.get(match[0], "")
        rest = self._word[match.end() :]
        end = self._closing(match.end())
        self._at = end + 1
        if rest.startswith("}"):
            return value
        other = expand(self._word[match.end() + 2 : end], self._variables)
        if rest.startswith(":-"):
            return value or other
        if rest.startswith(":+"):
            return other if value else ""
        raise BadWord(f"'{rest[:2]}' is not understood in {self._word!r}", hint="${NAME:-OTHER}")

    def _closing(self, begin: int) -> int:
        """Where the brace closes that was opened before `begin`; BadWord when it does not."""
        depth = 1
        for position in range(begin, len(self._word)):
            depth += {"{": 1, "}": -1}.get(self._word[position], 0)
            if not depth:
                return position
        raise BadWord(f"a '}}' is missing in {self._word!r}")
