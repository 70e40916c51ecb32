"""Which commits came of which layers of other tools' images: those are not unpacked again.

STORE/unpacked has a note for each (format.md, "Images of other tools"). What is noted there, this
store has unpacked itself, and compared with its digest. It keeps nothing from gc.
"""

from __future__ import annotations

import os
import re

from lxgit.fsutil import write_atomic
from lxgit.objects.ids import InvalidObjectID, from_hex, hex_id
from lxgit.objects.messages import trailers
from lxgit.oci.history import LAYER, chain_id
from lxgit.operations.lookup import read_commit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository

_NAME = re.compile(r"[0-9a-f]{64}")


def known_layers(repository: Repository, diff_ids: Iterable[str]) -> list[ObjectID]:
    """The commits of the lowest layers of an image, as far as they are here.

    The caller keeps gc away (Repository.writing).
    """
    found: list[ObjectID] = []
    chain = ""
    for diff_id in diff_ids:
        chain = chain_id(chain, diff_id)
        oid = _find(repository, chain, diff_id)
        if oid is None:
            break
        found.append(oid)
    return found


def remember(repository: Repository, unpacked: Sequence[tuple[str, ObjectID]]) -> None:
    """Note the commits of chains."""
    if unpacked:
        _place(repository).mkdir(mode=0o700, exist_ok=True)
    for chain, oid in unpacked:
        path = _place(repository) / _name(chain)
        write_atomic(path, f"{hex_id(oid)}\n".encode(), durable=False)


def forget_gone(repository: Repository) -> None:
    """Drop the notes of commits that gc has dropped."""
    try:
        names = os.listdir(_place(repository))
    except FileNotFoundError:
        return
    for name in filter(_NAME.fullmatch, names):
        path = _place(repository) / name
        oid = _read(path)
        if oid is None or oid not in repository.objects:
            path.unlink(missing_ok=True)


def _find(repository: Repository, chain: str, diff_id: str) -> ObjectID | None:
    oid = _read(_place(repository) / _name(chain))
    if oid is None or not repository.objects.freshen(oid):  # what a gc of Git's takes, it may take
        return None
    said = trailers(read_commit(repository, oid).message)
    return oid if (LAYER, diff_id) in said else None


def _read(path: Path) -> ObjectID | None:
    """What a note says; None where there is none, or a crash has left it empty."""
    try:
        return from_hex(path.read_bytes().removesuffix(b"\n"))
    except (FileNotFoundError, InvalidObjectID):
        return None


def _place(repository: Repository) -> Path:
    return repository.path / "unpacked"


def _name(chain: str) -> str:
    return chain.partition(":")[2]
