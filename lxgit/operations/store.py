"""The store itself: opening it, and the locks that whole operations hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.fsutil import on_wait
from lxgit.repository import NoStore, Repository, create_repository, open_repository

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NoStore", "Repository", "open_store"]


def open_store(
    path: str, *, create: bool = False, waiting: Callable[[str], None] | None = None
) -> Repository:
    """The store at `path`, an absolute path; `create` makes it when there is none.

    `waiting` is told in a line whom this process waits for, once it has waited for a second.

    NoStore, NotAStore, PermissionError: see `lxgit.repository.open_repository`.
    """
    if waiting is not None:
        on_wait(waiting)
    return create_repository(path) if create else open_repository(path)
