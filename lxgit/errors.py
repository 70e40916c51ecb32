"""The root of every error that a user can cause, and the exit codes.

    LxgitError        1    a failure: the fault in one line, a hint that says what to do next
      UsageError      2    the command was put together wrongly
      and, each defined beside the code that raises it, a subclass of one of these

Library code raises; `lxgit.cli` alone turns an error into text and an exit code.
"""

from __future__ import annotations

FREE_SPACE = "free some space ('lxgit prune' drops cached layers), then try again"
"""The hint where a disk is full, or a quota used up."""


class LxgitError(Exception):
    """A fault that is told in one line; `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(LxgitError):
    """The command was put together wrongly."""

    exit_code = 2
