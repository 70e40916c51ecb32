"""What a supervisor or a keeper says of what it could not do."""

from __future__ import annotations

from lxgit.errors import LxgitError, in_words


def unable(what: str, error: Exception) -> LxgitError:
    """The fault that is told: an error for users as it is, another with what it kept us from."""
    if isinstance(error, LxgitError):
        return error
    if isinstance(error, OSError):
        fault = in_words(error)
    else:
        fault = LxgitError(f"{type(error).__name__}: {error}")
    return LxgitError(f"the container could not be {what}: {fault.message}", hint=fault.hint)
