"""The lines of a Dockerfile as instructions: lines that go on, remarks, here-documents.

As BuildKit reads them (frontend/dockerfile/parser): a line that ends with the escape character goes
on with the next; between them, empty lines and those that begin with `#` are passed over. A word
`<<NAME` of an instruction that takes here-documents stands for the lines below it, up to NAME.
"""

from __future__ import annotations

import json
import re

from lxgit.errors import LxgitError
from lxgit.objects.words import BACKSLASH, BadWord, split_words
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but the tab
_HEREDOC = re.compile(r"[0-9]*<<(?P<chomp>-?)(?P<word>[^<]+)")
_DOCUMENT_NAME = re.compile(r"[^\s'\"\\]+")
_BLANK = " \t"


class BadInstruction(LxgitError):
    """A line that is no instruction, or one whose arguments make no sense."""


class Heredoc(NamedTuple):
    """A here-document: what stands for it in its instruction, and its lines."""

    name: str
    content: str
    expands: bool = True
    """Whether variables in it stand for something: not where its name is in quotes."""
    word: str = ""
    """As it stands in the line: `<<-"EOF"`."""
    end: str = ""
    """The line that ended it."""


class Instruction(NamedTuple):
    """The name in capitals, the rest as it was written, and the here-documents that it names."""

    name: str
    rest: str
    heredocs: tuple[Heredoc, ...] = ()


def read_instructions(
    text: str, *, escape: str = BACKSLASH, with_heredocs: Collection[str] = ()
) -> Iterator[tuple[int, Instruction]]:
    """The instructions of a text, each with the number of its first line.

    Those named in `with_heredocs` take here-documents. BadInstruction names the line.
    """
    lines = _Lines(text)
    while (logical := _logical_line(lines, escape)) is not None:
        number, line = logical
        instruction = _read(number, line)
        if instruction.name in with_heredocs and "<<" in line:
            documents = tuple(_heredocs(instruction.rest, number, lines))
            instruction = instruction._replace(heredocs=documents)
        yield number, instruction


class _Lines:
    """Lines by turns; `number` is that of the last that was taken."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self.number = 0

    def take(self) -> str | None:
        if self.number == len(self._lines):
            return None
        self.number += 1
        return self._lines[self.number - 1].removesuffix("\r")


def _logical_line(lines: _Lines, escape: str) -> tuple[int, str] | None:
    """The next line with those that it goes on in, and its number."""
    parts: list[str] = []
    first = 0
    while (line := lines.take()) is not None:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first or lines.number
        ended = line.rstrip(_BLANK)
        if not ended.endswith(escape) or ended.endswith(2 * escape):
            parts.append(line)
            break
        parts.append(ended.removesuffix(escape))
    whole = "".join(parts)
    return (first, whole) if whole.strip() else None


def _read(number: int, line: str) -> Instruction:
    _check(number, line)
    name, *rest = line.split(maxsplit=1)
    return Instruction(name.upper(), rest[0].rstrip() if rest else "")


def _check(number: int, line: str) -> None:
    if (bad := _CONTROL.search(line)) is not None:
        raise BadInstruction(
            f"line {number} has the character {bad[0]!a}", hint="only text can stand there"
        )


def _heredocs(rest: str, number: int, lines: _Lines) -> Iterator[Heredoc]:
    try:
        words = split_words(rest)
    except BadWord:  # a shell may find its quotes elsewhere, and then no document is named
        return
    for word in words:
        match = _HEREDOC.fullmatch(word)
        name = match["word"].strip("'\"") if match else ""
        if match and _DOCUMENT_NAME.fullmatch(name):
            content, end = _document(name, lines, number, chomp=bool(match["chomp"]))
            yield Heredoc(name, content, name == match["word"], word, end)


def _document(name: str, lines: _Lines, number: int, *, chomp: bool) -> tuple[str, str]:
    """The lines up to the one that is the name, and that one as it stands."""
    content: list[str] = []
    while (line := lines.take()) is not None:
        shown = line.lstrip("\t") if chomp else line
        if shown == name:
            return "".join(content), line
        if "\0" in line:
            raise BadInstruction(f"line {lines.number} has the character '\\x00'")
        content.append(shown + "\n")
    raise BadInstruction(
        f"line {number}: the here-document '{name}' has no end",
        hint=f"a line that is '{name}' and nothing else ends it",
    )


def json_words(rest: str) -> tuple[str, ...] | None:
    """The strings of a JSON array; None for what is no array. BadInstruction for other arrays."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in found):
        raise BadInstruction("a JSON array has strings here, and nothing else")
    try:
        text = "".join(found).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadInstruction("a JSON array has half a letter, a lone surrogate") from None
    if b"\0" in text:
        raise BadInstruction("there is a NUL, which no program can be given")
    return tuple(found)
