"""Messages of commits and tags: how Git tidies them, and the trailers at their ends."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile
from operator import not_

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)", re.DOTALL)
_SPACE = " \t\n\r"  # what Git trims (ctype.c): of ASCII alone, and neither \v nor \f
_PICKED = "(cherry picked from commit "


def clean_message(text: str, *, comment: str | None = None) -> str:
    """A message as Git stores one (git-stripspace(1)).

    No space at the ends of lines, one empty line where there are several, none at either end, and
    a newline last. Lines that begin with `comment` go.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if comment is not None and line.startswith(comment):
            continue
        stripped = line.rstrip(_SPACE)
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    cleaned = "\n".join(lines).rstrip("\n")
    return f"{cleaned}\n" if cleaned else ""


def subject(message: str) -> str:
    """The first paragraph on one line, as Git's `%s` (git-log(1)); may be empty."""
    lines = (line.rstrip(_SPACE) for line in message.split("\n"))
    return " ".join(takewhile(bool, dropwhile(not_, lines)))


def trailers(message: str) -> list[tuple[str, str]]:
    """The (key, value) pairs of the message's last paragraph (git-interpret-trailers(1)).

    None unless all of that paragraph is trailers, and it is not the first: that is the title.
    """
    block = _trailer_block(message)
    pairs = (_TRAILER.fullmatch(line) for line in block)
    return [(match[1], match[2].replace("\n ", "\n").strip(_SPACE)) for match in pairs if match]


def add_trailers(message: str, pairs: Iterable[tuple[str, str]]) -> str:
    """The message with these trailers behind those that it has.

    Lines of a value after its first are indented by a space; empty ones are left out, as they would
    end the paragraph.
    """
    lines = [f"{key}: {_fold(value)}\n" for key, value in pairs]
    if not lines:
        return message
    body = message.rstrip("\n") + "\n"
    gap = "" if _trailer_block(message) or body == "\n" else "\n"
    return body + gap + "".join(lines)


def _fold(value: str) -> str:
    return "\n ".join(line.rstrip(_SPACE) for line in value.split("\n") if line.strip(_SPACE))


def _trailer_block(message: str) -> list[str]:
    """The trailers of the last paragraph, each with the lines that go on with it."""
    title, gap, last = message.rstrip("\n").rpartition("\n\n")
    if not gap and title == "" and last.startswith("\n"):
        last = last.lstrip("\n")  # nothing but trailers, behind an empty title
    elif not gap:
        return []
    block: list[str] = []
    for line in last.split("\n"):
        if block and line.startswith((" ", "\t")):
            block[-1] += "\n" + line
        elif _TRAILER.fullmatch(line) or line.startswith(_PICKED):
            block.append(line)
        else:
            return []
    return block
