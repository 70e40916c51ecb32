"""The root of every error that a user can cause, and the exit codes.

    LxgitError        1    a failure: the fault in one line, a hint that says what to do next
      UsageError      2    the command was put together wrongly
      and, each defined beside the code that raises it, a subclass of one of these

Library code raises; `lxgit.cli` alone turns an error into text and an exit code.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FREE_SPACE = "free some space ('lxgit prune' drops cached layers), then try again"
"""The hint where a disk is full, or a quota used up."""


class LxgitError(Exception):
    """A fault that is told in one line; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ReaderGone(Exception):
    """Nobody reads the answer any more, as after `| head`: no fault, and nobody is told.

    No other pipe that breaks is this.
    """


class UsageError(LxgitError):
    """The command was put together wrongly."""

    exit_code = 2


_DISK = "'dmesg' says more of the disk; 'lxgit fsck' verifies the store"

_AS_ROOT = "run it as root: sudo lxgit …"
_HINTS = {
    errno.EACCES: _AS_ROOT,
    errno.EPERM: _AS_ROOT,
    errno.EDQUOT: FREE_SPACE,
    errno.EIO: _DISK,
    errno.EMFILE: "raise the limit: ulimit -n",
    errno.ENOSPC: FREE_SPACE,
    errno.EROFS: "remount it for writing, or choose another place with --store",
    errno.ESTALE: _DISK,
    errno.EUCLEAN: _DISK,
}


def in_words(error: LxgitError | OSError) -> LxgitError:
    """The error itself, or what a system call says, in one line with a hint."""
    if isinstance(error, LxgitError):
        return error
    names = (error.filename, error.filename2)  # some are numbers of descriptors
    parts = [os.fsdecode(name) for name in names if isinstance(name, str | bytes)]
    hint = _HINTS.get(error.errno or 0)
    if hint == _AS_ROOT and os.geteuid() == 0:
        hint = None
    return LxgitError(": ".join((*parts, reason(error))), hint=hint)


def reason(error: BaseException | None) -> str:
    """Why, without where: `no space left on device`."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error)


def quoted(data: bytes) -> str:
    r"""A stranger's bytes in a message, in one line: `'login\nsy'`, `'caf\xe9'`."""
    text = data.decode("utf-8", "backslashreplace")
    shown = (letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    return f"'{''.join(shown)}'"


_MOST_NAMED = 5


def some_of(names: Sequence[str]) -> str:
    """The first few of many, and how many more there are: `a, b, c, d, e and 7 more`."""
    left = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {left} more" if left > 0 else "")
