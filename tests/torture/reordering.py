"""What a disk may hold after the power has failed, when it persists in any order.

A command is traced once, to its end; its calls are played (see `replay`) up to the moment of the
cut; and of what was not flushed by then each part is drawn by lot: it is on the disk, or it is not.
The model is what POSIX promises and no more:

- fsync(2) of a file makes its contents durable, and no name of it; that of a directory its names,
  and nothing that they name; syncfs(2) makes all durable.
- A change of names (a creation, link, rename, unlink) that was not flushed is there whole or not at
  all, whatever became of those before and after it. `in_order`: none without those that were made
  before it in the same directory.
- Of contents that were not flushed each block of 4 KiB is there, or is what it was, zeros where it
  was nothing; the file ends where it did, where it should, or behind any of these blocks.

ext4 and XFS have all changes of names in one journal, in order, and persist those before it with
any fsync(2); contents they write when they like (ext4 with data=writeback). Btrfs has them in
order too, but for what was fsynced. What is drawn here includes all that they may do.

Not modelled: owners, modes and extended attributes, which are as in the end; and what processes in
a container write: nobody has flushed that, so all of it is lost.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.torture.replay import Directory, File, Replay, assign, walk

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

    from tests.torture.replay import Node, Range
    from tests.torture.tracing import Call

_BLOCK = 4096
_CHANCES = (0.0, 0.2, 0.5, 0.8, 1.0)


@dataclass(slots=True)
class Cut:
    """A disk after a cut: names are in the `disk` of directories, and `kept` is what files hold."""

    replay: Replay
    kept: dict[File, tuple[int, list[Range]]] = field(default_factory=dict)  # size, ranges
    lost: list[str] = field(default_factory=list)  # calls that changed names
    torn: int = 0  # files


def cut(
    replay: Replay,
    calls: Sequence[Call],
    after: int,
    source: random.Random,
    *,
    in_order: bool,
) -> Cut:
    """Draw what is on the disk after so many of the calls; the others are played too."""
    for call in calls[:after]:
        replay.play(call)
    drawn = Cut(replay)
    _draw_names(drawn, source, in_order=in_order)
    _draw_contents(drawn, source)
    for call in calls[after:]:
        replay.play(call)
    return drawn


def _draw_names(drawn: Cut, source: random.Random, *, in_order: bool) -> None:
    chance = source.choice(_CHANCES)
    places: dict[Directory, tuple[Directory, str]] = {}
    behind: set[Directory] = set()  # those that have lost a change
    for change in drawn.replay.changes:
        directories = {directory for directory, _, _ in change.names}
        blocked = in_order and behind & directories
        if not change.flushed and (blocked or source.random() >= chance):
            drawn.lost.append(change.call)
            behind |= directories
            continue
        for directory, name, node in change.names:
            assign(directory.disk, name, node)
            if isinstance(node, Directory):  # which has one name, whatever renames were lost
                above, other = places.get(node, (directory, name))
                if (above, other) != (directory, name) and above.disk.get(other) is node:
                    del above.disk[other]
                places[node] = directory, name


def _draw_contents(drawn: Cut, source: random.Random) -> None:
    chance = source.choice(_CHANCES)
    for file in drawn.replay.files:
        blocks = [one for each in file.dirty for one in _blocks(*each)]
        kept = [one for one in blocks if source.random() < chance]
        size = file.size
        if file.dirty:
            size = source.choice([file.flushed_size, file.size, *(end for _, end in kept)])
            drawn.torn += size != file.size or kept != blocks
        drawn.kept[file] = size, file.flushed + kept


def _blocks(begin: int, end: int) -> list[Range]:
    """A range, cut where blocks begin."""
    cuts = [begin, *range(begin - begin % _BLOCK + _BLOCK, end, _BLOCK), end]
    return list(itertools.pairwise(cuts))


def write(drawn: Cut, store: Path, name: str, to: Path) -> None:
    """Make the store `name` of a disk at `to`, nothing when it has none.

    `store` is what came of it when the power did not fail.
    """
    ended = {node: store.parent / path for node, path in walk(drawn.replay.root)}
    node = drawn.replay.root.disk.get(name)
    if node is not None:
        _write(drawn, ended, node, to)


def _write(drawn: Cut, ended: dict[Node, Path], node: Node, to: Path) -> None:
    if _is_untouched(drawn, node):
        assert node.origin is not None
        subprocess.run(["cp", "-a", node.origin, to], check=True)
        return
    like = ended.get(node, node.origin)
    if isinstance(node, Directory):
        to.mkdir(mode=0o700)
        for name, below in node.disk.items():
            _write(drawn, ended, below, to / name)
    elif node.target is not None:
        to.symlink_to(node.target)
        return
    elif like is not None and (like.is_symlink() or not like.is_file()):
        subprocess.run(["cp", "-a", like, to], check=True)
        return
    else:
        _write_file(node, *drawn.kept[node], like, to)
    if like is not None:
        shutil.copystat(like, to)
        os.chown(to, like.stat().st_uid, like.stat().st_gid)


def _is_untouched(drawn: Cut, node: Node) -> bool:
    if node.origin is None:
        return False
    if isinstance(node, File):
        size, ranges = drawn.kept[node]
        return not ranges and size == node.origin.lstat().st_size
    names = sorted(os.listdir(node.origin))
    return sorted(node.disk) == names and all(
        below.origin == node.origin / name and _is_untouched(drawn, below)
        for name, below in node.disk.items()
    )


def _write_file(file: File, size: int, ranges: list[Range], like: Path | None, to: Path) -> None:
    """What was there before, and over it the ranges that were persisted."""
    old = file.origin.read_bytes() if file.origin is not None else b""
    new = like.read_bytes() if like is not None and like != file.origin else bytes(file.seen)
    length = min(size, max(len(old), *(end for begin, end in ranges if begin < end), 0))
    content = bytearray(old[:length].ljust(length, b"\0"))
    for begin, end in ranges:
        content[begin:end] = new[begin:end].ljust(end - begin, b"\0")
    to.write_bytes(content[:length])
    os.truncate(to, size)  # which may be of terabytes: mkfs.erofs has its file be so for a moment
