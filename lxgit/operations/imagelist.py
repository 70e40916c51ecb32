"""`images` by Docker's filters (docs.docker.com, "docker image ls")."""

from __future__ import annotations

from fnmatch import fnmatchcase

from lxgit.errors import UsageError
from lxgit.objects.history import walk
from lxgit.objects.ids import from_hex, hex_id
from lxgit.operations.images import history_of, list_images
from lxgit.operations.lookup import find_commit, image_of, read_commit
from lxgit.operations.selecting import has_label, parse_filters
from lxgit.operations.sizes import image_size
from lxgit.operations.values import ImageRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lxgit.repository import Repository

_KEYS = ("reference", "before", "since", "label", "dangling")


def select_images(
    repository: Repository,
    *,
    everything: bool = False,
    filters: Iterable[str] = (),
    sizes: bool = False,
) -> list[ImageRow]:
    """The images that pass the filters; with `everything` also those that these come from.

    With `dangling=true` none of them: what only a reflog keeps, and nothing else comes from.
    """
    wanted = parse_filters(filters, _KEYS)
    dangling = wanted.pop("dangling", ["false"])[-1]
    if dangling not in ("true", "false"):
        raise UsageError("dangling is true or false", hint="--filter dangling=true")
    rows = _dangling(repository) if dangling == "true" else list_images(repository)
    if everything and dangling == "false":
        rows += _unnamed(repository, rows)
    for key, values in wanted.items():
        rows = [row for row in rows if _passes(repository, row, key, values)]
    return [_sized(repository, row) for row in rows] if sizes else rows


def _unnamed(repository: Repository, rows: Sequence[ImageRow]) -> list[ImageRow]:
    """What a branch or a tag reaches, and none names; the newest first."""
    named = {row.oid for row in rows}
    return [
        ImageRow(None, "<none>", hex_id(oid), commit.committer.time)
        for oid, commit in history_of(repository, rows)
        if hex_id(oid) not in named
    ]


def _dangling(repository: Repository) -> list[ImageRow]:
    """What no branch, tag or container reaches, nor another of these; the newest first."""
    from lxgit.operations.garbage import KEPT

    found = dict(walk(repository.git, ("--ignore-missing", "--reflog", "--not", *KEPT)))
    parents = {parent for commit in found.values() for parent in commit.parents}
    return [
        ImageRow(None, "<none>", hex_id(oid), commit.committer.time)
        for oid, commit in found.items()
        if oid not in parents
    ]


def _passes(repository: Repository, row: ImageRow, key: str, values: list[str]) -> bool:
    if key == "reference":
        names = (row.repository or "<none>", f"{row.repository or '<none>'}:{row.tag}")
        return any(fnmatchcase(name, value) for name in names for value in values)
    if row.fault:
        return False
    if key == "label":
        config = image_of(repository, from_hex(row.oid)).config
        labels = [f"{name}={text}" for name, text in config.labels]
        return all(has_label(labels, value) for value in values)
    others = (read_commit(repository, find_commit(repository, value)) for value in values)
    times = [other.committer.time for other in others]
    if key == "before":
        return any(row.created < time for time in times)
    return any(row.created > time for time in times)


def _sized(repository: Repository, row: ImageRow) -> ImageRow:
    if row.fault:
        return row
    return row._replace(size=image_size(repository, image_of(repository, from_hex(row.oid))))
