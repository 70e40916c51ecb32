"""Branches, tags, HEAD and DELETED whose reflogs do not say how they came to be what they are.

Whoever moves one, lxgit or stock Git, writes the log first; what a killed lxgit had written goes
with its lock, `NAME.lock`, which says so on the disk before the entry is. So a log without the
ref's value is a log that was lost, or a ref that something else has moved: by hand, or from a
backup; or stock Git was killed before it had.

Or stock Git's `reflog expire` took the last entry, with a commit that the ref does not reach. Then
the ref reaches all that the others name, which is no sign of anything else: who has Git, asks it.

DELETED's log alone has what was deleted. It has DELETED's value, too, but perhaps not last: whoever
is killed there leaves an entry of what was not deleted.

Not told of: a symbolic ref, which stock Git makes without an entry, as it has HEAD name another
branch; and a log without entries, which have expired.
"""

from __future__ import annotations

import os
from contextlib import suppress

from lxgit.objects.filelock import RefLocked, announced
from lxgit.objects.packedrefs import CorruptRef
from lxgit.objects.reflogs import ReflogEntry
from lxgit.objects.refnames import BRANCHES, DELETED, TAGS
from lxgit.objects.refs import RefStore
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID

FOUND_SO = "fsck: found so, and nothing told of it"


class Unlogged(NamedTuple):
    """A ref, its value, and what its log says that it is; None where there is no log."""

    name: str
    value: ObjectID
    logged: ObjectID | None


class LoggedRefs(RefStore):
    """The refs of one repository, as their logs have them."""

    def unlogged(self) -> Iterator[Unlogged]:
        """Those whose log is gone, or ends with another value, as Git leaves some, too."""
        names = ["HEAD", DELETED]
        with suppress(CorruptRef):  # packed-refs, which Git's words are about
            names += [*self.list(BRANCHES), *self.list(TAGS)]
        for name in names:
            with suppress(CorruptRef):
                one = self._unlogged(name)
                if one is None:
                    continue
                # Whoever is about to move it, or was and has died, has its lock.
                said = announced(f"{self._path(name)}.lock")
                if said is not None and self._value(name) == one.value:
                    one = self._unlogged(name, self._unmade_from(name, said))
                    if one is not None:
                        yield one

    def log_anew(self, one: Unlogged, who: Signature) -> bool:
        """Have the log end with what the ref is; what it says of before stays.

        False where somebody else has the ref's lock, or has changed either just before.
        """
        with suppress(RefLocked), self._lock(one.name):
            if self._unlogged(one.name) == one:
                entry = ReflogEntry(one.logged, one.value, who, FOUND_SO)
                self._logs.append(one.name, entry)
                return True
        return False

    def _unlogged(self, name: str, size: int | None = None) -> Unlogged | None:
        """As so many bytes of its log tell."""
        value = self._value(name)
        if value is None:
            return None
        if not os.path.exists(f"{self._git_dir}/logs/{name}"):
            return Unlogged(name, value, None)
        log = self._logs.read(name, size)
        if name == "HEAD" or not log or log[0].new in (None, value):
            return None
        if name == DELETED and any(entry.new == value for entry in log):
            return None
        return Unlogged(name, value, log[0].new)

    def _value(self, name: str) -> ObjectID | None:
        """What it names itself; HEAD also what its branch does."""
        if name == "HEAD":
            return self.read(name)
        value = self._read_direct(name)
        return None if isinstance(value, str) else value
