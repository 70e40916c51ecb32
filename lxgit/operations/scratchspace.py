"""A directory for what is on its way into the store or out of it."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from lxgit.beneath import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.repository import Repository


@contextmanager
def scratch_directory(repository: Repository) -> Iterator[Path]:
    """An empty directory in STORE/tmp, for its owner alone, which goes at the end.

    It is open meanwhile: by that `prune` tells one that is in use from one that a crash left.
    """
    path = Path(tempfile.mkdtemp(prefix="scratch-", dir=repository.scratch_dir))
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield path
    finally:
        os.close(fd)
        remove_tree(path)
