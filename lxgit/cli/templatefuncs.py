"""Go templates: the functions that they can call, and how a value is written.

Go's own (pkg.go.dev/text/template, "Functions") and Docker's (docs.docker.com, "Format command and
log output"). Values are those of JSON; a function that is given what it cannot take raises
ValueError with the words for it, or TypeError.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from lxgit.cli.report import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

Value: TypeAlias = Any
"""A value of JSON, or a function."""

_VERB = re.compile(r"%([-+ 0#]*)([0-9]*)(?:\.([0-9]+))?(.?)", re.DOTALL)
_WIDEST = 1000  # columns that a template can ask for


class Text(str):
    """Words that the template itself has put together: their own newlines and tabs are printed.

    `printed` is what they look like, strangers' words in them escaped.
    """

    __slots__ = ("printed",)
    printed: str

    def __new__(cls, text: str, printed: str | None = None) -> Self:
        made = super().__new__(cls, text)
        made.printed = text if printed is None else printed
        return made


def in_line(value: Value) -> str:
    """A value as `shown` has it, for a terminal: in one line, but for the template's own words."""
    return value.printed if isinstance(value, Text) else printable(shown(value))


def shown(value: Value) -> str:
    """A value as Go's `%v` has it: `true`, `[a b]`, `map[a:1]`, `<no value>`."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{shown(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def as_json(value: Value) -> str:
    r"""A value as JSON in one line; what has to be called is left out.

    Letters that `printable` would escape are escaped as JSON has it: DEL as `\u007f`.
    """
    from json import dumps

    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if not callable(item)}
    text = dumps(value, separators=(",", ":"), ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else dumps(letter)[1:-1] for letter in text)


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise ValueError(f"there is no item {key}: it has {len(value)}")
            value = value[key]
        else:
            raise TypeError
    return value


def _slice(value: Value, first: int = 0, end: int | None = None) -> Value:
    end = len(value) if end is None else end
    if not 0 <= first <= end <= len(value):
        raise ValueError(f"it has {len(value)} items")
    return value[first:end]


def _length(value: Value) -> int:
    return len(value.encode("utf-8", "surrogateescape")) if isinstance(value, str) else len(value)


def _put_together(function: Callable[..., str]) -> Callable[..., Text]:
    """A function of how a value is written, and of values."""
    return lambda *values: Text(function(shown, *values), function(in_line, *values))


def _of_words(function: Callable[..., Value]) -> Callable[..., Value]:
    """A function that changes words or takes some of them: the template's own stay that.

    Where strangers' words among them are escaped, all are strangers'.
    """

    def of_words(value: Value, *others: Value) -> Value:
        made = function(value, *others)
        if not isinstance(value, Text) or value.printed != value:
            return made
        return [Text(each) for each in made] if isinstance(made, list) else Text(made)

    return of_words


def _join(written: Callable[[Value], str], items: Value, mark: Value) -> str:
    if not isinstance(mark, str):
        raise TypeError
    return written(mark).join(map(written, items))


def _print(written: Callable[[Value], str], *values: Value) -> str:
    """Blanks between those that are no strings, as Go's fmt.Sprint."""
    told = ""
    for at, value in enumerate(values):
        apart = at and not isinstance(value, str) and not isinstance(values[at - 1], str)
        told += " " * bool(apart) + written(value)
    return told


def _println(written: Callable[[Value], str], *values: Value) -> str:
    return " ".join(map(written, values)) + "\n"


def _printf(written: Callable[[Value], str], form: str, *values: Value) -> str:
    left = list(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left or verb not in tuple("svdqtxXfeg"):
            raise ValueError(f"'{match[0]}' has no value" if not left else f"no verb '{match[0]}'")
        if max(int(width or 0), int(precision or 0)) > _WIDEST:
            raise ValueError(f"'{match[0]}' is too wide")
        value = left.pop(0)
        if verb in "svtq":
            value = as_json(value) if verb == "q" else value
            text = written(shown(value)[: int(precision)] if precision else value)
            return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))
        return str(f"%{flags}{width}{f'.{precision}' if precision else ''}{verb}" % value)

    told = _VERB.sub(one, written(form))
    if left:
        raise ValueError("there are more values than verbs")
    return told


def _is_equal(value: Value, *others: Value) -> bool:
    kind = _kind(value)
    return any(_kind(other) is kind and value == other for other in others)


def _kind(value: Value) -> type:
    return str if isinstance(value, str) else type(value)


def _pad(text: str, before: int, after: int) -> str:
    if not text or max(before, after) > _WIDEST:
        return text
    return " " * before + text + " " * after


def _title(text: str) -> str:
    return re.sub(r"(?:^|(?<=\s))\w", lambda match: match[0].upper(), text)


FUNCTIONS: Mapping[str, Callable[..., Value]] = {
    "eq": _is_equal,
    "ge": lambda one, other: one >= other,
    "gt": lambda one, other: one > other,
    "index": _index,
    "join": _put_together(_join),
    "json": as_json,
    "le": lambda one, other: one <= other,
    "len": _length,
    "lower": _of_words(lambda text: shown(text).lower()),
    "lt": lambda one, other: one < other,
    "ne": lambda one, other: not _is_equal(one, other),
    "not": lambda value: not value,
    "pad": _of_words(_pad),
    "print": _put_together(_print),
    "printf": _put_together(_printf),
    "println": _put_together(_println),
    "slice": _of_words(_slice),
    "split": _of_words(lambda text, mark: text.split(mark)),
    "title": _of_words(_title),
    "truncate": _of_words(lambda text, length: text[: max(length, 0)]),
    "upper": _of_words(lambda text: shown(text).upper()),
}
