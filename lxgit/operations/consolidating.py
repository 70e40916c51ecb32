"""What each command that writes a pack does at its end, and what `gc` need not be loaded for."""

from __future__ import annotations

import contextlib

from lxgit.locks import LockHeld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.repository import Repository

_MANY_PACKS = 50


def consolidate(repository: Repository) -> None:
    """Make few packs of many small ones, unless somebody does already."""
    if repository.objects.pack_count() > _MANY_PACKS:
        with (
            contextlib.suppress(LockHeld),
            repository.repacking(wait=False),
        ):
            repository.objects.consolidate()
