"""Times that the store's file system cannot hold: it keeps the nearest that it can, silently.

Source: linux/fs/inode.c, timestamp_truncate; what ext4 and XFS have for their bounds was measured.
btrfs and EROFS hold every time.
"""

from __future__ import annotations

import os
from contextlib import suppress

from lxgit.lean import NANOSECONDS
from lxgit.records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.changeset import Changeset
    from lxgit.objects.entries import Entry
    from lxgit.objects.image import Image
    from lxgit.objects.imagepaths import ImagePaths

_FIRST = -(2**31) * NANOSECONDS
_LAST = (
    (2**31 - 1) * NANOSECONDS,  # 2038: ext4 with inodes of 128 bytes, XFS without bigtime
    (3 * 2**32 + 2**31 - 1) * NANOSECONDS,  # 2446: ext4
    16_299_260_424 * NANOSECONDS,  # 2486: XFS
)


def has_whole_seconds(status: os.stat_result) -> bool:
    """Whether a file system keeps no fractions (ext4 with inodes of 128 bytes), by one inode of it.

    The kernel gives every ctime a fraction where there is room: that has none by a rare chance.
    """
    return status.st_ctime_ns % NANOSECONDS == 0


def is_held(mtime: int, *, whole: bool) -> bool:
    """Whether every file system that can have a store keeps that time, in nanoseconds.

    Or every one that `has_whole_seconds`, where that is `whole`.
    """
    if whole and mtime % NANOSECONDS:
        return False
    return _FIRST + NANOSECONDS <= mtime <= _LAST[0]


def is_cut_off(mtime: int, shown: int, *, whole: bool) -> bool:
    """Whether `shown` is what a file system has in the place of a time that it cannot hold."""
    if shown == _FIRST:
        return mtime < _FIRST + NANOSECONDS  # in the first second there are no fractions
    cut_off = (whole and shown == mtime - mtime % NANOSECONDS) or shown in _LAST
    return cut_off and mtime > shown


def restore_times(changes: Changeset, below: Image, place: Path) -> None:
    """Give what was copied up unchanged in its time the one that the image below has.

    What a container writes to by `chmod` or the like is copied to the upper directory with the time
    cut off, or had it cut off in a layer before. What it is cut off to depends on the file system,
    which is that of the directory `place`: any other time somebody has set.
    """
    whole = has_whole_seconds(place.stat())
    paths: ImagePaths | None = None
    candidates = []
    for path, node in changes.nodes.items():
        shown = node.metadata.mtime
        if whole or shown == _FIRST or shown in _LAST:
            paths = paths or _paths_of(below)
            entry = _entry(paths, below, path)
            if entry is None or entry.kind is not node.kind:
                continue
            if is_cut_off(entry.metadata.mtime, shown, whole=whole):
                candidates.append((node, entry.metadata.mtime))
    kept = _kept_as({mtime for _, mtime in candidates}, place) if candidates else {}
    for node, mtime in candidates:
        if kept.get(mtime) == node.metadata.mtime:
            node.metadata = replace(node.metadata, mtime=mtime)


def _kept_as(times: set[int], place: Path) -> dict[int, int]:
    """What a file in that directory has for each of the times: none where it cannot be made."""
    from lxgit.objects.newfile import NewFile

    kept = {}
    with suppress(OSError), NewFile(os.fspath(place)) as file:  # on a disk that can be written to
        for mtime in times:
            os.utime(file.fd, ns=(mtime, mtime))
            kept[mtime] = os.fstat(file.fd).st_mtime_ns
    return kept


def _paths_of(image: Image) -> ImagePaths:
    from lxgit.objects.imagepaths import ImagePaths

    return ImagePaths(image)


def _entry(paths: ImagePaths, image: Image, path: bytes) -> Entry | None:
    from lxgit.objects.directory import Subdirectory
    from lxgit.objects.image import directory_entry

    found = paths.entry(path) if path else Subdirectory(image.rootfs)
    return directory_entry(image.reader, found.oid) if isinstance(found, Subdirectory) else found
