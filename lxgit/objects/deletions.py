"""What is known of branches and tags that were deleted: the reflog of DELETED (refnames).

A deletion is a row of entries there, written at once: what the ref's own log had, and then the last
value. The message of that one begins with the ref's full name, of the others with what they were
called, which no ref can be:

    refs/heads/old@{1}: branch: Created from base
    refs/heads/old@{0}: commit: Install nginx
    refs/heads/old: branch: deleted

So gc keeps all of them, and whoever brings the ref back has its log. A branch that stock Git had no
name for when it died has that of its log, RENAMED.
"""

from __future__ import annotations

from lxgit.lean import suppress
from lxgit.objects.database import MissingObject
from lxgit.objects.refnames import BRANCHES, RENAMED, TAGS, is_valid_ref
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from lxgit.objects.commits import Signature
    from lxgit.objects.ids import ObjectID
    from lxgit.objects.reflogs import ReflogEntry


LOST = "no longer there"
"""Why a ref is told of that is gone though nobody deleted it."""


class Deletion(NamedTuple):
    """A ref that was deleted: its last value, why, and its log, the last change first."""

    ref: str
    oid: ObjectID
    who: Signature
    message: str
    log: tuple[ReflogEntry, ...]


def told_of(ref: str, log: Sequence[ReflogEntry]) -> list[ReflogEntry]:
    """The entries of a ref's log, as DELETED's has them."""
    return [
        entry._replace(message=f"{ref}@{{{number}}}: {entry.message}")
        for number, entry in enumerate(log)
    ]


def whole_entries(
    log: Iterable[ReflogEntry], keeping: Callable[[ObjectID | None], AbstractContextManager[None]]
) -> list[ReflogEntry]:
    """What is left of a log in a damaged store: what names objects that are there.

    `keeping` is RefStore's.
    """

    def is_there(oid: ObjectID | None) -> bool:
        with suppress(MissingObject), keeping(oid):
            return oid is not None
        return False

    there = (entry for entry in log if is_there(entry.new))
    return [entry if is_there(entry.old) else entry._replace(old=None) for entry in there]


def deletions(entries: Iterable[ReflogEntry]) -> Iterator[Deletion]:
    """What DELETED's log tells, the last change first.

    Entries of a ref's own log are none's where the deletion itself is no longer told of. An entry
    may tell of no branch or tag: that of a gc which was killed.
    """
    last: Deletion | None = None
    log: list[ReflogEntry] = []
    most = -1
    for entry in entries:
        ref, number, message = _parse(entry.message)
        if number is None:
            if last is not None:
                yield last._replace(log=tuple(log))
            last, log, most = None, [], -1
            if entry.new is not None and ref.startswith((BRANCHES, TAGS, RENAMED)):
                last = Deletion(ref, entry.new, entry.who, message, ())
        elif last is not None and ref == last.ref and number > most:
            log.append(entry._replace(message=message))
            most = number
    if last is not None:
        yield last._replace(log=tuple(log))


def tells_of_none(message: str) -> bool:
    """Whether an entry of DELETED's tells of no branch or tag, so that nobody sees it."""
    ref, _, _ = _parse(message)
    return ref != RENAMED and not (ref.startswith((BRANCHES, TAGS)) and is_valid_ref(ref))


def of_lost(entries: Iterable[ReflogEntry]) -> set[ReflogEntry]:
    """Those of DELETED's that tell of refs that are LOST."""
    found, current = set(), None
    for entry in entries:
        ref, number, message = _parse(entry.message)
        if number is None:
            current = ref if message == LOST else None
        if ref == current:
            found.add(entry)
    return found


def on_their_own(entries: Iterable[ReflogEntry]) -> Iterator[ReflogEntry]:
    """DELETED's log, each deletion without what DELETED was before: that is of another one."""
    for entry in entries:
        yield entry._replace(old=None) if _parse(entry.message)[1] is None else entry


def with_origins(
    entries: Sequence[ReflogEntry], kept: Sequence[ReflogEntry]
) -> Iterator[ReflogEntry]:
    """`kept`, and how each ref came to be what it was last, without what it was before.

    `entries` are all of DELETED's log, of which gc has `kept`, the last change first.
    """
    chosen, last = set(kept), None
    for entry in entries:
        ref, number, _ = _parse(entry.message)
        if entry in chosen:
            yield entry
        elif number == 0 and last is not None and (ref, entry.new) == last:
            yield entry._replace(old=None)
        last = (ref, entry.new) if number is None and entry in chosen else None


def _parse(message: str) -> tuple[str, int | None, str]:
    """The ref, which entry of its own log it is or None for its deletion, and the message."""
    name, _, rest = message.partition(":")
    ref, at, number = name.removesuffix("}").partition("@{")
    return ref, int(number) if at and number.isdecimal() else None, rest.removeprefix(" ")
