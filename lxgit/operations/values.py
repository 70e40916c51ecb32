"""What operations return and the command line shows: plain values, ids as 40 or 64 hex digits.

Named tuples, because every command imports them: a frozen, slotted dataclass takes 0.4 ms to make,
a named tuple 0.05.
"""

from __future__ import annotations

from lxgit.objects import commits
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lxgit.objects import changes, entries
    from lxgit.operations.containerrows import ContainerRow
    from lxgit.operations.logvalues import RefKind

    Change = changes.Change
    Entry = entries.Entry

Signature = commits.Signature
"""These three are here for the command line, which knows no room but operations."""


class Streams(NamedTuple):
    """The user's descriptors; `window` is the size of their terminal in rows and columns.

    `detach_keys`, typed in a row at the terminal of a container, leave it running. So do signals
    that end the client, where it `keeps_signals`; else they go to the container's command.
    """

    stdin: int | None
    stdout: int
    stderr: int
    window: tuple[int, int] | None = None
    detach_keys: bytes = b""
    keeps_signals: bool = False


class SizedChange(NamedTuple):
    """A change with the sizes of both sides.

    In bytes: a file's length, a symlink's target, 0 for anything else and for an absent side.
    """

    change: Change
    old_size: int
    new_size: int
    old_links: tuple[bytes, ...] = ()
    """The other members of the path's hard-link group before, no leading slash; empty: none."""
    new_links: tuple[bytes, ...] = ()


class ImageRow(NamedTuple):
    """A line of `images`; `repository` is None for a tag without a slash."""

    repository: str | None
    tag: str
    oid: str
    created: int
    """The committer's time, seconds since 1970."""
    size: int | None = None
    """The contents of its files in bytes; None where nobody asked."""
    fault: str = ""
    """Why the commit cannot be read; nothing but its names is known then."""


class BranchRow(NamedTuple):
    """A line of `branch`. `name` is None for a detached HEAD."""

    name: str | None
    oid: str
    current: bool
    subject: str
    fault: str = ""
    """Why the commit cannot be read, if its subject is wanted."""


class TagRow(NamedTuple):
    """A line of `tag`. `message` is an annotated tag's, else empty; `oid` the commit's."""

    name: str
    oid: str
    message: str
    fault: str = ""
    """Why what it tags cannot be found; `oid` is what the ref says then."""


class ContainerChanges(NamedTuple):
    """What a container changed against its parent commit, listed changes only, sorted."""

    container: ContainerRow
    changes: tuple[SizedChange, ...]
    """A new entry has no id where that would have wanted more reading than its size."""
    not_recorded: tuple[str, ...] = ()
    """Places whose content a commit leaves out: volumes and bind mounts, as absolute paths."""
    lost: bool = False
    """Whether all that it had changed is gone from the disk."""


class Status(NamedTuple):
    """What `status` tells: HEAD and the containers of its branch that changed or run."""

    branch: str | None
    head: str | None
    """None while the branch is unborn."""
    containers: tuple[ContainerChanges, ...]


class Identity(NamedTuple):
    """Who writes a commit or moves a ref."""

    author: Signature
    committer: Signature


class Imported(NamedTuple):
    """What `import` and `bootstrap` made. `unchanged`: the same tree, so no commit was made.

    `dropped` is where the branch was that starts over, if no name leads to it now.
    """

    oid: str
    branch: str
    parent: str | None
    unchanged: bool
    dropped: str | None = None


class CommitPlan(NamedTuple):
    """What `commit` would do: for the editor, before there is a message."""

    container: ContainerRow
    branch: str | None
    tag: str | None
    changes: tuple[SizedChange, ...]


class Committed(NamedTuple):
    """What `commit` did."""

    oid: str
    parent: str
    branch: str | None
    tag: str | None
    changes: tuple[SizedChange, ...]
    dropped: str | None = None
    """Where the branch or tag was before, if no name has that commit any more."""


class HeadMoved(NamedTuple):
    """What `checkout` and `switch` did: ids, and branch names or None for a detached HEAD."""

    old_branch: str | None
    old_oid: str | None
    new_branch: str | None
    new_oid: str
    created: bool
    subject: str
    left_behind: tuple[ContainerRow, ...]
    """Changed containers of the branch that was left."""
    reset: bool = False
    """Whether the branch was there already, and was put where it is now."""
    dropped: str | None = None
    """Where the new branch was before, if no name has that commit any more."""


class Stash(NamedTuple):
    """What a container had changed, put away: a line of `stash list`."""

    container: ContainerRow
    number: int
    """How many younger ones the container has: 0 is the youngest."""
    oid: str
    parent: str
    """The commit that the container stood on."""
    created: int
    """Seconds since 1970."""
    message: str
    """One line."""
    is_damaged: bool = False
    """Then the message says how, and nothing is known of parent and time."""

    @property
    def name(self) -> str:
        """As Git has it."""
        return stash_name(self.number)


def stash_name(number: int) -> str:
    """What Git calls a stash than which so many are younger."""
    return f"stash@{{{number}}}"


class DroppedStash(NamedTuple):
    """A stash that is gone, by its container, its name until now, and its id."""

    container: ContainerRow
    name: str
    oid: str


class Popped(NamedTuple):
    """What `stash pop` brought back, and how many paths that changed."""

    stash: DroppedStash
    paths: int


class ContainerMoved(NamedTuple):
    """What `checkout REV CONTAINER` did."""

    container: ContainerRow
    old: str
    new: str
    branch: str | None
    carried: int
    """Paths whose changes it has on the new commit too."""
    kept: str | None
    """A commit of what it was, if that was changed and not put away."""
    stashed: Stash | None
    """What was put away."""


class ContainerReset(NamedTuple):
    """What `reset` and `restore` did: how many paths, and a commit of what was there before.

    And which other names of files that were restored are not linked to them, as they have changed.
    """

    container: ContainerRow
    paths: int
    kept: str | None
    apart: Sequence[bytes] = ()


class RemovedRef(NamedTuple):
    """A ref that is gone; the reflog keeps `oid`."""

    kind: RefKind
    name: str
    oid: str
    detached: tuple[ContainerRow, ...] = ()
    """Containers that were on the branch."""


class RemovedContainer(NamedTuple):
    """A container that is gone or would be, and how many uncommitted paths and stashes with it."""

    container: ContainerRow
    uncommitted: int
    stashes: int = 0


class Pruned(NamedTuple):
    """What `prune` dropped; bytes as the disk counts them."""

    layers: int
    size: int


class Collected(NamedTuple):
    """What `gc` did; sizes in bytes, but for layers of Git's objects."""

    objects: int
    """Those that are gone, or would go."""
    reflog_entries: int
    """Those that were too old, or would go."""
    freed: int
    """By dropping and by packing; of a dry run, by dropping alone."""
    size: int
    """What the objects take now."""
    gone_layers: int
    """Those of images that are gone, which went too, or would go."""
    gone_layers_size: int
    layers: int
    """Idle base layers that were compressed, or would be."""
    layers_size: int
    """What these took before."""
    layers_freed: int
    """By compressing them; 0 of a dry run, which cannot know."""


class Problem(NamedTuple):
    """One thing that `fsck` found."""

    message: str
    """The fault in one line."""
    affected: tuple[str, ...] = ()
    """Branches, tags and containers that it harms."""
    hint: str | None = None
    repaired: bool = False


class ReflogRow(NamedTuple):
    """A line of `reflog`. `name` is as a revision, `HEAD@{0}`; of a deleted ref its short name."""

    name: str
    ref: str
    oid: str
    old: str | None
    who: Signature
    message: str


class RefMove(NamedTuple):
    """A ref that `undo` moved, by its short name; ids, for HEAD also a branch, None for none."""

    name: str
    old: str | None
    new: str | None


class PutBack(NamedTuple):
    """A container that `undo` put back, and a commit of what it had changed since, if it had."""

    id: str
    name: str
    kept: str | None


class Undone(NamedTuple):
    """What `undo` undid, or did again: the reflog's words for it, and when that was done.

    `words` has what was checked out where HEAD was or is at a commit of no branch, by its id.
    """

    message: str
    time: int
    moves: tuple[RefMove, ...]
    containers: tuple[PutBack, ...]
    words: Mapping[str, str]
    detached: tuple[ContainerRow, ...] = ()
    """Containers that were on a branch that went."""


class Program(NamedTuple):
    """What to run, the signal that asks it to end, and a command in the container that does."""

    command: tuple[str, ...]
    stop_signal: str
    halt: tuple[str, ...] = ()
