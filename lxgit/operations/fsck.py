"""`fsck`: verify all that the store holds, say whom each fault harms, repair what is derived.

    the store        its Git configuration                              repaired
    derived files    indexes of packs, commit-graph                     repaired, from the packs
    objects, packs   as `git fsck --strict` sees them
    refs, reflogs    their files, that each names a commit, and that
                     none is lost                                       the build cache's: dropped
                     that a log says what its ref is                    repaired: an entry more
    operations       what undo knows, by the checksum of each line
    images           every %meta against its tree, links against their members, format, config
    containers       their records, by checksums; their commits; their names,
                     host ids, and the refs that keep their commits      the last three: repaired
    names            that none is two of a branch, a tag, a container
    volumes          their descriptions; that containers' are there      volume.json: repaired
    networks         as volumes
    layers           read back and compared with Git                     repaired: dropped

History is never touched: what is damaged of it comes back from a clone, or not.
"""

from __future__ import annotations

import contextlib
import re
import time

from lxgit.errors import LxgitError
from lxgit.objects.commits import ITSELF, Commit
from lxgit.objects.filecheck import FileFault, derived_faults, unindexed_faults
from lxgit.objects.filelock import RefConflict, RefLocked
from lxgit.objects.git import GitFailed
from lxgit.objects.ids import ObjectID, from_hex, hex_id
from lxgit.objects.logcheck import LoggedRefs
from lxgit.objects.refcheck import RefVerifier
from lxgit.objects.refnames import BRANCHES, CACHE, DELETED, NOTES, PINS, TAGS, short_name
from lxgit.objects.refreader import restoring
from lxgit.objects.refs import CorruptRef, RefStore
from lxgit.objects.verify import ImageVerifier
from lxgit.operations import leftovers
from lxgit.operations.fsckcache import REPAIR, container_problems, index_problems, layer_problems
from lxgit.operations.fsckshared import network_problems, volume_problems
from lxgit.operations.garbage import logged_ids, unreached
from lxgit.operations.gc import lies
from lxgit.operations.hiding import hidden_history
from lxgit.operations.lookup import read_commit
from lxgit.operations.naming import shared_names
from lxgit.operations.pins import pin_owner, unpinned_commits
from lxgit.operations.repair import (
    lacking_settings,
    pack_directory_problems,
    remake,
    write_settings,
)
from lxgit.operations.values import Problem
from lxgit.runtime.containers import all_containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from lxgit.objects.logcheck import Unlogged
    from lxgit.progress import Progress
    from lxgit.repository import Repository
    from lxgit.runtime.containers import Container

_ID = re.compile(rb"\b[0-9a-f]{40}\b")
_MADE_SO = re.compile(rb"(?:error|warning) in (?:blob|tree|commit|tag) [0-9a-f]{40}: ")
_OF_REFS = re.compile(rb": not a commit$|\b0{40}$|^error: invalid HEAD$|^notice: ")  # see refcheck
_AS_IT_IS = "nothing is lost or damaged: it was made so, and a clone has it so, too"
_REPAIR_FIRST = "'lxgit fsck --repair' first: it may come of what that makes again"
_ANEW = "'lxgit fsck --repair' writes it anew, with what can be read of it"
_BY_HAND = "no store needs what Git refuses there: take it out of git/config"
_PASSED_OVER = "'lxgit undo --force' passes over the operation that it is of"
_OUT_OF_LOG = "where there is none, 'lxgit gc --now' drops the entry, and all that no ref reaches"
_OF_SETTINGS = re.compile(
    rb"^fatal: bad (?:\w+ )*config (?:line|value) |^fatal: unknown repository extension"
    rb"|^error: invalid value for 'extensions|^warning: unable to access '.*/config': "
)
_UNREAD = (b"not a git repository", b"/packed-refs: ")  # Git looks no further then
_FIRST = "mend HEAD or packed-refs first: then 'lxgit fsck' tells of objects, too"


def fsck(repository: Repository, *, repair: bool = False, progress: Progress) -> Iterator[Problem]:
    """Everything that is wrong with the store; nothing when it is sound.

    With `repair`, what can be made again is, and says so.
    """
    for problem in pack_directory_problems(repository.git_dir / "objects/pack", repair=repair):
        yield problem
        if not problem.repaired:
            return
    yield from index_problems(repository, repair=repair)
    if repair:
        held: list[RefLocked] = []
        with contextlib.suppress(CorruptRef):  # which will be told of
            leftovers.sweep(repository, held)
        yield from (Problem(error.message, hint=error.hint) for error in held)
    if any(_history_problems(repository, progress, repair=False)):
        # Perhaps it only was not there yet, or no more, when Git looked: now nobody writes.
        with repository.repacking(), repository.collecting():
            yield from _history_problems(repository, progress, repair=repair)
    for problems in (
        container_problems(repository, repair=repair),
        _name_problems(repository),
        volume_problems(repository, repair=repair),
        network_problems(repository),
        layer_problems(repository, progress, repair=repair),
    ):
        try:
            yield from problems
        except CorruptRef as error:
            yield Problem(error.message, hint=error.hint)


def _history_problems(
    repository: Repository, progress: Progress, *, repair: bool
) -> Iterator[Problem]:
    """What is wrong with Git's part of the store."""
    progress.phase("Verifying objects")
    settings = list(_settings_problems(repository, repair=repair))
    yield from settings
    derived = list(_derived_problems(repository, repair=repair))
    yield from derived
    containers = all_containers(repository.containers_dir)
    names = {one.id: one.config.name for one in containers}
    remade = set(_remade(repository, containers))
    yield from _ref_problems(repository, names, remade, repair=repair)
    for hidden in hidden_history(repository):
        yield Problem(hidden.message, hint=hidden.hint)
    history = History(repository)
    said = _git_says(repository)
    damaged = {from_hex(match) for line in said for match in _ID.findall(line)}
    back = _back(repository, said, settings)
    mended = any(one.hint == REPAIR and not one.repaired for one in derived)
    for line in said:
        hint = _remedy(line, back, mended=mended)
        yield Problem(line.decode(errors="replace"), hint=hint)
    yield from _log_problems(repository, names, repair=repair)
    yield from _image_problems(repository, history, damaged, progress)
    yield from _operation_problems(repository)


def _remedy(line: bytes, back: str | None, *, mended: bool) -> str | None:
    """What to do about what Git says; `mended` says that `repair` would make something again."""
    if any(words in line for words in _UNREAD):
        return _FIRST
    if _MADE_SO.match(line):
        return _AS_IT_IS
    if _OF_REFS.search(line):
        return None
    return _REPAIR_FIRST if mended else back


def _back(repository: Repository, said: Sequence[bytes], settings: Sequence[Problem]) -> str | None:
    """What brings back the objects that Git misses, by what it says; or has it look for them."""
    if any(map(_OF_SETTINGS.search, said)):
        return next((one.hint for one in settings if not one.repaired), _BY_HAND)
    back = restoring(repository.git_dir)
    # The log of a ref that was mended says what it was, too.
    if all(b": invalid reflog entry " in line for line in said if not _OF_REFS.search(line)):
        return f"{back}; {_OUT_OF_LOG}"
    return back


def _remade(repository: Repository, containers: Iterable[Container]) -> Iterator[str]:
    """The refs of containers that do not name what these stand on, where that is there."""
    for one in containers:
        with contextlib.suppress(CorruptRef):  # which is told of
            unkept = unpinned_commits(repository, one)
            if unkept and all(from_hex(commit) in repository.objects for commit in unkept):
                yield from (f"{PINS}{one.id}", f"{PINS}{one.id}-base")


def _ref_problems(
    repository: Repository, names: Mapping[str, str], remade: Collection[str], *, repair: bool
) -> Iterator[Problem]:
    """Refs that are none, or that name what there is not; those of a cache can go."""
    refs = RefStore(repository.git_dir)  # the store's own would wait for whoever collects
    verifier = RefVerifier(repository.git_dir, repository.objects, repository.operations, remade)
    for message, ref, hint in list(verifier.faults()):
        dropped = False
        if repair and ref is not None and ref.startswith(CACHE):
            try:
                refs.drop(ref)
                dropped = True
            except CorruptRef:
                pass  # packed-refs, which is told of
            except (RefLocked, RefConflict) as error:
                yield Problem(error.message, hint=error.hint)
        harmed = () if ref is None else (_known_as(ref, names),)
        yield Problem(message, harmed, hint=hint, repaired=dropped)


def _log_problems(
    repository: Repository, names: Mapping[str, str], *, repair: bool
) -> Iterator[Problem]:
    """Refs that something else has moved than what writes reflogs, and logs that are gone."""
    refs = LoggedRefs(repository.git_dir)
    for one in refs.unlogged():
        if one.value not in repository.objects:
            continue  # which has been told of
        if one.logged is not None and one.name != DELETED and _may_have_expired(repository, one):
            continue
        repaired = repair and refs.log_anew(one, ITSELF._replace(time=int(time.time())))
        known = _known_as(one.name, names)
        told = f"the reflog of '{known}' is gone"
        hint = "'lxgit fsck --repair' begins another; what only that one kept, 'gc' drops"
        value = hex_id(one.value)[:12]
        if one.logged is not None:
            logged = hex_id(one.logged)[:12]
            told = f"'{known}' is {value}, and its reflog says {logged}"
            back = f"'lxgit {'tag' if one.name.startswith(TAGS) else 'branch'} -f {known} {logged}'"
            hint = f"{back} goes back there; 'lxgit fsck --repair' has the log say what is so"
        if one.name == DELETED:
            back = f"'lxgit branch NAME {value}' brings back what was deleted last"
            hint = f"{back}; 'lxgit fsck --repair' has its reflog say that"
        yield Problem(told, (known,), hint=hint, repaired=repaired)


def _may_have_expired(repository: Repository, one: Unlogged) -> bool:
    """Whether the last entry is perhaps one that stock Git took: the ref reaches all the others."""
    named = logged_ids([repository.refs.reflog(one.name)])
    with contextlib.suppress(LxgitError):  # of damage, which has been told of
        return not unreached(repository, [hex_id(one.value)], named)
    return False


def _operation_problems(repository: Repository) -> Iterator[Problem]:
    try:
        faults = repository.operations.faults()
    except IsADirectoryError as error:
        hint = f"remove '{error.filename}': 'lxgit undo' knows what is done from then on"
        yield Problem("operations is a directory", hint=hint)
        return
    for number in faults:
        yield Problem(f"operations: line {number} is damaged", hint=_PASSED_OVER)


def _name_problems(repository: Repository) -> Iterator[Problem]:
    """Names that mean two things: what a command takes one for depends on the command."""
    for name, one, other in shared_names(repository):
        command, which = ("branch -m", one) if one == "branch" else ("rename", other)
        yield Problem(
            f"'{name}' is a {one} and a {other}",
            (name,),
            hint=f"'lxgit {command} {name} OTHER' gives the {which} another name",
        )


def _settings_problems(repository: Repository, *, repair: bool) -> Iterator[Problem]:
    faults, hint = _settings_faults(repository)
    repaired = False
    if faults and repair:
        try:
            write_settings(repository)
            left, _ = _settings_faults(repository)
            repaired = not left
            faults, hint = (left, _BY_HAND) if left else (faults, hint)
        except (GitFailed, RefLocked, RefConflict) as error:
            yield Problem(f"git/config stays as it is: {error.message}", hint=error.hint)
    for told in faults:
        yield Problem(told, hint=hint, repaired=repaired)


def _settings_faults(repository: Repository) -> tuple[list[str], str]:
    """What is wrong with the Git configuration, a line each, and what helps."""
    try:
        lacking = lacking_settings(repository)
    except GitFailed as error:
        return [f"git/config is missing or damaged: {error.message}"], _ANEW
    return [f"git/config does not say {name}={value}" for name, value in lacking.items()], REPAIR


def _derived_problems(repository: Repository, *, repair: bool) -> Iterator[Problem]:
    faults = list(derived_faults(repository.git_dir))
    unindexed = unindexed_faults(repository.git_dir, kept=True)
    if unindexed and _git_says(repository):
        faults += unindexed  # else nothing of theirs is missed, and gc takes them
    if not faults and lies(repository):
        path = f"{repository.git_dir}/objects/info/commit-graph"
        told = "commit-graph has other times than the commits, which it has no room for"
        faults.append(FileFault(path, told, remade=True))
    for path, message, remade in faults:
        done = repair and remade and remake(repository, path)
        hint = REPAIR if remade else restoring(repository.git_dir)
        yield Problem(message, hint=hint, repaired=done)
    repository.objects.close()


def _git_says(repository: Repository) -> list[bytes]:
    """What `git fsck` finds, a line each."""
    command = ["fsck", "--strict", "--no-dangling", "--no-progress", "--full"]
    said = b""
    try:
        for chunk in repository.git.stream(command):
            said += chunk
    except GitFailed as error:
        said += error.stderr or error.message.encode()
    lines = dict.fromkeys(said.splitlines())
    if not any(name.startswith(BRANCHES) for name in _names(repository)):
        # A store without a branch is sound: its HEAD has none yet, or it was deleted.
        return [line for line in lines if not line.startswith(b"notice: ")]
    return list(lines)


def _names(repository: Repository) -> Iterable[str]:
    try:
        return repository.refs.list()
    except CorruptRef:
        return ()


class History:
    """All commits, as far as they can be read, and who has which in their history."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._read: dict[ObjectID, Commit | LxgitError] = {}
        self._within: dict[ObjectID, set[ObjectID]] = {}
        self._tips = list(_tips(repository))

    def commits(self) -> Iterator[tuple[ObjectID, Commit | LxgitError]]:
        """Each commit that a ref or a container reaches, or what keeps it from being read."""
        seen: set[ObjectID] = set()
        for _, tip in self._tips:
            for oid in self._reached(tip):
                if oid not in seen:
                    seen.add(oid)
                    yield oid, self._commit(oid)

    def affected(self, oid: ObjectID) -> tuple[str, ...]:
        """The branches, tags and containers that have the commit in their history."""
        for _, tip in self._tips:
            if tip not in self._within:
                self._within[tip] = set(self._reached(tip))
        return tuple(dict.fromkeys(name for name, tip in self._tips if oid in self._within[tip]))

    def _reached(self, tip: ObjectID) -> Iterator[ObjectID]:
        seen, pending = {tip}, [tip]
        while pending:
            oid = pending.pop()
            yield oid
            commit = self._commit(oid)
            above = commit.parents if isinstance(commit, Commit) else ()
            pending += [parent for parent in above if parent not in seen]
            seen.update(above)

    def _commit(self, oid: ObjectID) -> Commit | LxgitError:
        if oid not in self._read:
            try:
                self._read[oid] = read_commit(self._repository, oid)
            except LxgitError as error:
                self._read[oid] = error
        return self._read[oid]


def _tips(repository: Repository) -> Iterator[tuple[str, ObjectID]]:
    """Where histories of images begin, under the names that people know.

    What cannot be read is left out, and a ref that names what is no commit: none is lost with it.
    """
    names = {one.id: one.config.name for one in all_containers(repository.containers_dir)}
    try:
        refs = repository.refs.list()
    except LxgitError:
        return  # packed-refs, which has been told of
    for name, oid in refs.items():
        if name.startswith(NOTES):
            continue
        try:
            commit = repository.revisions.peeled(oid)
        except LxgitError:
            commit = oid
        if commit is not None:
            yield _known_as(name, names), commit


def _known_as(ref: str, containers: Mapping[str, str]) -> str:
    """What people call a ref, given the names of containers by their ids."""
    if ref.startswith(PINS):
        identity = pin_owner(ref)
        return f"container {containers.get(identity, identity[:12])}"
    if ref.startswith(CACHE):
        return "the build cache"
    return "deleted branches" if ref == DELETED else short_name(ref)


def _image_problems(
    repository: Repository, history: History, damaged: set[ObjectID], progress: Progress
) -> Iterator[Problem]:
    verifier = ImageVerifier(repository.objects, damaged)
    commits = list(history.commits())
    progress.phase("Verifying images", len(commits))
    for oid, commit in commits:
        faults = verifier.faults(commit.tree) if isinstance(commit, Commit) else [commit.message]
        for fault in faults:
            yield Problem(f"commit {hex_id(oid)[:12]}: {fault}", history.affected(oid))
        progress.advance()
