"""What is garbage: reflog entries that are too old, and objects that nothing reaches."""

from __future__ import annotations

import os
import struct
import time
from contextlib import suppress
from pathlib import Path

from lxgit.errors import LxgitError
from lxgit.objects.database import MissingObject
from lxgit.objects.deletions import of_lost, on_their_own, with_origins
from lxgit.objects.ids import from_hex, hex_id
from lxgit.objects.packindex import PackIndex
from lxgit.objects.refnames import BRANCHES, DELETED, TAGS
from lxgit.objects.refs import ANY, RefStore
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry
    from lxgit.repository import Repository

_DAY = 86_400  # seconds
KEPT = (f"--exclude={DELETED}", "--all")
"""For Git: from all refs, but that which is as good as the entries of its reflog."""

GRACE = 14 * _DAY
"""Seconds that unreachable objects are kept since they were last used: gc.pruneExpire."""

_ENTRIES = 90 * _DAY
"""Seconds that a reflog entry is kept: gc.reflogExpire of git-config(1)."""

_LOST_ENTRIES = 30 * _DAY
"""The same of a commit that the ref no longer reaches: gc.reflogExpireUnreachable.

Deleted branches and tags are such by nature; their entries are kept as long as others.
"""


class DamagedTimes(LxgitError):
    """The file that says when the objects of a cruft pack were used is none."""


class Entries(NamedTuple):
    """What is to become of the reflogs."""

    dropped: int
    """How many entries go."""
    before: Mapping[str, Sequence[ReflogEntry]]
    """What each log had when it was read: stock Git may have added to it since."""
    logs: Mapping[str, Sequence[ReflogEntry]]
    """What is left of each log that loses or changes any, the last change first."""
    surviving: frozenset[ObjectID]
    """The commits that the rest of the entries keep."""


def expiring(repository: Repository, *, now: bool) -> Entries:
    """Which entries are too old; with `now`, all that reach what no ref does.

    Where the last that is left does not tell how a branch or a tag came to be where it is
    (`arriving` asks for it, `fsck` too), the last one of all stays, from what that says; of one
    that was deleted, as long as that is told of.
    """
    moment = time.time()
    logs = {name: repository.refs.reflog(name) for name in repository.refs.logged()}
    young = {
        name: [entry for entry in log if entry.who.time > moment - _ENTRIES]
        for name, log in logs.items()
    }
    # Of all at once: Git may walk the whole history each time that it is asked.
    unnamed = unreached(repository, KEPT, logged_ids(young.values())) if now else None
    kept = {
        name: _kept_of_ref(repository, name, log, young[name], moment, unnamed)
        for name, log in logs.items()
        if name != DELETED
    }
    if DELETED in logs:
        kept[DELETED] = _kept_of_deleted(logs[DELETED], young[DELETED], unnamed)
    return Entries(
        dropped=sum(len(logs[name]) - len(entries) for name, entries in kept.items()),
        before=logs,
        logs={name: entries for name, entries in kept.items() if entries != list(logs[name])},
        surviving=frozenset(logged_ids(kept.values())),
    )


def expire_reflogs(repository: Repository, *, now: bool) -> int:
    """Drop the entries that `expiring` tells of; how many.

    The caller keeps everybody from moving refs (Repository.collecting).
    """
    entries = expiring(repository, now=now)
    for name, kept in entries.logs.items():
        if name == DELETED:
            _replace_deleted(repository, kept)
        else:
            repository.refs.replace_reflog(name, kept, of=entries.before[name])
    return entries.dropped


def _kept_of_ref(
    repository: Repository,
    name: str,
    log: Sequence[ReflogEntry],
    young: Sequence[ReflogEntry],
    moment: float,
    unnamed: set[ObjectID] | None,
) -> list[ReflogEntry]:
    """What stays of a ref's log, whose `young` entries may. `unnamed`: what no ref reaches."""
    if unnamed is None:
        due = {entry for entry in young if entry.who.time <= moment - _LOST_ENTRIES}
        lost = _left(repository, name, due)
    else:
        due, lost = set(young), unnamed
    kept = [entry for entry in young if entry not in due or not _ids(entry) & lost]
    if log and (not kept or kept[0].new != log[0].new):
        return [*_last(repository, name, log[0], kept), *kept]
    return kept


def _kept_of_deleted(
    log: Sequence[ReflogEntry], young: Sequence[ReflogEntry], unnamed: set[ObjectID] | None
) -> list[ReflogEntry]:
    """What stays of DELETED's log: of it, refs that are lost are told of whatever is `unnamed`."""
    told, kept = list(on_their_own(log)), list(on_their_own(young))
    if unnamed is not None:
        spared = of_lost(told)  # whom nobody asked
        kept = [entry for entry in kept if entry in spared or not _ids(entry) & unnamed]
    return list(with_origins(told, kept))


def _replace_deleted(repository: Repository, kept: Sequence[ReflogEntry]) -> None:
    """Have DELETED's log be this; with none, DELETED goes."""
    log = repository.refs.reflog(DELETED)
    if list(kept[:1]) != list(on_their_own(log[:1])):
        _let_go(repository, kept, log[0].who)
    if kept:
        repository.refs.replace_reflog(DELETED, kept, of=repository.refs.reflog(DELETED))


def _last(
    repository: Repository, name: str, last: ReflogEntry, kept: Sequence[ReflogEntry]
) -> Iterator[ReflogEntry]:
    """How a branch or a tag came to where it is, if it is there; behind the entries `kept`."""
    if name.startswith((BRANCHES, TAGS)) and last.new == repository.refs.read(name):
        yield last._replace(old=kept[0].new if kept else None)


def _let_go(repository: Repository, kept: Sequence[ReflogEntry], who: Signature) -> None:
    """Have DELETED name the last of the commits that its reflog still has, or go.

    Not through `repository.refs`, which would wait for whoever collects.
    """
    last = kept[0].new if kept else None
    RefStore(repository.git_dir).update(DELETED, last, old=ANY, message="gc", who=who)


def _ids(entry: ReflogEntry) -> set[ObjectID]:
    return {oid for oid in (entry.old, entry.new) if oid is not None}


def logged_ids(logs: Iterable[Iterable[ReflogEntry]]) -> set[ObjectID]:
    """The commits that logs name."""
    return {oid for log in logs for entry in log for oid in _ids(entry)}


def _left(repository: Repository, name: str, entries: Iterable[ReflogEntry]) -> set[ObjectID]:
    """The commits of entries that the ref, for HEAD any ref, does not reach."""
    wanted = logged_ids([entries])
    if name == "HEAD":
        return unreached(repository, KEPT, wanted)
    if not wanted or repository.refs.read(name) is None:
        return wanted
    return unreached(repository, [name], wanted)


def unreached(repository: Repository, tips: Sequence[str], wanted: set[ObjectID]) -> set[ObjectID]:
    """Those of `wanted` that nothing of `tips` reaches, which are words of git-rev-list(1).

    An annotated tag is one if its commit is: Git tells of commits alone. A tag of none is never.
    """
    if not wanted:
        return set()
    gone, commits = set(), {}
    for oid in wanted:
        try:
            commits[oid] = repository.revisions.peeled(oid)
        except MissingObject:
            gone.add(oid)
    said = repository.git.run(
        ["rev-list", "--stdin", "--not", *tips],
        stdin="".join(f"{hex_id(one)}\n" for one in commits.values() if one is not None).encode(),
    )
    left = {from_hex(line) for line in said.split()}
    return gone | {oid for oid, commit in commits.items() if commit in left}


def dropped(
    repository: Repository, surviving: Iterable[ObjectID], *, now: bool
) -> dict[ObjectID, int]:
    """The objects that gc would drop, with their sizes on disk."""
    sizes = _all_objects(repository)
    roots = [hex_id(oid) for oid in surviving]
    garbage = sizes.keys() - _reachable(repository, roots)
    if not now and garbage:
        recent = {hex_id(oid) for oid in _recent(repository.git_dir)} & garbage
        garbage -= _reachable(repository, [*roots, *recent])
    return {from_hex(oid.encode()): sizes[oid] for oid in garbage}


def _all_objects(repository: Repository) -> dict[str, int]:
    form = "--batch-check=%(objectname) %(objectsize:disk)"
    lines = repository.git.lines(["cat-file", "--batch-all-objects", "--unordered", form])
    return {line[:40].decode(): int(line[41:]) for line in lines}


def _reachable(repository: Repository, roots: Iterable[str]) -> set[str]:
    lines = repository.git.lines(
        ["rev-list", "--objects", "--no-object-names", "--ignore-missing", *KEPT, "--stdin"],
        stdin="".join(f"{root}\n" for root in roots).encode(),
    )
    return {line.decode() for line in lines}


def _recent(git_dir: Path) -> Iterator[ObjectID]:
    """The objects that were written or relied on within the grace, reachable or not."""
    cutoff = time.time() - GRACE
    for index in (git_dir / "objects/pack").glob("*.idx"):
        with suppress(FileNotFoundError):
            with PackIndex(str(index)) as opened:
                ids = list(opened)
            if os.path.exists(index.with_suffix(".mtimes")):
                times: Sequence[float] = _mtimes(index.with_suffix(".mtimes"), len(ids))
                yield from (oid for oid, at in zip(ids, times, strict=True) if at > cutoff)
            elif index.with_suffix(".pack").stat().st_mtime > cutoff:
                yield from ids
    for loose in (git_dir / "objects").glob("??/*"):
        with suppress(FileNotFoundError):
            if len(loose.name) == 38 and loose.stat().st_mtime > cutoff:
                yield from_hex((loose.parent.name + loose.name).encode())


def oldest_cruft(git_dir: Path) -> float | None:
    """When the object of all cruft packs that nobody used for longest was; None without any."""
    times = []
    for path in cruft_packs(git_dir):
        with PackIndex(f"{path}.idx") as index:
            times.append(min(_mtimes(Path(f"{path}.mtimes"), index.count)))
    return min(times, default=None)


def cruft_packs(git_dir: Path) -> list[str]:
    """The packs of objects that nothing reaches, as paths without a suffix.

    Without those that have no index or no pack: what is left of one, which `leftovers` sweeps up.
    """
    pack = f"{git_dir}/objects/pack"
    names = set(os.listdir(pack))
    stems = [name.removesuffix(".mtimes") for name in names if name.endswith(".mtimes")]
    return [f"{pack}/{stem}" for stem in stems if {f"{stem}.idx", f"{stem}.pack"} <= names]


def _mtimes(path: Path, count: int) -> tuple[int, ...]:
    """A cruft pack's .mtimes (gitformat-pack(5)): a time for each object, in the index's order.

    DamagedTimes when it is too short for that.
    """
    try:
        return struct.unpack_from(f">{count}I", path.read_bytes(), 12)
    except struct.error:
        raise DamagedTimes(
            f"{path.name} is damaged", hint="'lxgit fsck --repair' mends that"
        ) from None
