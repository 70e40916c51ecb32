"""What becomes of an error: one line that says the fault, a hint, an exit code."""

from __future__ import annotations

import os

from lxgit.cli.output import OutputFailed
from lxgit.errors import LxgitError, in_words, reason
from lxgit.lean import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lxgit.cli.session import Session


def fault(error: LxgitError | OSError | OutputFailed) -> tuple[str, str | None, int]:
    """The fault in one line, what to do next, and the exit code."""
    if isinstance(error, OutputFailed):
        return f"cannot write the output: {reason(error.__cause__)}", None, error.exit_code
    told = in_words(error)
    return told.message, told.hint, told.exit_code


def tell(message: str, *, hint: str | None = None) -> None:
    """Say something on standard error; a closed or full one is nobody's business."""
    text = f"lxgit: {printable(message)}\n" + (f"hint: {printable(hint)}\n" if hint else "")
    with suppress(OSError):
        os.write(2, text.encode("utf-8", "surrogateescape"))


class Faults:
    """What goes wrong with one of several things that a command is for, while the others are done.

    A context for each of them, which tells its fault. `exit_code` is the first one's, or 0.
    """

    def __init__(self, session: Session) -> None:
        self.exit_code = 0
        self._session = session

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if not isinstance(error, LxgitError | OSError):
            return False
        message, hint, code = fault(error)
        self._session.note(message, hint=hint)
        self.exit_code = self.exit_code or code
        return True


def tell_damaged(session: Session, found: Iterable[tuple[str, str]]) -> int:
    """Say of the names in a listing what keeps their commits from being read; the exit code."""
    code = 0
    for name, told in found:
        if told:
            session.note(f"'{name}': {told}", hint="'lxgit fsck' says what is damaged")
            code = 1
    return code


def for_each(session: Session, names: Iterable[str], step: Callable[[str], None]) -> int:
    """Do something for each name, and answer with it, as Docker does; the exit code."""
    faults = Faults(session)
    for name in names:
        with faults:
            step(name)
            session.out.line(name)
    return faults.exit_code


def printable(text: str, *, keep: str = "") -> str:
    r"""The text in one line, without the power to move a terminal's cursor: ESC as `\x1b`.

    File names and messages of images are strangers' words. `keep` are control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else _escaped(letter) for letter in text
    )


def _escaped(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # a byte that is not UTF-8 (PEP 383)
        return f"\\x{ord(letter) - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
