"""`.dockerignore`: which files of a build context do not exist for a build.

One pattern a line, with what `patterns` knows, relative to the context. A file whose path matches,
or a directory above it, is left out; behind `!` it is let in again; the last pattern that matches
decides. As moby reads it (moby/patternmatcher, ignorefile): `#` begins a comment in the first
column alone, blanks around a pattern and slashes before it do not count, nor does a byte order mark
before it all.
"""

from __future__ import annotations

import posixpath

from lxgit.build.patterns import BadPattern, Pattern
from lxgit.errors import LxgitError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxgit.build.patterns import State

MAX_SIZE = 1 << 18
"""Bytes of a .dockerignore."""

MAX_RULES = 1 << 12
"""How each of them stands is kept for each directory above a path."""

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class BadIgnoreFile(LxgitError):
    """A `.dockerignore` that cannot be read."""


class _Rule(NamedTuple):
    pattern: Pattern
    lets_in: bool


class Standing(NamedTuple):
    """How a directory stands to the rules: for each, whether it matches, and how far it has read.

    What is below a directory goes on from there, so each letter of a path is read once.
    """

    matched: tuple[bool, ...]
    states: tuple[State, ...]


class Ignore:
    """The rules, in order."""

    def __init__(self, rules: Iterable[_Rule] = ()) -> None:
        self._rules = tuple(rules)
        count = len(self._rules)
        self.top = Standing((False,) * count, tuple(rule.pattern.start for rule in self._rules))
        """That of the root of all paths."""

    def __bool__(self) -> bool:
        return bool(self._rules)

    def below(self, above: Standing, name: bytes) -> Standing:
        """How a name in a directory stands, where the directory itself stands like that."""
        text = as_text(name) if above is self.top else "/" + as_text(name)
        states = tuple(
            rule.pattern.read(state, text)
            for rule, state in zip(self._rules, above.states, strict=True)
        )
        matched = tuple(
            before or rule.pattern.accepts(state)
            for before, rule, state in zip(above.matched, self._rules, states, strict=True)
        )
        return Standing(matched, states)

    def leaves_out(self, standing: Standing) -> bool:
        """Whether what stands like that is left out: by the last rule that matches."""
        for rule, matched in zip(reversed(self._rules), reversed(standing.matched), strict=True):
            if matched:
                return not rule.lets_in
        return False

    def may_let_in(self, standing: Standing) -> bool:
        """Whether something below what stands like that, and is left out, may be let in again."""
        for rule, matched, state in zip(
            reversed(self._rules),
            reversed(standing.matched),
            reversed(standing.states),
            strict=True,
        ):
            if matched and not rule.lets_in:
                return False
            if rule.lets_in and rule.pattern.read(state, "/"):
                return True
        return False

    def standing(self, path: bytes, above: Standing | None = None) -> Standing:
        """How a path stands, in a directory that stands like that; by default in the root."""
        standing = above or self.top
        for name in path.split(b"/") if path else ():
            standing = self.below(standing, name)
        return standing

    def matches(self, path: bytes) -> bool:
        """Whether a path is left out, itself or by a directory above it."""
        return self.leaves_out(self.standing(path))


def only(pattern: str) -> Ignore:
    """The rules that leave out all but what matches a pattern, and what is below. BadPattern."""
    return Ignore(
        (
            _Rule(Pattern("**", doublestar=True), lets_in=False),
            _Rule(Pattern(pattern, doublestar=True), lets_in=True),
        )
    )


def as_text(name: bytes) -> str:
    """A name as text; a byte that is no UTF-8 is one letter."""
    return name.decode("utf-8", "surrogateescape")


def _rules(text: str) -> Iterator[_Rule]:
    """The rule that a pattern is; none for an empty one."""
    text = text.strip()
    if not text:
        return
    lets_in = text.startswith("!")
    text = text.removeprefix("!").strip()
    if not text:
        raise BadPattern("a pattern is '!' alone", hint="'!name' lets a file in again")
    path = posixpath.normpath(text).lstrip("/") or "/"
    yield _Rule(Pattern(path, doublestar=True), lets_in)


def read_ignore(data: bytes, name: str) -> Ignore:
    """The rules in the content of a `.dockerignore`; `name` is its own. BadIgnoreFile."""
    if len(data) > MAX_SIZE:
        raise BadIgnoreFile(f"'{name}' has more than {MAX_SIZE >> 10} KiB")
    text = as_text(data).removeprefix(_BOM)
    made = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("#"):
            continue
        try:
            made += list(_rules(line))
        except BadPattern as error:
            raise BadIgnoreFile(f"'{name}', line {number}: {error.message}") from None
        if len(made) > MAX_RULES:
            raise BadIgnoreFile(f"'{name}' has more than {MAX_RULES:,} patterns")
    return Ignore(made)


def ignoring(patterns: Iterable[str]) -> Ignore:
    """The rules that these patterns are, as `--exclude` has them. BadPattern."""
    patterns = tuple(patterns)
    if sum(map(len, patterns)) > MAX_SIZE:
        raise BadPattern(f"patterns of more than {MAX_SIZE >> 10} KiB")
    rules = [rule for text in patterns for rule in _rules(text)]
    if len(rules) > MAX_RULES:
        raise BadPattern(f"more than {MAX_RULES:,} patterns")
    return Ignore(rules)
