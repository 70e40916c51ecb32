"""What `log` and `show` are told of commits and their names: plain values, ids as 40 hex digits."""

from __future__ import annotations

from lxgit.enums import Enum
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxgit.objects.commits import Signature
    from lxgit.operations.comparison import Comparison
    from lxgit.operations.values import SizedChange


class RefKind(Enum):
    """What sort of name points at a commit."""

    HEAD = "HEAD"
    BRANCH = "branch"
    TAG = "tag"


class Decoration(NamedTuple):
    """A name that points at a commit; `current` for the branch that HEAD names."""

    kind: RefKind
    name: str
    current: bool = False


class Drawing(NamedTuple):
    """What `log --graph` puts before the lines of a commit: text with the blank at its end."""

    lead: tuple[str, ...]
    """Lines before its own."""
    mark: str
    """Before its first line; then come `steps`, with or without a line beside each."""
    steps: tuple[str, ...]
    padding: str
    """Before every other line."""


class LogEntry(NamedTuple):
    """One commit, as `log` and `show` tell it.

    `changes` are those against the first parent (against nothing for a root commit), sorted by
    path, without what is not listed; None where nobody asked for them.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str
    decorations: tuple[Decoration, ...] = ()
    changes: tuple[SizedChange, ...] | None = None
    comparison: Comparison | None = None
    """Where the texts of the changes come from."""
    drawing: Drawing | None = None
