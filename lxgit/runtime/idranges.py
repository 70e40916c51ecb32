"""Which ids of the host a container's users are.

Each container has 65,536 ids to itself for as long as it exists, running or not: root's own lines
of /etc/subuid and /etc/subgid where both have the same ones (subuid(5)), and after those a range
that no line of either file touches, from 0x70000000 up. systemd's table of ids (UIDS-GIDS.md)
leaves 0x70000000 to 0x7fffffff to nobody, its own containers end there, and ids over 0x7fffffff
are taken for negative by some programs.

An ordinary user's containers have all ids of the user's namespace, the same for each of them, and
take no range (rootless.py).

A range is taken by making `.ranges/FIRST`, a link that names its container. A store begins its
search at a place of its own, so that two stores on one host rarely give out the same range.
"""

from __future__ import annotations

import os
import zlib

from lxgit.errors import LxgitError
from lxgit.runtime import rootless
from lxgit.runtime.idmap import ID_COUNT, MAX_EXTENTS, RANGE, Extent, IdMap, InvalidIdMap
from lxgit.runtime.index import entry, withdraw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    _Line = tuple[str, int, int]  # as `rootless.lines` gives them

_HIGH = range(0x7000_0000, 0x8000_0000, RANGE)
_SUBIDS = ("/etc/subuid", "/etc/subgid")
_ROOT = ("root", "0")


class IdsExhausted(LxgitError):
    """Every range of host ids has its container."""


def allocate(registry: Path, container: str, outside_range: Sequence[int]) -> IdMap:
    """Take the host ids of one container, whose id is `container`.

    `outside_range` are ids from 65,536 up that its image or its user has: each gets a host id of
    its own. `registry` is the directory of taken ranges; the caller holds the lock on it. Raises
    IdsExhausted, or InvalidIdMap when the ids need more extents than the kernel takes.
    """
    extra = sorted(set(outside_range))
    if len(extra) > RANGE:
        raise InvalidIdMap(
            f"the image uses {len(extra)} ids over {RANGE - 1}: {MAX_EXTENTS} ranges can be mapped",
            hint="--userns=host runs it with the ids as they are",
        )
    if rootless.is_active():
        return own_ids()
    count = 2 if extra else 1
    free = _free_ranges(registry)
    firsts = [first for first, _ in zip(free, range(count), strict=False)]
    if len(firsts) < count:
        raise IdsExhausted(
            "no range of 65,536 user ids is free for another container",
            hint="remove containers that are no longer needed: lxgit rm",
        )
    idmap = IdMap((Extent(0, firsts[0], RANGE), *_single_ids(extra, firsts[-1])))
    for first in firsts:
        os.symlink(container, registry / str(first))
    return idmap


def ids_beyond(user: str, groups: Sequence[str] = ()) -> tuple[int, ...]:
    """The ids from 65,536 up that `-u` and `--group-add` have as numbers."""
    numbers = [word for word in (*user.split(":", 1), *groups) if word[:1].isdecimal()]
    if not numbers:
        return ()
    from lxgit.objects.accounts import account_id  # of few containers

    ids = map(account_id, numbers)
    return tuple(number for number in ids if number is not None and number >= RANGE)


def own_ids() -> IdMap:
    """The ids of this process's namespace as they are: what each container of a user has."""
    return IdMap(tuple(Extent(run.first, run.first, run.length) for run in rootless.runs()))


def release(registry: Path, container: str, idmap: IdMap) -> None:
    """Give back what `allocate` took, after the container has gone."""
    for extent in idmap.extents:  # a range's first id begins an extent, as `allocate` made them
        withdraw(registry / str(extent.outside), container)


def firsts(idmap: IdMap | None) -> list[int]:
    """The first ids of the ranges that `allocate` took: none for those of a user."""
    if idmap is None or idmap.changes_nothing:
        return []
    return [extent.outside for extent in idmap.extents[:2]]


def strangers(idmap: IdMap | None) -> list[str]:
    """Who else has ids of a container by subuid(5), where root has them not.

    It has come from another machine, or they were given away since it was made.
    """
    uids, gids = _lines()
    roots = _of_root(uids, gids)
    theirs = [
        first
        for first in firsts(idmap)
        if not any(start <= first and first + RANGE <= start + count for start, count in roots)
    ]
    others = [line for line in (*uids, *gids) if line[0] not in _ROOT]
    return sorted({line[0] for line in others for first in theirs if _touches(first, [line[1:]])})


def _lines() -> tuple[list[_Line], list[_Line]]:
    uids, gids = (list(rootless.lines(path)) for path in _SUBIDS)
    return uids, gids


def _of_root(uids: Sequence[_Line], gids: Sequence[_Line]) -> list[tuple[int, int]]:
    """Runs of ids that root has in both files, users' and groups'."""
    return [(line[1], line[2]) for line in uids if line[0] in _ROOT and line in gids]


def drop_leftovers(registry: Path) -> None:
    """Give back what containers that do not exist have taken; the caller holds the lock."""
    _taken(registry)


def _single_ids(ids: Sequence[int], first: int) -> Iterator[Extent]:
    """Extents for ids outside the range: `first` and the following host ids, neighbours as one."""
    start = 0
    for end in range(1, len(ids) + 1):
        if end == len(ids) or ids[end] != ids[end - 1] + 1:
            yield Extent(ids[start], first + start, end - start)
            start = end


def _free_ranges(registry: Path) -> Iterator[int]:
    """First ids of free ranges: root's, then high ones."""
    taken = _taken(registry)
    firsts = {first for first, _ in taken}
    uids, gids = _lines()
    own = [
        first
        for start, count in _of_root(uids, gids)
        for first in range(start, start + count - RANGE + 1, RANGE)
        if first > 0 and first + RANGE <= ID_COUNT
    ]
    others = [(start, count) for _, start, count in (*uids, *gids)]
    begin = zlib.crc32(os.fsencode(registry.resolve()))
    for pool, foreign in ((own, []), (_HIGH, others)):
        for index in range(len(pool)):
            first = pool[(begin + index) % len(pool)]
            if first not in firsts and not _touches(first, (*taken, *foreign)):
                yield first


def _taken(registry: Path) -> list[tuple[int, int]]:
    """Ranges of containers that exist; the entry of one that does not is a leftover, and goes.

    What leads nowhere may have been a link to one that does: `fsck` tells of it.
    """
    taken = []
    for name in os.listdir(registry):
        container = entry(registry / name)
        if container is not None and not (registry.parent / container).exists():
            (registry / name).unlink()
        elif name.isdecimal():
            taken.append((int(name), RANGE))
    return taken


def _touches(first: int, runs: Sequence[tuple[int, int]]) -> bool:
    return any(first < start + count and start < first + RANGE for start, count in runs)
