"""What becomes of an error: one line that says the fault, a hint, an exit code."""

from __future__ import annotations

import os

from lxgit.cli.output import OutputFailed
from lxgit.errors import LxgitError, in_words, reason
from lxgit.lean import suppress


def fault(error: LxgitError | OSError | OutputFailed) -> tuple[str, str | None, int]:
    """The fault in one line, what to do next, and the exit code."""
    if isinstance(error, OutputFailed):
        return f"cannot write the output: {reason(error.__cause__)}", None, 1
    told = in_words(error)
    return told.message, told.hint, told.exit_code


def tell(message: str, *, hint: str | None = None) -> None:
    """Say something on standard error; a closed or full one is nobody's business."""
    text = f"lxgit: {printable(message)}\n" + (f"hint: {printable(hint)}\n" if hint else "")
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "surrogateescape"))


def printable(text: str) -> str:
    r"""The text without the power to move a terminal's cursor: control characters as \x1b.

    File names and messages of images are strangers' words.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else _escaped(letter) for letter in text
    )


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte that is not UTF-8 (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
