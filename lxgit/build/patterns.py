r"""Patterns for paths, as Go's filepath.Match has them, and `**` as in a .dockerignore.

    *        any letters but `/`
    ?        one letter that is no `/`
    [a-c]    one of these; `[^a-c]` one that is not
    \x       the letter x
    **       where a pattern may have it: any directories, also none; at its end, anything

Whoever writes a pattern may mean harm: a path is matched in a time that grows with its length, not
with the number of stars. No regular expression of Python's promises that, so a pattern is an
automaton here (Thompson's construction), whose state is a number with a bit for each place. What
follows on a state is remembered for short patterns, and not much of it: there may be thousands.
"""

from __future__ import annotations

from lxgit.errors import LxgitError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

State = int
"""Where in the pattern one may be after what has been read: a bit for each place."""

_MOST_REMEMBERED = 128
_LONGEST_REMEMBERED = 256  # places
_MAX_LENGTH = 4096  # the longest path (PATH_MAX)
_WILD = "*?[\\"


class BadPattern(LxgitError):
    """A pattern that means nothing."""


class _Step(NamedTuple):
    """One place of a pattern.

    `letter` leads to the next place, or any letter of which `accepts` says so; `stays` says which
    one leads back here; `skips` are the places, counted from here, that are reached without any.
    """

    letter: str = ""
    accepts: Callable[[str], bool] | None = None
    stays: Callable[[str], bool] | None = None
    skips: tuple[int, ...] = ()


def _is_any(_: str) -> bool:
    return True


def _is_no_slash(letter: str) -> bool:
    return letter != "/"


_ONE = (_Step(accepts=_is_no_slash),)
_STAR = (_Step(stays=_is_no_slash, skips=(1,)),)
_ANYTHING = (_Step(stays=_is_any, skips=(1,)),)
_DIRECTORIES = (_Step(skips=(1, 2)), _Step("/", stays=_is_any))


class Pattern:
    """One pattern, ready to be matched. BadPattern when it means nothing."""

    def __init__(self, text: str, *, doublestar: bool = False) -> None:
        self.text = text
        steps = _Reader(text, doublestar=doublestar).steps()
        self._end = 1 << len(steps)
        self._letters: dict[str, int] = {}
        self._any_but_slash = self._stars = self._anything = 0
        self._accepts: list[tuple[int, Callable[[str], bool]]] = []
        self._skips = {1: 0, 2: 0}
        for place, step in enumerate(steps):
            self._add(1 << place, step)
        self._remembers = len(steps) <= _LONGEST_REMEMBERED
        self._seen: dict[tuple[State, str], State] = {}
        self._in_sets: dict[str, int] = {}
        self.start = self._closure(1)

    def _add(self, bit: int, step: _Step) -> None:
        """Note a place under what leads on from it."""
        if step.letter:
            self._letters[step.letter] = self._letters.get(step.letter, 0) | bit
        elif step.accepts is _is_no_slash:
            self._any_but_slash |= bit
        elif step.accepts is not None:
            self._accepts.append((bit, step.accepts))
        if step.stays is _is_any:
            self._anything |= bit
        elif step.stays is not None:
            self._stars |= bit
        for distance in step.skips:
            self._skips[distance] |= bit

    def matches(self, path: str) -> bool:
        """Whether the whole of `path` matches."""
        return self.accepts(self.read(self.start, path))

    def accepts(self, state: State) -> bool:
        """Whether what has been read so far is a match."""
        return bool(state & self._end)

    def read(self, state: State, text: str) -> State:
        """The state after some more letters; 0 when nothing can match any more."""
        seen = self._seen
        for letter in text:
            if not state:
                break
            after = seen.get((state, letter))
            if after is None:
                after = self._after(state, letter)
                if self._remembers:
                    if len(seen) >= _MOST_REMEMBERED:
                        seen.clear()
                    seen[state, letter] = after
            state = after
        return state

    def _after(self, state: State, letter: str) -> State:
        onward, back = self._letters.get(letter, 0), self._anything
        if letter != "/":
            onward |= self._any_but_slash
            back |= self._stars
        if self._accepts:
            onward |= self._having(letter)
        return self._closure((state & onward) << 1 | state & back)

    def _having(self, letter: str) -> int:
        """The places of sets that a letter is in."""
        found = self._in_sets.get(letter)
        if found is None:
            if len(self._in_sets) >= _MOST_REMEMBERED:
                self._in_sets.clear()
            found = sum(bit for bit, accepts in self._accepts if accepts(letter))
            self._in_sets[letter] = found
        return found

    def _closure(self, state: State) -> State:
        """With every place that is reached without a letter: no more than three in a row."""
        before = 0
        while state != before:
            before = state
            for distance, places in self._skips.items():
                state |= (state & places) << distance
        return state


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
                star = self._star()
                if tuple(made[-len(star) :]) != star:  # twice is as once
                    made += star
            elif letter == "?":
                made += _ONE
            elif letter == "[":
                made.append(_Step(accepts=self._set()))
            else:
                made.append(_Step(self._escaped() if letter == "\\" else letter))
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
