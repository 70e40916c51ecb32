"""Whether the files that Git derives from packs and commits are whole: by their own checksums.

And those that have it show a history other than the one that there is.

`git fsck` verifies objects and packs, and dies of some of these instead of naming them.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress

from lxgit.errors import LxgitError
from lxgit.objects.commits import decode_commit
from lxgit.objects.ids import InvalidObjectID, ObjectID, from_hex, hex_id
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.objects.database import ObjectDatabase

_CHAIN = re.compile(rb"(?:[0-9a-f]{40}\n)*")
_CHUNK = 1 << 20
_TRAILER = 20
_SIGNATURES = {
    "idx": b"\xfftOc\0\0\0\2",
    "rev": b"RIDX\0\0\0\1",
    "mtimes": b"MTME\0\0\0\1",
    "bitmap": b"BITM",
    "graph": b"CGPH\1",
    "midx": b"MIDX\1",
}


class FileFault(NamedTuple):
    """A file that is not whole; `remade` says that Git can make it again from what is there."""

    path: str
    message: str
    remade: bool


def derived_faults(git_dir: Path) -> Iterator[FileFault]:
    """Every index, and each other file that speeds Git up, whose checksum is wrong."""
    pack = f"{git_dir}/objects/pack"
    names = set(os.listdir(pack))
    for name in sorted(names):
        stem, _, kind = name.rpartition(".")
        path = f"{pack}/{name}"
        if kind in {"idx", "rev", "bitmap", "mtimes"} and not _is_whole(path, kind):
            remade = kind != "idx" or f"{stem}.pack" in names
            yield FileFault(path, f"{name} is damaged", remade)
    others = {f"{pack}/multi-pack-index": "midx", f"{git_dir}/objects/info/commit-graph": "graph"}
    for path, kind in others.items():
        if os.path.exists(path) and not _is_whole(path, kind):
            yield FileFault(path, f"{os.path.basename(path)} is damaged", remade=True)
    chain = f"{git_dir}/objects/info/commit-graphs/commit-graph-chain"
    if not _is_whole_chain(chain):
        yield FileFault(chain, "commit-graph-chain, or a graph of it, is damaged", remade=True)


def _is_whole_chain(path: str) -> bool:
    """Whether a file is the names of graphs that are there, as `git commit-graph --split` has it.

    Git has the graphs come before it, and go when it has no more of them.
    """
    content = _content(path)
    graphs = [
        f"{os.path.dirname(path)}/graph-{os.fsdecode(line)}.graph" for line in content.splitlines()
    ]
    whole = _CHAIN.fullmatch(content) is not None and all(
        os.path.exists(graph) and _is_whole(graph, "graph") for graph in graphs
    )
    return whole or _content(path) != content  # else it is another by now


def _content(path: str) -> bytes:
    """What is in a file; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def unindexed_faults(git_dir: Path, *, kept: bool = False) -> list[FileFault]:
    """The packs whose index has gone, and their objects with it.

    With `kept` those too that have a .keep, which may be a user's: whoever has just made one comes
    to the index last (`packwriter`).

    Git names a pack's index last and deletes it first, so one that was killed leaves such packs
    too; all that they hold is elsewhere then.
    """
    pack = f"{git_dir}/objects/pack"
    stems = [name.removesuffix(".pack") for name in os.listdir(pack) if name.endswith(".pack")]
    return [
        FileFault(f"{pack}/{stem}.idx", f"the pack {stem} has no index", remade=True)
        for stem in sorted(stems)
        if not os.path.exists(f"{pack}/{stem}.idx")
        if kept or not os.path.exists(f"{pack}/{stem}.keep")
    ]


class HidingLine(NamedTuple):
    """A line that has Git take a commit for another than it is, and what it does."""

    path: str
    commit: ObjectID
    told: str
    hidden: tuple[ObjectID, ...] | None
    """The parents that Git does not see and that are there; None where it may see others."""


def hiding_lines(git_dir: Path, database: ObjectDatabase) -> list[HidingLine]:
    """Those of `shallow` and `info/grafts`.

    Not one that says no more than is so: that what is before a commit is not there.
    """
    found = []
    shallow = f"{git_dir}/shallow"
    for oid in shallow_commits(git_dir):
        with suppress(LxgitError):
            parents = decode_commit(database.read(oid)[1]).parents
            if there := tuple(parent for parent in parents if parent in database):
                told = f"hides what is before {hex_id(oid)[:12]}"
                found.append(HidingLine(shallow, oid, told, there))
    grafts = f"{git_dir}/info/grafts"
    for oid in _listed(grafts):
        told = f"gives {hex_id(oid)[:12]} other parents than it has"
        found.append(HidingLine(grafts, oid, told, None))
    return found


def shallow_commits(git_dir: Path) -> list[ObjectID]:
    """The commits that Git takes for the first ones there are (gitrepository-layout(5))."""
    return _listed(f"{git_dir}/shallow")


def _listed(path: str) -> list[ObjectID]:
    """The ids that lines of a file begin with."""
    found = []
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for line in file:
            with suppress(InvalidObjectID):
                found.append(from_hex(line[:40]))
    return found


def _is_whole(path: str, kind: str) -> bool:
    """Whether the file ends with the SHA-1 of what comes before, and begins as it must."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha1(usedforsecurity=False)
            left = size - _TRAILER
            start = b""
            while left > 0:
                chunk = file.read(min(left, _CHUNK))
                start = start or chunk
                digest.update(chunk)
                left -= len(chunk)
            return start.startswith(_SIGNATURES[kind]) and file.read() == digest.digest()
    except FileNotFoundError:
        return True  # repacked meanwhile
