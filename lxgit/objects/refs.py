"""Moving refs.

A ref is changed while NAME.lock is there, which whoever makes it owns (filelock); packed-refs
likewise. Stock Git does the same, so both can work on one store at the same time.
"""

from __future__ import annotations

import os
import time

from lxgit.enums import Enum
from lxgit.errors import LxgitError
from lxgit.fsutil import fsync_directory
from lxgit.lean import contextmanager, suppress
from lxgit.objects.filelock import FileLock, RefConflict, RefLocked, announced
from lxgit.objects.ids import ObjectID, hex_id
from lxgit.objects.packedrefs import CorruptRef
from lxgit.objects.reflogs import ReflogEntry, Reflogs, encode_log, remove_empty_parents
from lxgit.objects.refnames import (
    BRANCHES,
    DELETED,
    RENAMED,
    TAGS,
    InvalidName,
    check_name,
    is_valid_ref,
    short_name,
)
from lxgit.objects.refreader import RefReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Literal

    from lxgit.objects.commits import Signature
    from lxgit.objects.deletions import Deletion

__all__ = [
    "ANY",
    "CorruptRef",
    "HeadElsewhere",
    "InvalidName",
    "RefConflict",
    "RefInUse",
    "RefLocked",
    "RefMoved",
    "RefStore",
    "check_name",
    "short_name",
]

_OWN = "refs/lxgit/"


class _Any(Enum):
    ANY = "any"


ANY: Literal[_Any.ANY] = _Any.ANY
"""For `update` and `set_head`: whatever the ref is now."""


class RefMoved(LxgitError):
    """A ref is not what it was when the caller looked; `current` is what it is."""

    def __init__(self, name: str, old: ObjectID | None, current: ObjectID | None) -> None:
        told = "is gone"
        if current is not None and old is None:
            told = f"exists already, at {hex_id(current)[:12]}"
        elif current is not None and old is not None:
            told = f"has moved on: it is at {hex_id(current)[:12]}, no longer at {hex_id(old)[:12]}"
        super().__init__(f"'{short_name(name)}' {told}", hint="try again")
        self.current = current


class HeadElsewhere(LxgitError):
    """HEAD does not name what it did when the caller looked."""

    def __init__(self, current: str | ObjectID | None) -> None:
        told = "HEAD has moved on"
        if current is not None:
            word = short_name(current) if isinstance(current, str) else hex_id(current)[:12]
            told += f": it is on '{word}'"
        super().__init__(told, hint="try again")


class RefInUse(LxgitError):
    """HEAD names the branch: that one is never deleted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"'{short_name(name)}' is HEAD's branch",
            hint="'lxgit checkout OTHER' moves HEAD away first",
        )


class RefStore(RefReader):
    """The refs of one repository, to read and to move.

    `keeping`, given the object that a ref is about to name, keeps it from gc until the ref does.
    `record` is called with the name, old and new value, message and time of each change of HEAD, a
    branch or a tag before it is made; values are as in the files, without the `ref: `.
    """

    check_name = staticmethod(check_name)

    def __init__(
        self,
        git_dir: Path | str,
        keeping: Callable[[ObjectID | None], AbstractContextManager[None]] | None = None,
        record: Callable[[str, str | None, str | None, str, int], None] | None = None,
    ) -> None:
        super().__init__(git_dir)
        self._record = record
        self._keeping = keeping or _unguarded
        self._logs = Reflogs(self._git_dir)

    def set_head(
        self,
        target: str | ObjectID,
        *,
        old: str | ObjectID | Literal[_Any.ANY] = ANY,
        message: str,
        who: Signature,
        unborn: bool = False,
    ) -> None:
        """Have HEAD name a branch, or a commit: a detached HEAD; if it names `old` now.

        HeadElsewhere when it does not; RefMoved when there is no such branch, unless it may be
        `unborn`; InvalidName, RefLocked.
        """
        if isinstance(target, str):
            if not target.startswith(BRANCHES):  # Git's fsck finds any other strange
                raise InvalidName(f"HEAD cannot name '{target}', which is no branch")
            _check(target)
            content, new = f"ref: {target}\n", self.read(target)
        else:
            content, new = f"{hex_id(target)}\n", target
        with (
            self._keeping(new),
            self._lock("HEAD") as lock,
            self._made_or_not(lock, "HEAD"),
        ):
            # Looked at now, since who deletes a branch holds this lock.
            if isinstance(target, str) and not unborn and self.read(target) is None:
                raise RefMoved(target, new, None)
            was, before = self._head_or_none()
            if old is not ANY and was != old:
                raise HeadElsewhere(was)
            lock.write(content.encode("utf-8", "surrogateescape"))
            if was is not None:  # else there is nothing to go back to
                self._tell("HEAD", was, target, message, who)
            if before is not None or new is not None:
                self._logs.append("HEAD", ReflogEntry(before, new, who, message), lock=lock)
            lock.commit()

    def reflog(self, name: str) -> tuple[ReflogEntry, ...]:
        """What the ref was, the last change first."""
        return self._logs.read(name) if is_valid_ref(name) or name == RENAMED else ()

    def update(
        self,
        name: str,
        new: ObjectID | None,
        *,
        old: ObjectID | Literal[_Any.ANY] | None,
        message: str,
        who: Signature,
        log: Sequence[ReflogEntry] = (),
    ) -> None:
        """Make the ref `new`, durably, if it is `old` now; None stands for no such ref.

        The objects must be durable before. `message` and `who` go to the reflog, also to that of
        HEAD when HEAD names the ref; of a branch or tag that is deleted, to that of DELETED, behind
        what its own had. `log` goes to the reflog before: what the ref was by another name. The
        first value of a ref that lxgit keeps for itself is not there: what comes next says it too.
        A symbolic ref is replaced, not followed. RefMoved when the ref is not `old`, RefInUse where
        HEAD's branch is to be deleted, RefConflict, RefLocked, InvalidName.
        """
        _check(name)
        if new is not None:
            self._check_conflict(name)
        with self._keeping(new), self._lock(name) as lock:
            current = self.read(name)
            if old is not ANY and current != old:
                raise RefMoved(name, old, current)
            with self._beside_head(name, deleted=new is None) as head:
                is_users = name.startswith((BRANCHES, TAGS))
                if new is None:
                    with self._deleting(name):
                        if is_users and current is not None:
                            who = who._replace(time=int(time.time()))  # for gc: a user's may be any
                            self._tell(name, current, new, message, who)
                            self._bury(name, current, message, who)
                else:
                    entry = ReflogEntry(current, new, who, message)
                    with self._made_or_not(lock, name, *(["HEAD"] if head else [])):
                        lock.write(f"{hex_id(new)}\n".encode())
                        if is_users:
                            self._tell(name, current, new, message, who)
                        if head is not None:
                            self._logs.append("HEAD", entry, lock=head, moving=lock)
                        if current is not None or name == DELETED or not name.startswith(_OWN):
                            self._log(name, entry, log, lock)
                        lock.commit()
        if new is None:
            remove_empty_parents(self._path(name), f"{self._git_dir}/refs")

    def logged(self) -> tuple[str, ...]:
        """The names that have a reflog, HEAD among them."""
        return tuple(self._logs.names())

    def replace_reflog(
        self, name: str, entries: Sequence[ReflogEntry], *, of: Sequence[ReflogEntry]
    ) -> None:
        """Have these entries in a reflog for those `of` it, the last change first. RefLocked.

        What stock Git has added since stays before them; where it has done anything else with the
        log, that stays as it is.
        """
        with self._lock(name):
            log = self._logs.read(name)
            added = len(log) - len(of)
            if added >= 0 and log[added:] == tuple(of) and (of or self._is_there(name)):
                self._rewrite(name, [*log[:added], *entries])

    def deleted(self) -> tuple[Deletion, ...]:
        """Branches and tags that were deleted, the last first."""
        from lxgit.objects.deletions import deletions

        return tuple(deletions(self.reflog(DELETED)))

    def take_back(self, name: str, said: bytes) -> None:
        """Drop from a log what somebody wrote who was to move the ref, and died before.

        The caller has that one's lock, which `said` so.
        """
        size = self._unmade_from(name, said)
        if size is not None:
            self._logs.cut(name, size, keep=self._is_there(name))

    def _lock(self, name: str) -> FileLock:
        """The lock of a ref; with it goes what a dead owner has logged that never came to be."""
        return FileLock(
            self._path(name), self._git_dir, heir=lambda said: self.take_back(name, said)
        )

    def _unmade_from(self, name: str, said: bytes) -> int | None:
        """Where in a log begins what never came to be, of an owner of the ref's lock who has died.

        That is sure only while the file is there that was to be the ref: no value of a ref tells,
        nor any time, what somebody did by hand. After a power failure both may be there.
        """
        intent = self._logs.intended(name, said)
        if intent is None:
            return None
        content = self._content(intent.content)
        came = content is None or content == self._content(intent.ref)
        return None if came else intent.size

    def _rewrite(self, name: str, entries: Sequence[ReflogEntry]) -> None:
        with FileLock(self._path(f"logs/{name}"), self._git_dir) as lock:
            lock.write(encode_log(entries))
            lock.commit()

    def drop(self, name: str) -> None:
        """Remove a ref whatever it holds, and its log; nothing tells of it."""
        with self._lock(name), self._deleting(name):
            pass

    def not_in_log(self, name: str, entries: Sequence[ReflogEntry]) -> list[ReflogEntry]:
        """Those that the ref's log has not: all, unless a kill came between ref and log.

        What goes with the lock of somebody who has died, the log has not.
        """
        if not entries:
            return []
        size = self._unmade_from(name, announced(f"{self._path(name)}.lock") or b"")
        there = set(self._logs.read(name, size))
        return [entry for entry in entries if entry not in there]

    def _check_conflict(self, name: str) -> None:
        """Raise RefConflict when there are refs that this one cannot be beside."""
        if others := self.beside(name):
            raise RefConflict(
                f"'{short_name(name)}' cannot be beside '{short_name(others[0])}'",
                hint="in Git, no name is the beginning of another up to a '/'",
            )

    def _tell(
        self,
        name: str,
        old: str | ObjectID | None,
        new: str | ObjectID | None,
        message: str,
        who: Signature,
    ) -> None:
        if self._record is not None and old != new:
            before, after = (hex_id(one) if isinstance(one, bytes) else one for one in (old, new))
            self._record(name, before, after, message, who.time)

    def _bury(self, name: str, last: ObjectID, message: str, who: Signature) -> None:
        """Have it known what a ref was that is about to go; of a damaged store, what is there."""
        from lxgit.objects.database import MissingObject
        from lxgit.objects.deletions import told_of, whole_entries

        log, told = told_of(name, self._logs.read(name)), f"{name}: {message}"
        try:
            self.update(DELETED, last, old=ANY, message=told, who=who, log=log)
        except MissingObject:
            if log := whole_entries(log, self._keeping):
                self.update(DELETED, log[0].new, old=ANY, message=told, who=who, log=log)

    @contextmanager
    def _made_or_not(self, lock: FileLock, *names: str) -> Iterator[None]:
        """Have these logs as they were, if what was written in the lock has not come to be."""
        sizes = {name: self._logs.size(name) for name in names}
        try:
            yield
        except BaseException:
            if lock.is_pending:
                for name, size in sizes.items():
                    self._logs.cut(name, size, keep=self._is_there(name))
            raise

    def _log(
        self, name: str, entry: ReflogEntry, before: Sequence[ReflogEntry], lock: FileLock
    ) -> None:
        saying = lock if name.startswith((BRANCHES, TAGS)) else None
        if entry.old is None and before:  # as Git has it after `branch -m`
            entry = entry._replace(old=before[0].new)
        try:
            self._logs.append(name, entry, *before, lock=saying)
        except (NotADirectoryError, IsADirectoryError):
            self._clear_logs(name, entry.who._replace(time=int(time.time())))
            self._logs.append(name, entry, *before, lock=saying)

    def _clear_logs(self, name: str, who: Signature) -> None:
        """Remove logs of refs that are gone, where a directory or the file of this one's is to be.

        A kill came before they went; or it was not lxgit that had the refs go, and told of it.
        """
        from lxgit.objects.deletions import LOST

        known = {(one.ref, one.log) for one in self.deleted()}
        for other in self._logs.names():
            in_the_way = f"{other}/".startswith(f"{name}/") or name.startswith(f"{other}/")
            if in_the_way and self.read(other) is None:
                log = self._logs.read(other)
                if log and log[0].new is not None and (other, log) not in known:
                    self._bury(other, log[0].new, LOST, who)
                self._logs.delete(other)

    @contextmanager
    def _beside_head(self, name: str, *, deleted: bool) -> Iterator[FileLock | None]:
        """HEAD's lock if HEAD names the ref, which the caller has the lock of; so it stays.

        HEAD is locked for its reflog, too: so does stock Git, which may be about to write another.
        RefInUse where a branch is to be deleted that HEAD names; RefLocked.
        """
        if not name.startswith(BRANCHES) or not (deleted or self._read_loose("HEAD") == name):
            yield None
            return
        with self._lock("HEAD") as head:
            is_head = self._read_loose("HEAD") == name
            if is_head and deleted:
                raise RefInUse(name)
            yield head if is_head else None

    @contextmanager
    def _deleting(self, name: str) -> Iterator[None]:
        """Delete a ref when the `with` is left, whose lock the caller has; RefLocked at once.

        Nobody packs it meanwhile, who would have it back (files_transaction_prepare of Git's). The
        packed one goes first: the other order would for a moment show an old value. The log goes
        last, so that no ref is ever without one.
        """
        path = self._path(name)
        with self._packed.without(name) as put_in_place:
            yield
            put_in_place()
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(path)
        fsync_directory(os.path.dirname(path))
        self._logs.delete(name)


@contextmanager
def _unguarded(_oid: ObjectID | None) -> Iterator[None]:
    """What keeps nothing from gc: for those who say not how."""
    yield


def _check(name: str) -> None:
    if name == "HEAD" or not is_valid_ref(name):
        raise InvalidName(f"'{name}' is not a name that Git takes for a ref")
