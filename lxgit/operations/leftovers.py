"""What commands leave when they are killed: unfinished things, and locks that nobody holds.

A file is left over when its name says that it is unfinished and no process has it open: all that
lxgit writes stays open until it has its final name. Git closes a file before it names it, so one
with a name of Git's counts only while no git works on the store, or after a day.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import time

from lxgit.beneath import remove_tree
from lxgit.locks import LockHeld
from lxgit.objects import packwriter
from lxgit.objects.filelock import announcement, drop_stale_lock, ref_locks
from lxgit.objects.reflogs import Intent
from lxgit.operations.pins import let_go, settle_others, unpin_leftovers
from lxgit.operations.running import end
from lxgit.runtime import rootless, volumes
from lxgit.runtime.containers import all_containers, edited
from lxgit.runtime.erasing import gone, remove, settled
from lxgit.runtime.index import NoSuchContainer
from lxgit.runtime.lifetime import lives
from lxgit.runtime.newupper import others, remove_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lxgit.objects.filelock import RefLocked
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_OURS = (
    ("", "*.*.tmp"),
    ("git", "tmp_*"),
    ("tmp", "*"),
    ("", "probe-*"),
    ("containers/*", "*.*.tmp"),
    ("layers/*", "*.*.tmp"),
    ("networks", "*.*.tmp"),
    ("unpacked", "*.*.tmp"),
)
_GITS = (
    ("git/objects", "tmp_*"),
    ("git/objects/??", "tmp_*"),
    ("git/objects/pack", "tmp_*"),
    ("git/objects/pack", ".tmp-*"),
    ("git/objects/info", "*.lock"),
    ("git/objects/info/commit-graphs", "tmp_*"),
    ("git/objects/info/commit-graphs", "*.lock"),
)
"""Directories and names, as patterns, that are unfinished files' alone."""

_PARTS = (".rev", ".bitmap", ".mtimes", ".idx")
"""What stands beside a pack, which is there before them. Git deletes it before most of them."""

_DAY = 86_400  # seconds
_GRACE = {
    "download-*": 14 * _DAY,  # a later import goes on with it
    "probe-*": _DAY,  # a directory, which nobody has open
}


def sweep(repository: Repository, held: list[RefLocked] | None = None) -> int:
    """Remove what was left; how many things there were.

    Safe at any time, beside commands that work on the store. What the lock of a ref keeps from
    going is left to the next one; `held` gets it.
    """
    swept = packwriter.sweep(repository.git_dir)
    swept += sum(_drop_ownerless(repository, one) for one in _ownerless(repository))
    settle_others(repository, all_containers(repository.containers_dir))
    with settled(repository.containers_dir) as living:
        swept += unpin_leftovers(repository, living, [] if held is None else held)
    swept += len(gone(repository.containers_dir))
    let_go(repository)
    with volumes.settled(repository.volumes_dir) as count:
        swept += count
    swept += sum(map(_drop_others, all_containers(repository.containers_dir)))
    swept += sweep_unfinished(repository)
    ours = _named(repository.path, _OURS)
    used = _open_files() if ours else set()
    swept += sweep_ref_locks(repository)  # which rely on what their owners had written
    for path in set(ours) - _relied_on(str(repository.git_dir)):
        name = os.path.basename(path)
        grace = max(
            (each for what, each in _GRACE.items() if fnmatch.fnmatch(name, what)), default=0
        )
        swept += _remove(path, used, grace)
    return swept


def sweep_ref_locks(repository: Repository) -> int:
    """Remove the locks of refs whose owners have died, and what those logged that never came.

    How many there were. Safe at any time.
    """
    return sum(_drop_ref_lock(repository, lock) for lock in ref_locks(str(repository.git_dir)))


def _relied_on(git_dir: str) -> set[str]:
    """What the locks rely on that are still there, for who is about to take one over.

    Such a one holds it with flock(2) as its owner would, as does who only looks.
    """
    intents = map(Intent.parse, map(announcement, ref_locks(git_dir)))
    return {f"{git_dir}/{intent.content}" for intent in intents if intent is not None}


def sweep_unfinished(repository: Repository) -> int:
    """Remove what Git has not finished; how many files. Safe at any time."""
    found = _named(repository.path, _GITS)
    if not found:
        return 0
    used, grace = _open_files(), _grace_for_git(repository)
    return sum(_remove(path, used, grace) for path in found)


def _grace_for_git(repository: Repository) -> int:
    """Seconds for which a file with a name of Git's may be about to get another."""
    return _DAY if _git_works_on(os.path.realpath(repository.git_dir)) else 0


def _ownerless(repository: Repository) -> list[Container]:
    """The containers of commands that were killed."""
    owned = (one for one in all_containers(repository.containers_dir) if one.config.owner)
    return [one for one in owned if not lives(repository.scratch_dir, one.config.owner)]


def drop_owned(repository: Repository, owner: str) -> None:
    """Delete the containers of a command that gives up, whatever they are about."""
    for container in all_containers(repository.containers_dir):
        if container.config.owner == owner:
            end(container)
            _drop_ownerless(repository, container)


def _drop_ownerless(repository: Repository, container: Container) -> int:
    """Delete a container whose owner is gone, unless its supervisor is about to."""
    with contextlib.suppress(LockHeld, FileNotFoundError):
        remove(container)
        let_go(repository, container.id)
        return 1
    return 0


def _drop_others(container: Container) -> int:
    """Remove the upper directories of a container that were not, or are no more, in force.

    Not of one that is being changed: who changes it does that, too.
    """
    if not others(container):
        return 0
    with contextlib.suppress(NoSuchContainer, LockHeld), edited(container, wait=False) as now:
        return remove_others(now)
    return 0


def sweep_packs(repository: Repository) -> int:
    """Remove what stands beside packs that are gone; how many files.

    A pack stays, with an index or without. For whoever keeps others from replacing packs
    (Repository.repacking).
    """
    found = [
        path
        for path in _named(repository.path, [("git/objects/pack", "pack-*.*")])
        if path.endswith(_PARTS) and not _has_pack(os.path.splitext(path)[0])
    ]
    if not found:
        return 0
    used, grace = _open_files(), _grace_for_git(repository)
    return sum(_remove(path, used, grace) for path in found)


def _has_pack(stem: str) -> bool:
    """Whether there is a pack of that path, or somebody has one kept that is to come."""
    return os.path.exists(f"{stem}.pack") or os.path.exists(f"{stem}.keep")


def _named(top: Path, patterns: Iterable[tuple[str, str]]) -> list[str]:
    return [
        os.fspath(path)
        for directory, name in patterns
        for path in top.glob(f"{directory}/{name}" if directory else name)
    ]


def _drop_ref_lock(repository: Repository, lock: str) -> bool:
    name = os.path.relpath(lock, repository.git_dir).removesuffix(".lock")
    return drop_stale_lock(lock, heir=lambda said: repository.refs.take_back(name, said))


def _remove(path: str, used: set[tuple[int, int]], grace: float) -> bool:
    """Remove what is not in use and was not touched for `grace` seconds, whatever its mtime says.

    That of a download is its server's. A day at least for an ordinary user whose store has
    containers: files that processes of another user namespace have open cannot be told.
    """
    if rootless.is_active():
        grace = max(grace, _DAY)
    with contextlib.suppress(FileNotFoundError):
        status = os.lstat(path)
        if (status.st_dev, status.st_ino) in used or status.st_ctime > time.time() - grace:
            return False
        if os.path.isdir(path) and not os.path.islink(path):
            remove_tree(path)
        else:
            os.unlink(path)
        return True
    return False


def _open_files() -> set[tuple[int, int]]:
    """Device and inode of every file that a process has open, as far as this user may see."""
    found = set()
    for process in _processes():
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    found.add((status.st_dev, status.st_ino))
    return found


def _git_works_on(git_dir: str) -> bool:
    """Whether a git is running that names the repository, in whatever way, or runs in it."""
    return any(_works_on(process, git_dir) for process in _processes())


def _works_on(process: str, git_dir: str) -> bool:
    with contextlib.suppress(OSError):
        if _read(process, "comm").startswith(b"git"):
            where, place = os.readlink(f"/proc/{process}/cwd"), os.stat(git_dir)
            words = _read(process, "cmdline") + _read(process, "environ")
            if os.fsencode(git_dir) in os.fsencode(where) + b"\0" + words:
                return True
            # --git-dir=PATH, --git-dir PATH, GIT_DIR=PATH
            paths = {word.rpartition(b"=")[2] for word in words.split(b"\0")}
            return any(_is(os.path.join(os.fsencode(where), path), place) for path in paths)
    return False


def _is(path: bytes, place: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(path), place)
    return False


def _read(process: str, file: str) -> bytes:
    with open(f"/proc/{process}/{file}", "rb") as opened:
        return opened.read()


def _processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]
