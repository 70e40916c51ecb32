"""What a directory takes on disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 512  # bytes of st_blocks, whatever the file system's own block is: stat(2)


def at_rest(directory: Path) -> int:
    """Bytes of all that is in a directory, as du(1) counts: blocks, and each inode once."""
    blocks = {(s.st_dev, s.st_ino): s.st_blocks for s in _statuses(os.fspath(directory))}
    return sum(blocks.values()) * _BLOCK


def _statuses(directory: str) -> list[os.stat_result]:
    return [
        os.lstat(os.path.join(path, name))
        for path, directories, files in os.walk(directory)
        for name in (".", *directories, *files)
    ]
