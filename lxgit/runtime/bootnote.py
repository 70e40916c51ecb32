"""Notes that something has been tried in this boot, and worked.

They may go at any time, and are written without a second name, which a kill would leave behind:
one that is unfinished is not of this boot.
"""

from __future__ import annotations

import os
from contextlib import suppress

from lxgit.beneath import drop
from lxgit.runtime.rundir import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def is_there(note: Path) -> bool:
    """Whether it was written in this boot."""
    with suppress(OSError):  # there is none, or it is damaged
        return note.read_bytes() == boot_id().encode("ascii")
    return False


def write(note: Path) -> None:
    """Write it in the place of whatever stands there, or leave it: next time is tried again."""
    with suppress(OSError):
        drop(note)
        with open(note, "xb", opener=_opener) as file:
            file.write(boot_id().encode("ascii"))


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
