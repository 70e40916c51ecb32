"""Asking before something goes that cannot be had again."""

from __future__ import annotations

import os

from lxgit.errors import LxgitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.cli.session import Session


class Declined(LxgitError):
    """The user did not say yes."""


def confirm(session: Session, what: str) -> None:
    """Have a person say yes to what will be done; Declined, or UsageError where none is there."""
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError(f"{what}: it wants a terminal to ask on", hint="-f goes on without asking")
    session.note(what)
    os.write(2, b"Are you sure? [y/N] ")
    answer = os.read(0, 1024)
    if answer.strip().lower() not in (b"y", b"yes"):
        raise Declined("nothing was deleted")
