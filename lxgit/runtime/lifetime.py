"""Containers that are a command's own: they end with it and go with it, whatever ends it.

The record of such a container names its owner, a directory in STORE/tmp that the command has open
and locked (flock(2)) as long as it lives. Its supervisor kills the container when the command's
connection ends, and deletes it then; what a supervisor that was killed as well has left is deleted
by whoever sweeps (operations/leftovers.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from lxgit.beneath import remove_tree
from lxgit.locks import is_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "owner-"


@contextlib.contextmanager
def owning(scratch: Path) -> Iterator[Path]:
    """A directory of this process alone, in `scratch`, whose name is an owner's; it goes again."""
    path = scratch / f"{PREFIX}{os.urandom(8).hex()}"
    path.mkdir(mode=0o700)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield path
        finally:
            os.close(fd)
    finally:
        remove_tree(path)


def lives(scratch: Path, owner: str) -> bool:
    """Whether the command of that name is still there."""
    return is_held(scratch / owner)
