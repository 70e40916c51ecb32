"""The cache of builds: the commit that an instruction has come to, found again by what it was.

The key is the SHA-256 of all that the instruction depends on (format.md, "The cache of builds"). It
is the end of a ref's name: so what keeps a step from gc is a ref as any other, and hidden from
transfers.
"""

from __future__ import annotations

import hashlib
import json

from lxgit.objects.commits import ITSELF
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import CACHE
from lxgit.objects.refs import ANY
from lxgit.operations.hiding import check_not_hidden
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from lxgit.objects.ids import ObjectID
    from lxgit.repository import Repository

_NAMED = ("--branches", "--tags", "--glob=refs/lxgit/containers/*")
_VERSION = 1
"""Of what goes into a key: with another one, nothing is found that was made before."""


class PrunedCache(NamedTuple):
    """What `builder prune` dropped: steps, and directories of `RUN --mount=type=cache`."""

    steps: int
    mounts: int


class CacheUse(NamedTuple):
    """How many steps the cache has, and how many of them a branch, tag or container has come of.

    `size` is what the others take of the disk, in bytes.
    """

    steps: int
    named: int
    size: int


def cache_ref(parent: ObjectID, *parts: object) -> str:
    """The ref of an instruction: `parts` are what it depends on beside its parent, as JSON."""
    text = json.dumps([_VERSION, hex_id(parent), *parts], sort_keys=True)
    return CACHE + hashlib.sha256(text.encode()).hexdigest()


def cache_use(repository: Repository) -> CacheUse:
    """What there is. HiddenHistory."""
    refs = repository.refs.list(CACHE)
    loose = _loose(repository, refs)
    if not loose:
        return CacheUse(len(refs), len(refs), 0)
    ids = sorted({hex_id(refs[ref]) for ref in loose})
    revisions = "".join(f"{oid}\n" for oid in (*ids, "--not", *_NAMED))
    options = ["rev-list", "--objects", "--disk-usage", "--stdin"]
    size = int(repository.git.run(options, stdin=revisions.encode()))
    return CacheUse(len(refs), len(refs) - len(loose), size)


def prune_cache(repository: Repository, *, everything: bool = False) -> PrunedCache:
    """Forget the steps that no branch, tag or container has come of, or with `everything` all.

    With `everything` the directories of `RUN --mount=type=cache` go too, those that no container
    has. What the commits take of the disk is gc's to free. LockHeld while a build relies on them;
    HiddenHistory, but for `everything`.
    """
    with _locked(repository, shared=False):
        return _prune(repository, everything=everything)


def relied_on(repository: Repository) -> AbstractContextManager[int]:
    """Keep steps from being forgotten: a build that has made or found one goes on from there."""
    return _locked(repository, shared=True)


def _locked(repository: Repository, *, shared: bool) -> AbstractContextManager[int]:
    return repository.lock("builds", shared=shared, wait=shared, what="the cache of builds")


def _prune(repository: Repository, *, everything: bool) -> PrunedCache:
    mounts = 0
    if everything:  # first: it may be refused
        from lxgit.operations.buildmounts import drop_caches

        mounts = drop_caches(repository)
    refs = repository.refs.list(CACHE)
    dropped = list(refs) if everything else _loose(repository, refs)
    if everything:
        for ref in repository.refs.damaged(CACHE):
            repository.refs.drop(ref)
    for ref in dropped:  # not by `git update-ref`, whose locks outlive it
        repository.refs.update(ref, None, old=ANY, message="builder prune", who=ITSELF)
    return PrunedCache(len(dropped), mounts)


def _loose(repository: Repository, refs: dict[str, ObjectID]) -> list[str]:
    """Those of the refs whose commits nothing else leads to. HiddenHistory."""
    if not refs:
        return []
    check_not_hidden(repository, _NAMED)
    said = repository.git.run(["rev-list", *_NAMED])
    named = set(said.decode("ascii").split())
    return [ref for ref, oid in refs.items() if hex_id(oid) not in named]
