r"""Go templates, first step: text to tokens (pkg.go.dev/text/template, "Text and spaces").

What stands between actions is one token, with `\t` and `\n` for tab and newline as Docker has it;
`{{- ` and ` -}}` take the blanks beside them away, comments are left out.
"""

from __future__ import annotations

import re

from lxgit.errors import UsageError
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 1 << 16  # characters; a command line takes 128 KiB
_BLANKS = " \t\r\n"


class InvalidTemplate(UsageError):
    """A `--format` that is no template, or asks for what is not there; says at which column."""


class Token(NamedTuple):
    """`kind` is text, open, close, end, or one of the groups of `_TOKEN`."""

    kind: str
    text: str
    position: int
    joined: bool = False
    """Whether nothing stands between it and the token before, as in `.State.Pid`."""


_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+)
    |(?P<close>\}\})
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<number>[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?![\w.]))
    |(?P<field>\.[^\W\d]\w*)
    |(?P<variable>\$\w*)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark>:=|[=|(),.])
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"[ \t\r\n]*/\*.*?\*/(?:[ \t\r\n]+-)?\}\}", re.DOTALL)
_TRIMMED_CLOSE = re.compile(r"[ \t\r\n]+-\}\}")


def fault(position: int, words: str, hint: str | None = None) -> InvalidTemplate:
    """The error about what stands at a position, counted from 0."""
    return InvalidTemplate(f"--format, column {position + 1}: {words}", hint=hint)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a template; the last one is `end`. InvalidTemplate."""
    if len(text) > _LONGEST:
        raise fault(_LONGEST, f"a template has {_LONGEST} characters at most")
    at, trim = 0, False
    while True:
        start = text.find("{{", at)
        literal = text[at : start if start >= 0 else len(text)]
        trims = text.startswith("{{-", start) and text[start + 3 : start + 4] in tuple(_BLANKS)
        literal = literal.lstrip(_BLANKS) if trim else literal
        literal = literal.rstrip(_BLANKS) if start >= 0 and trims else literal
        if literal:
            yield Token("text", literal.replace(r"\t", "\t").replace(r"\n", "\n"), at)
        if start < 0:
            yield Token("end", "", len(text))
            return
        inner = start + (3 if trims else 2)
        if comment := _COMMENT.match(text, inner):
            at, trim = comment.end(), comment[0].endswith("-}}")
            continue
        yield Token("open", "{{", start)
        action = list(_action(text, inner))
        yield from action
        at, trim = action[-1].position + len(action[-1].text), action[-1].text == "-}}"


def _action(text: str, at: int) -> Iterator[Token]:
    """The tokens up to the end of an action, which is among them."""
    joined = False
    while True:
        if match := _TRIMMED_CLOSE.match(text, at):
            yield Token("close", "-}}", match.end() - 3)
            return
        found = _TOKEN.match(text, at)
        if found is None:
            raise fault(at, _stray(text, at), "an action is such as '{{.ID}}' or '{{json .}}'")
        kind = str(found.lastgroup)
        if kind != "blank":
            yield Token(kind, found[0], at, joined)
        if kind == "close":
            return
        joined, at = kind != "blank", found.end()


def _stray(text: str, at: int) -> str:
    if at >= len(text):
        return "an action is not closed by '}}'"
    if text[at] in '"`':
        return "a string has no end"
    return f"'{text[at]}' has no meaning there"
