"""The store itself: opening it, and the locks that whole operations hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.repository import NoStore, Repository, create_repository, open_repository

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NoStore", "Repository", "open_store"]


def open_store(path: Path, *, create: bool = False) -> Repository:
    """The store at `path`, an absolute path; `create` makes it when there is none.

    NoStore, NotAStore, PermissionError: see `lxgit.repository.open_repository`.
    """
    return create_repository(path) if create else open_repository(path)
