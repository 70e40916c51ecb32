"""Branches and tags that are gone though nobody deleted them: their reflogs tell of them."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress

from lxgit.objects.deletions import LOST
from lxgit.objects.filelock import RefConflict, announced
from lxgit.objects.ids import hex_id
from lxgit.objects.refnames import BRANCHES, RENAMED, TAGS, short_name
from lxgit.objects.refs import RefStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry


_RENAMING = 60
"""Seconds for which a Git may be renaming a branch: it waits 1 for a lock."""

_PATIENCE = 2.0
"""Seconds after which one that still is counts as dead, or is stopped."""

_PAUSE = 0.02


def lost_told(name: str, oid: ObjectID) -> tuple[str, str]:
    """What is to be said of one that is lost, and what brings it back."""
    word, short = ("tag" if name.startswith(TAGS) else "branch"), short_name(name)
    told = f"the {word} '{short}' is gone, and nobody deleted it"
    if name == RENAMED:
        short, told = "NAME", "stock Git died while it renamed a branch"
    return told, f"'lxgit {word} {short} {hex_id(oid)[:12]}' brings it back"


class LostRefs(RefStore):
    """The refs of one repository, and those that it has lost."""

    def lost(self) -> dict[str, ObjectID]:
        """Branches and tags that are gone, though nobody deleted them: the last of their logs.

        Not those that were to be made by somebody who was killed: that one's lock says so.
        """
        return {
            name: log[0].new for name, log in self.lost_logs().items() if log[0].new is not None
        }

    def lost_logs(self) -> dict[str, tuple[ReflogEntry, ...]]:
        """The logs of those that are `lost`."""
        return self._found()[1]

    def bury_lost(
        self, exists: Callable[[ObjectID], bool], time: int
    ) -> dict[str, tuple[ReflogEntry, ...]]:
        """Have what is `lost` told of in DELETED's log, as LOST; its own logs, which go.

        So does any other log without a ref: a process was killed before it had removed it. Those
        stay whose last value is none that `exists`. `time` is now, in seconds since 1970.
        """
        left, lost = self._found()
        for name, log in left.items():
            with ExitStack() as stack:
                with suppress(RefConflict):  # nobody can make it then
                    stack.enter_context(self._lock(name))
                if self._is_there(name):
                    continue  # by stock Git, just now
                if name in lost:
                    assert log[0].new is not None
                    if not exists(log[0].new):
                        continue
                    self._bury(name, log[0].new, LOST, log[0].who._replace(time=time))
                if name != RENAMED or self._changed(RENAMED) < time - _RENAMING:
                    self._logs.delete(name)
        return lost

    def _found(self) -> tuple[dict[str, tuple[ReflogEntry, ...]], ...]:
        """Logs that are left, and those of them that are `lost`.

        Stock Git puts the log of a branch that it renames aside, then has it be another's, which it
        makes last: it waits for no lock longer than a second, and is let end that, if it lives.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            left = self._left_logs()
            lost = self._among_lost(left)
            ages = (time.time() - self._changed(name) for name in lost)
            if not any(0 <= age < _PATIENCE for age in ages) or time.monotonic() > deadline:
                return left, lost
            time.sleep(_PAUSE)

    def _left_logs(self) -> dict[str, tuple[ReflogEntry, ...]]:
        """The logs of branches and tags that there are not, nor are about to be."""
        # A lock goes when its ref has come, a file when packed-refs has it: so in this order.
        logged = [name for name in self._logs.names() if name.startswith((BRANCHES, TAGS))]
        said = {name: announced(f"{self._path(name)}.lock") for name in logged}
        gone = {
            name: left
            for name, left in said.items()
            if left is not None and not self._has_file(name)
        }
        packed = self._packed.read() if gone else {}
        logs = {
            name: self._logs.read(name, self._unmade_from(name, left))
            for name, left in gone.items()
            if name not in packed
        }
        renamed = self.reflog(RENAMED)
        if renamed and not any(renamed[0] in self._logs.read(name) for name in logged):
            logs[RENAMED] = renamed  # else it was to be a copy's
        return logs

    def _changed(self, name: str) -> float:
        """When a log was written to or renamed last; in seconds since 1970, 0 where it is none."""
        with suppress(FileNotFoundError):
            return os.stat(f"{self._git_dir}/logs/{name}").st_ctime
        return 0

    def _among_lost(
        self, logs: dict[str, tuple[ReflogEntry, ...]]
    ) -> dict[str, tuple[ReflogEntry, ...]]:
        """Those that nothing tells the end of."""
        if not any(logs.values()):
            return {}
        # What is deleted is told of before it goes: so this is read last.
        told = set[object]()
        for one in self.deleted():
            told.update((one.ref, _mark(entry)) for entry in one.log)
            told.update([(one.ref, one.oid)] if not one.log else [])
        return {
            name: log
            for name, log in logs.items()
            if log and log[0].new is not None
            if (name, _mark(log[0])) not in told and (name, log[0].new) not in told
        }


def _mark(entry: ReflogEntry) -> tuple[ObjectID | None, int, str]:
    """What an entry is known by where gc may have dropped what was before."""
    return entry.new, entry.who.time, entry.message
