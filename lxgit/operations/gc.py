"""`gc`: drop the objects that nothing reaches, and pack the others well; compress idle layers.

What is kept: all that a ref reaches, those of containers under refs/lxgit/ among them (one that is
missing is made again first), or an entry of a reflog. Whatever else there is goes two weeks after
it was last written or relied on, as with Git, or at once when that is asked for.

Nobody who writes is in danger. A command holds the lock `objects` shared from its first object
until its ref has moved (Repository.writing), and whatever moves a ref to an object that is there
already does the same and looks whether it still is. Dropping takes that lock alone, and looks for
what is reachable after it has it. It is short: the long part, packing, comes before, and drops
nothing: Git puts what is unreachable into a pack of its own, a cruft pack (git-repack(1)). Stock
Git writes without that lock; the two weeks are for its sake.

    1  reflog entries that are too old go                               objects, exclusive
    2  everything is packed, if there is anything new                   repack
    3  what is old enough goes from the cruft pack                      objects, exclusive
    4  the commit-graph is written                                      repack
    5  base layers that nothing uses are compressed (idle.py)           repack, and layers in turn
"""

from __future__ import annotations

import contextlib
import os
import time

from lxgit.errors import LxgitError
from lxgit.fsutil import write_note
from lxgit.objects.git import Git, GitFailed
from lxgit.objects.lostrefs import LostRefs
from lxgit.objects.packindex import PackIndex
from lxgit.operations import leftovers
from lxgit.operations.garbage import (
    GRACE,
    KEPT,
    cruft_packs,
    dropped,
    expire_reflogs,
    expiring,
    logged_ids,
    oldest_cruft,
)
from lxgit.operations.hiding import check_not_hidden
from lxgit.operations.idle import compress_idle, compressible
from lxgit.operations.knownlayers import forget_gone
from lxgit.operations.packindexes import index_packs
from lxgit.operations.pinning import keep_all, keep_lost, tell_lost, unkept
from lxgit.operations.prune import gone_layers, prune_gone
from lxgit.operations.values import Collected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lxgit.progress import Progress
    from lxgit.repository import Repository

_HOOK = "gc.recentObjectsHook"

# Measured on the 874 MB image, two cores, bytes of its objects: as imported 334 MB; deltas found,
# nothing compressed anew 319 MB in 10.6 s; level 6 284 MB in 52 s, level 9 282 MB in 142 s. A
# window of 50 instead of 10 takes 2.5 times as long for 1 % less.
_WINDOW, _DEPTH = 10, 50
_COMPRESSION = "core.compression=6"
_MEMORY = "pack.windowMemory=256m"  # for each thread

_ANEW_FROM = 4
"""When what is new is more than this part of what gc packed before, all is compressed anew.

Git cannot do that for some objects alone; so the work stays in proportion to what is new.
"""


class ProgramOfGc(LxgitError):
    """The store's Git configuration names programs that `git repack` runs."""


def gc(
    repository: Repository, *, now: bool = False, dry_run: bool = False, progress: Progress
) -> Collected:
    """Drop what is unreachable and its layers, repack, and compress idle base layers.

    With `now`, that is at once, and what only a reflog reaches, as a branch that was deleted or a
    commit that was undone, is unreachable. Not what a branch or a tag was that is gone though
    nobody deleted it: that is kept as if somebody had, and warned of. HiddenHistory; ProgramOfGc.
    """
    _require_no_hook(repository)
    work = _foretell if dry_run else _collect
    return work(repository, now=now, progress=progress)


def _foretell(repository: Repository, *, now: bool, progress: Progress) -> Collected:
    """What `_collect` would do."""
    check_not_hidden(repository, KEPT)
    progress.phase("Looking for what is unreachable")
    entries = expiring(repository, now=now)
    lost = LostRefs(repository.git_dir).lost_logs()
    tell_lost(lost, progress)
    kept = entries.surviving | unkept(repository) | logged_ids(lost.values())
    garbage = dropped(repository, kept, now=now)
    size = _size(repository.git_dir)
    gone = prune_gone(repository, garbage, dry_run=True, progress=progress)
    idle = compressible(repository, gone_layers(repository, garbage))
    freed = sum(garbage.values())
    return Collected(len(garbage), entries.dropped, freed, size, *gone, *idle)


def _collect(repository: Repository, *, now: bool, progress: Progress) -> Collected:
    keep_all(repository)  # whoever changes a container may wait for `repacking`
    with repository.repacking():
        before = _size(repository.git_dir)
        leftovers.sweep(repository)
        index_packs(repository, progress)
        with repository.collecting():
            check_not_hidden(repository, KEPT)
            leftovers.sweep_ref_locks(repository)  # of who died since; no other lxgit has any
            keep_lost(repository, progress)
            entries = expire_reflogs(repository, now=now)
        count = _repacked(repository, now=now, progress=progress)
        after = _size(repository.git_dir)
        repository.objects.close()
        forget_gone(repository)
        gone = prune_gone(repository, progress=progress)
        idle = compress_idle(repository, progress)
    return Collected(count, entries, max(before - after, 0), after, *gone, *idle)


def _repacked(repository: Repository, *, now: bool, progress: Progress) -> int:
    """Pack what there is, and drop what is old enough; how many objects that were."""
    packs = _Packs(repository)
    try:
        packed = packs.pack(progress)
        count = packs.drop(now=now, progress=progress)
        leftovers.sweep_packs(repository)
        if packed or count:
            progress.phase("Indexing history")
            write_commit_graph(repository)
    except BaseException:  # such as a full disk, which Git leaves its unfinished packs on
        leftovers.sweep(repository)
        raise
    return count


def write_commit_graph(repository: Repository) -> None:
    """Have Git index all commits that refs reach.

    Without any, Git would leave what it has written before. Not with which paths each one changed:
    that takes five times as long, and Git (2.47) uses it for one path at a time, where `log --
    PATH` here asks for three (see objects/pathhistory). None where a stranger's commit has a time
    that it has no room for, 34 bits: Git does without.
    """
    graph = repository.git_dir / "objects/info/commit-graph"
    if not repository.refs.list():
        graph.unlink(missing_ok=True)
    repository.git.run(["commit-graph", "write", "--reachable", "--no-progress"])
    if lies(repository):
        graph.unlink(missing_ok=True)


def lies(repository: Repository) -> bool:
    """Whether the commit-graph has another time for a commit than the commit."""
    try:
        repository.git.run(["commit-graph", "verify", "--no-progress"])
    except GitFailed as error:
        return b" in commit-graph is " in error.stderr
    return False


def _require_no_hook(repository: Repository) -> None:
    """ProgramOfGc where Git would ask programs what is to be kept.

    No option of Git's takes back what a configuration says of them (git-config(1)). The file that
    does may be one that is included, which Git changes nothing of unless that is named.
    """
    said = repository.git.run(["config", "-z", "--show-origin", "--get-all", _HOOK], ok=(0, 1))
    if said:
        from lxgit.objects.shellwords import shell_line  # rare

        file = os.fsdecode(said.partition(b"\0")[0].removeprefix(b"file:"))
        path = os.path.join(repository.git_dir, file)
        take = shell_line(("git", "config", "-f", path, "--unset-all", _HOOK))
        raise ProgramOfGc(
            f"gc would run what the store's Git configuration names, as {_HOOK}",
            hint=f"'{take}' takes it out of there",
        )


class _Packs:
    """The packs of a store, while this process alone may repack them."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._git = repository.git
        self._directory = f"{repository.git_dir}/objects/pack"
        self._note = repository.path / "packed"

    def pack(self, progress: Progress) -> bool:
        """Have what is reachable in one pack, and the rest in a cruft pack; false when it is."""
        plain = self._plain()
        main = self._packed_before(plain)
        new = plain - {main}
        loose = _loose_size(self._repository.git_dir)
        if main is not None and not new and not loose and self._all_reachable(main):
            return False
        fresh = sum(self._pack_size(name) for name in new) + loose
        anew = main is None or fresh * _ANEW_FROM > self._pack_size(main)
        progress.phase("Packing")
        self._repack(*(["-F"] if anew else []))
        written = self._plain()
        largest = max(written, key=self._pack_size, default="")
        write_note(self._note, f"{largest}\n".encode())
        return True

    def drop(self, *, now: bool, progress: Progress) -> int:
        """Drop what nothing reaches and is old enough; how many objects."""
        cutoff = time.time() - GRACE
        oldest = oldest_cruft(self._repository.git_dir)
        if oldest is None or (not now and oldest > cutoff):
            return 0
        progress.phase("Dropping objects")
        with self._repository.collecting():
            check_not_hidden(self._repository, KEPT)  # once more: packing took its time
            before = self._cruft_objects()
            keep = self._packed_before(self._plain())
            expiration = "now" if now else f"@{cutoff:.0f}"
            self._repack(
                f"--cruft-expiration={expiration}",
                *([f"--keep-pack={keep}.pack"] if keep else []),
            )
            return len(before - self._cruft_objects())

    def _repack(self, *options: str) -> None:
        git = Git(self._repository.git_dir, _COMPRESSION, _MEMORY, "repack.writeBitmaps=false")
        shape = (f"--window={_WINDOW}", f"--depth={_DEPTH}")
        git.run(["repack", "-a", "-d", "-q", "-n", "--cruft", *shape, *options])

    def _all_reachable(self, pack: str) -> bool:
        said = self._git.run(
            ["rev-list", "--count", "--objects", "--all", "--reflog", "--indexed-objects"]
        )
        with PackIndex(f"{self._directory}/{pack}.idx") as index:
            return int(said) == index.count

    def _packed_before(self, plain: Iterable[str]) -> str | None:
        """The pack that gc made last, if it is still there."""
        try:
            name = self._note.read_text("ascii", "replace").strip()  # damaged, it is no pack's
        except OSError:
            return None
        return name if name in plain else None

    def _plain(self) -> set[str]:
        """The packs without a .keep that are no cruft; not an index whose pack is lost."""
        names = set(os.listdir(self._directory))
        stems = {name.removesuffix(".idx") for name in names if name.endswith(".idx")}
        return {
            stem
            for stem in stems
            if f"{stem}.pack" in names and not {f"{stem}.keep", f"{stem}.mtimes"} & names
        }

    def _cruft_objects(self) -> set[bytes]:
        found: set[bytes] = set()
        for path in cruft_packs(self._repository.git_dir):
            with PackIndex(f"{path}.idx") as index:
                found.update(index)
        return found

    def _pack_size(self, name: str) -> int:
        return os.stat(f"{self._directory}/{name}.pack").st_size


def _loose_size(git_dir: Path) -> int:
    return sum(path.stat().st_size for path in git_dir.glob("objects/??/*"))


def _size(git_dir: Path) -> int:
    """The bytes of all files below `objects`, as far as they are still there."""
    total = 0
    for directory, _, files in os.walk(git_dir / "objects"):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(f"{directory}/{name}").st_size
    return total
