"""Indexes of packs, made again from the packs."""

from __future__ import annotations

import contextlib
import os

from lxgit.objects.filecheck import unindexed_faults
from lxgit.objects.git import GitFailed
from lxgit.objects.newfile import TEMPORARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.progress import Progress
    from lxgit.repository import Repository


def index_packs(repository: Repository, progress: Progress) -> None:
    """Have an index of every pack that has none and that nobody is about to make one of.

    Only such a pack may have what some reflog tells of: Git does not miss that, and would drop it.
    """
    for fault in unindexed_faults(repository.git_dir):
        if not make_index(repository, fault.path):
            pack = f"{fault.path.removesuffix('.idx')}.pack"
            progress.warn(f"{pack} is damaged, and has no index: it stays as it is")


def make_index(repository: Repository, path: str) -> bool:
    """Make a pack's index from the pack, if that is good; whether it is."""
    pack = f"{path.removesuffix('.idx')}.pack"
    new = f"{os.path.dirname(path)}/{TEMPORARY}idx_{os.urandom(8).hex()}.idx"
    try:
        repository.git.run(["index-pack", "--no-rev-index", "-o", new, pack])
        os.rename(new, path)
        return True
    except GitFailed:
        return False
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        repository.objects.close()
