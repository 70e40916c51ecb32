"""What becomes of an error: one line that says the fault, a hint, an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TypeGuard

from lxgit.cli.output import OutputFailed
from lxgit.errors import FREE_SPACE, LxgitError

_DISK = "'dmesg' says more of the disk; 'lxgit fsck' verifies the store"

_HINTS = {
    errno.EACCES: "run it as root: sudo lxgit …",
    errno.EPERM: "run it as root: sudo lxgit …",
    errno.EDQUOT: FREE_SPACE,
    errno.EIO: _DISK,
    errno.EMFILE: "raise the limit: ulimit -n",
    errno.ENOSPC: FREE_SPACE,
    errno.EROFS: "remount it for writing, or choose another place with --store",
    errno.ESTALE: _DISK,
    errno.EUCLEAN: _DISK,
}


def fault(error: LxgitError | OSError | OutputFailed) -> tuple[str, str | None, int]:
    """The fault in one line, what to do next, and the exit code."""
    if isinstance(error, LxgitError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, OutputFailed):
        reason = _reason(error.__cause__)
        return f"cannot write the output: {reason}", None, 1
    return _system_fault(error), _HINTS.get(error.errno or 0), 1


def _system_fault(error: OSError) -> str:
    parts = [os.fsdecode(name) for name in (error.filename, error.filename2) if _is_path(name)]
    return ": ".join((*parts, _reason(error)))


def _is_path(name: object) -> TypeGuard[str | bytes]:
    """Some errors carry a file descriptor's number there."""
    return isinstance(name, str | bytes)


def _reason(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error)


def tell(message: str, *, hint: str | None = None) -> None:
    """Say something on standard error; a closed or full one is nobody's business."""
    text = f"lxgit: {printable(message)}\n" + (f"hint: {printable(hint)}\n" if hint else "")
    with contextlib.suppress(OSError):
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
