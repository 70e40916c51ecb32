"""What each command that writes a pack does at its end, and what `gc` need not be loaded for."""

from __future__ import annotations

from lxgit.errors import LxgitError, in_words
from lxgit.locks import LockHeld

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.progress import Progress
    from lxgit.repository import Repository

_MANY_PACKS = 50


def consolidate(repository: Repository, progress: Progress) -> None:
    """Make few packs of many small ones, unless somebody does already.

    What the command was to do is done: that this fails, as on a full disk, is a warning.
    """
    try:
        if repository.objects.pack_count() > _MANY_PACKS:
            with repository.repacking(wait=False):
                _consolidate(repository)
    except LockHeld:
        pass
    except (LxgitError, OSError) as error:
        fault = in_words(error).message
        progress.warn(f"the store has many packs, which 'lxgit gc' makes few of: {fault}")


def _consolidate(repository: Repository) -> None:
    try:
        repository.objects.consolidate()
    except BaseException:  # Git leaves its unfinished packs
        from lxgit.operations import leftovers

        leftovers.sweep_unfinished(repository)
        raise
