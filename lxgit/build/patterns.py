r"""Patterns for paths, as Go's filepath.Match has them, and `**` as in a .dockerignore.

    *        any letters but `/`
    ?        one letter that is no `/`
    [a-c]    one of these; `[^a-c]` one that is not
    \x       the letter x
    **       where a pattern may have it: any directories, also none; at its end, anything

Whoever writes a pattern may mean harm: a path is matched in a time that grows with its length, not
with the number of stars. No regular expression of Python's promises that, so a pattern is an
automaton here, whose states are made when they are met (Thompson's construction, run as a DFA).
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

State = frozenset[int]
"""Where in the pattern one may be after what has been read."""

_MOST_REMEMBERED = 4096
_MAX_LENGTH = 4096  # the longest path (PATH_MAX)
_WILD = "*?[\\"


class BadPattern(LxgitError):
    """A pattern that means nothing."""


class _Step(NamedTuple):
    """One place of a pattern.

    `accepts` says which letter leads to the next place, `stays` which one leads back here; `skips`
    are the places, counted from here, that are reached without a letter.
    """

    accepts: Callable[[str], bool] | None = None
    stays: Callable[[str], bool] | None = None
    skips: tuple[int, ...] = ()


def _is_any(_: str) -> bool:
    return True


def _is_slash(letter: str) -> bool:
    return letter == "/"


def _is_no_slash(letter: str) -> bool:
    return letter != "/"


_ONE = (_Step(_is_no_slash),)
_STAR = (_Step(stays=_is_no_slash, skips=(1,)),)
_ANYTHING = (_Step(stays=_is_any, skips=(1,)),)
_DIRECTORIES = (_Step(skips=(1, 2)), _Step(_is_slash, stays=_is_any))


class Pattern:
    """One pattern, ready to be matched. BadPattern when it means nothing."""

    def __init__(self, text: str, *, doublestar: bool = False) -> None:
        self.text = text
        self._steps = _Reader(text, doublestar=doublestar).steps()
        self._seen: dict[tuple[State, str], State] = {}
        self.start = self._closure({0})

    def matches(self, path: str) -> bool:
        """Whether the whole of `path` matches."""
        return self.accepts(self.read(self.start, path))

    def accepts(self, state: State) -> bool:
        """Whether what has been read so far is a match."""
        return len(self._steps) in state

    def read(self, state: State, text: str) -> State:
        """The state after some more letters; an empty one when nothing can match any more."""
        seen = self._seen
        for letter in text:
            if not state:
                break
            after = seen.get((state, letter))
            if after is None:
                if len(seen) >= _MOST_REMEMBERED:
                    seen.clear()
                after = seen[state, letter] = self._after(state, letter)
            state = after
        return state

    def _after(self, state: State, letter: str) -> State:
        found = set()
        for place in state - {len(self._steps)}:
            step = self._steps[place]
            if step.stays is not None and step.stays(letter):
                found.add(place)
            if step.accepts is not None and step.accepts(letter):
                found.add(place + 1)
        return self._closure(found)

    def _closure(self, places: set[int]) -> State:
        """With every place that is reached without a letter."""
        pending = list(places)
        while pending:
            place = pending.pop()
            if place < len(self._steps):
                further = {place + skip for skip in self._steps[place].skips} - places
                places |= further
                pending += further
        return frozenset(places)


class _Reader:
    """Reads the text of a pattern."""

    def __init__(self, text: str, *, doublestar: bool) -> None:
        if len(text) > _MAX_LENGTH:
            raise BadPattern(f"a pattern has more than {_MAX_LENGTH} letters: {text[:40]!r}…")
        self._text = text
        self._doublestar = doublestar
        self._at = 0

    def steps(self) -> list[_Step]:
        made: list[_Step] = []
        while (letter := self._next()) is not None:
            if letter == "*":
                made += self._star()
            elif letter == "?":
                made += _ONE
            elif letter == "[":
                made.append(_Step(self._set()))
            else:
                made.append(_Step((self._escaped() if letter == "\\" else letter).__eq__))
        return made

    def _next(self) -> str | None:
        letter = self._peek()
        self._at += 1
        return letter

    def _peek(self) -> str | None:
        return self._text[self._at] if self._at < len(self._text) else None

    def _star(self) -> tuple[_Step, ...]:
        if not self._doublestar or self._peek() != "*":
            return _STAR
        self._at += 1
        rest = self._text[self._at :]
        if self._at == 2 and rest[:1] != "/" and not has_wildcards(rest):
            return _ANYTHING  # `**.o`: moby takes all that ends so
        if rest[:1] == "/":
            self._at += 1
        return _DIRECTORIES if self._peek() is not None else _ANYTHING

    def _escaped(self) -> str:
        letter = self._next()
        if letter is None:
            raise self._bad("ends with a backslash")
        return letter

    def _set(self) -> Callable[[str], bool]:
        """`[…]`, of which the bracket has been read."""
        excludes = self._peek() == "^"
        self._at += excludes
        ranges: list[tuple[str, str]] = []
        while not ranges or self._peek() != "]":
            first = last = self._member()
            if self._peek() == "-":
                self._at += 1
                last = self._member()
            ranges.append((first, last))
        self._at += 1
        return lambda letter: any(low <= letter <= high for low, high in ranges) is not excludes

    def _member(self) -> str:
        letter = self._next()
        if letter == "\\":
            return self._escaped()
        if letter is None or letter in "]-":
            raise self._bad("has a '[' that is not closed as it must be")
        return letter

    def _bad(self, fault: str) -> BadPattern:
        return BadPattern(
            f"the pattern '{self._text}' {fault}",
            hint="a backslash before a letter takes it as it is",
        )


def has_wildcards(text: str) -> bool:
    """Whether a text matches anything but itself, or has an escape."""
    return any(letter in _WILD for letter in text)
