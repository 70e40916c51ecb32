"""Words of a Dockerfile instruction: quotes, backslashes and variables in them.

As Docker has it (moby/buildkit, frontend/dockerfile/shell/lex.go): a word may have parts in single
quotes, which stand as they are, and in double quotes, where a backslash keeps `"`, `$` and itself.
`$name`, `${name}` and these stand for variables:

    ${name:-other}   other where it is unset or empty; ${name-other} where it is unset
    ${name:+other}   other where it is neither; ${name+other} where it is set
    ${name:?words}   an error with these words where it is unset or empty; ${name?words} where unset
    ${name#pattern}  without what fits at its beginning, ${name##pattern} the longest that does
    ${name%pattern}  without what fits at its end, ${name%%pattern} the longest that does
    ${name/pattern/other}   other where it fits first; ${name//pattern/other} wherever it does

A Dockerfile may have another character in the place of the backslash (`# escape=`).
"""

from __future__ import annotations

import re

from lxgit.errors import LxgitError
from lxgit.objects.globs import Glob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BACKSLASH = "\\"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_MODIFIER = re.compile(r":?[-+?]|##?|%%?|//?")
_BLANK = " \t"
_LONGEST = 1 << 20  # characters of a word: variables of variables would fill any memory
_LONGEST_PATTERN = 4096  # it is tried at each letter of a text
_MOST_TOGETHER = 16 << 20
_DEEPEST = 32  # of one ${a:-${b:-…}} in another


class BadWord(LxgitError):
    """A quote or a variable without its end, a variable that must be set, or a word too long."""


class Room:
    """What is left for words that are kept together: `$A` may be a million letters."""

    def __init__(self) -> None:
        self._left = _MOST_TOGETHER

    def take(self, text: str) -> str:
        """The text, for which there is room. BadWord."""
        self._left -= len(text)
        if self._left < 0:
            raise BadWord("what its variables stand for has more than 16 MiB in all")
        return text


def expand_all(
    words: Iterable[str], variables: Mapping[str, str], escape: str = BACKSLASH
) -> list[str]:
    """Each of the words as `expand` makes it. BadWord, also for too much of all together."""
    room = Room()
    return [room.take(expand(word, variables, escape)) for word in words]


def split_words(text: str, escape: str = BACKSLASH) -> list[str]:
    """The words as they are written, quotes and all; blanks within quotes part nothing. BadWord."""
    return [text[begin:end] for begin, end in _spans(text, escape)]


def words_with_ends(text: str, escape: str = BACKSLASH) -> Iterator[tuple[str, int]]:
    """Each of them by turns, and where what follows it begins. BadWord once it is that one's."""
    for begin, end in _spans(text, escape):
        behind = end
        while behind < len(text) and text[behind] in _BLANK:
            behind += 1
        yield text[begin:end], behind


def _spans(text: str, escape: str) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends."""
    quote, escaped = "", False
    begin: int | None = None
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == escape and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in _BLANK:
            if begin is not None:
                yield begin, place
            begin = None
            continue
        begin = place if begin is None else begin
    if quote:
        raise BadWord(f"a quote ({quote}) has no end", hint=f"in {_shown(text)}")
    if begin is not None:
        yield begin, len(text)


def expand(word: str, variables: Mapping[str, str], escape: str = BACKSLASH) -> str:
    """The word without its quotes, with what its variables stand for; an unknown one is empty.

    BadWord.
    """
    return _Expansion(word, variables, escape, 0).run()


def quoted(text: str, escape: str = BACKSLASH) -> str:
    """A word that `expand` makes the text of."""
    plain = text.translate({ord(letter): escape + letter for letter in ('"', "$", escape)})
    return f'"{plain}"'


def expand_text(text: str, variables: Mapping[str, str]) -> str:
    """The same of lines, in which quotes are letters as any other: a here-document."""
    return _Expansion(text, variables, BACKSLASH, 0, quotes=False).run()


class _Expansion:
    def __init__(
        self,
        word: str,
        variables: Mapping[str, str],
        escape: str,
        depth: int,
        *,
        quotes: bool = True,
        is_pattern: bool = False,
    ) -> None:
        self._word = word
        self._variables = variables
        self._escape = escape
        self._depth = depth
        self._quotes = quotes
        self._is_pattern = is_pattern  # what is escaped stays it
        self._at = 0

    def run(self) -> str:
        made: list[str] = []
        length = 0
        while self._at < len(self._word):
            made.append(self._part())
            length += len(made[-1])
            if length > _LONGEST:
                raise BadWord("its variables make it longer than 1 MiB")
        return "".join(made)

    def _part(self) -> str:
        letter = self._word[self._at]
        if letter == "'" and self._quotes:
            return self._single()
        if letter == '"' and self._quotes:
            return self._double()
        if letter == "$":
            return self._variable()
        self._at += 1
        if letter != self._escape or self._at == len(self._word):
            return letter
        if not self._quotes and self._word[self._at] not in ("$", self._escape):
            return letter
        self._at -= 1
        return self._escaped()

    def _escaped(self) -> str:
        """The letter behind the escape character."""
        self._at += 2
        return (BACKSLASH if self._is_pattern else "") + self._word[self._at - 1]

    def _single(self) -> str:
        end = self._end("'", self._at + 1)
        text = self._word[self._at + 1 : end]
        self._at = end + 1
        return text

    def _double(self) -> str:
        self._at += 1
        made: list[str] = []
        length = 0
        while not self._word.startswith('"', self._at):
            if self._at >= len(self._word):
                raise BadWord(f"a '\"' is missing in {_shown(self._word)}")
            made.append(self._part_of_double())
            length += len(made[-1])
            if length > _LONGEST:
                raise BadWord("its variables make it longer than 1 MiB")
        self._at += 1
        return "".join(made)

    def _part_of_double(self) -> str:
        letter = self._word[self._at]
        if letter == "$":
            return self._variable()
        kept = self._word[self._at + 1 : self._at + 2]
        if letter == self._escape and kept in ('"', "$", self._escape):
            return self._escaped()
        self._at += 1
        return letter

    def _end(self, letter: str, begin: int) -> int:
        """Where a letter stands next; BadWord when it does not."""
        end = self._word.find(letter, begin)
        if end < 0:
            raise BadWord(f"a '{letter}' is missing in {_shown(self._word)}")
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
            raise BadWord(f"'${{' without a name in {_shown(self._word)}")
        end = self._closing(match.end())
        self._at = end + 1
        value = self._variables.get(match[0])
        if end == match.end():
            return value or ""
        modifier = _MODIFIER.match(self._word, match.end(), end)
        if modifier is None:
            raise BadWord(
                f"'{self._word[match.end() : match.end() + 2]}' is not understood"
                f" in {_shown(self._word)}",
                hint="${NAME:-OTHER}",
            )
        return self._chosen(match[0], value, modifier[0], self._word[modifier.end() : end])

    def _chosen(self, name: str, value: str | None, modifier: str, other: str) -> str:
        """What `${name<modifier>other}` stands for."""
        if modifier[0] in "#%/":
            return self._cut(value or "", modifier, other)
        counts = bool(value) if modifier.startswith(":") else value is not None
        if modifier.endswith("+"):
            return self._other(other) if counts else ""
        if counts:
            return value or ""
        if modifier.endswith("-"):
            return self._other(other)
        raise BadWord(f"'{name}' is not set", hint=self._other(other) or None)

    def _cut(self, value: str, modifier: str, text: str) -> str:
        """What a pattern leaves of a value, or puts in its place."""
        if modifier[0] == "/":
            pattern, other = self._parted(text)
            return self._glob(pattern, longest=True).replaced(
                value, self._other(other), everywhere=modifier == "//", most=_LONGEST
            )
        glob = self._glob(text, longest=len(modifier) == 2)
        return glob.without_beginning(value) if modifier[0] == "#" else glob.without_end(value)

    def _glob(self, text: str, *, longest: bool) -> Glob:
        pattern = self._other(text, is_pattern=True)
        if len(pattern) > _LONGEST_PATTERN:
            most = f"{_LONGEST_PATTERN:,}"
            raise BadWord(f"a pattern has more than {most} letters: {_shown(pattern)}")
        return Glob(pattern, longest=longest)

    def _parted(self, text: str) -> tuple[str, str]:
        """The pattern, and what follows the slash behind it."""
        place = self._find("/", text)
        if place is None:
            raise BadWord(f"a '/' is missing in {_shown(self._word)}", hint="${NAME/PATTERN/OTHER}")
        return text[:place], text[place + 1 :]

    def _other(self, text: str, *, is_pattern: bool = False) -> str:
        if self._depth == _DEEPEST:
            raise BadWord(f"more than {_DEEPEST} variables stand in each other")
        deeper = _Expansion(
            text,
            self._variables,
            self._escape,
            self._depth + 1,
            quotes=self._quotes,
            is_pattern=is_pattern,
        )
        return deeper.run()

    def _closing(self, begin: int) -> int:
        """Where the brace closes that was opened before `begin`; BadWord when it does not."""
        place = self._find("}", self._word, begin)
        if place is None:
            raise BadWord(f"a '}}' is missing in {_shown(self._word)}")
        return place

    def _find(self, wanted: str, text: str, begin: int = 0) -> int | None:
        """Where a letter stands: not escaped, nor in quotes, nor in another variable's braces."""
        depth = 0
        for match in _marks(self._escape, quotes=self._quotes).finditer(text, begin):
            if match[0] == wanted and not depth:
                return match.start()
            if match[0] == "${":
                depth += 1
            elif match[0] == "}":
                depth -= 1
        return None


def _marks(escape: str, *, quotes: bool) -> re.Pattern[str]:
    """What is escaped or in quotes, and the letters that part a variable."""
    sign = re.escape(escape)
    quoted = rf"""|'[^']*'|"(?:{sign}.|[^"{sign}])*\"""" if quotes else ""
    return re.compile(rf"{sign}.{quoted}|\$\{{|[}}/]", re.DOTALL)


def _shown(text: str) -> str:
    """A text for a message, its beginning if it is long."""
    return repr(text if len(text) <= 80 else f"{text[:80]}…")
