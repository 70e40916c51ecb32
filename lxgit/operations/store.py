"""The store itself: opening it, and the locks that whole operations hold."""

from __future__ import annotations

import os

from lxgit.locks import on_wait
from lxgit.repository import (
    NoStore,
    Repository,
    StoreDenied,
    create_repository,
    open_repository,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NoStore", "Repository", "StoreDenied", "open_store"]


def open_store(
    path: str, *, create: bool = False, waiting: Callable[[str], None] | None = None
) -> Repository:
    """The store at `path`, an absolute path; `create` makes it when there is none.

    `waiting` is told in a line whom this process waits for, once it has waited for a second.

    An ordinary user becomes root of a namespace, where files of containers have the owners that
    they are to have; but not who may `create` the store, to import what has its owners outside.

    NoStore, NotAStore, StoreDenied, PermissionError: see `lxgit.repository.open_repository`.
    NoNamespace.
    """
    if waiting is not None:
        on_wait(waiting)
    repository = create_repository(path) if create else open_repository(path)
    if os.geteuid() != 0 and not create:
        from lxgit.operations.ordinary import become_root, has_containers

        if has_containers(repository):
            become_root()
    return repository
