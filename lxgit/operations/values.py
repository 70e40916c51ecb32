"""What operations return and the command line shows: plain values, ids as 40 or 64 hex digits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxgit.objects.changes import Change
    from lxgit.objects.commits import Signature


class RefKind(Enum):
    """What sort of name points at a commit."""

    HEAD = "HEAD"
    BRANCH = "branch"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Decoration:
    """A name that points at a commit; `current` for the branch that HEAD names."""

    kind: RefKind
    name: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class LogEntry:
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


@dataclass(frozen=True, slots=True)
class SizedChange:
    """A change with the sizes of both sides.

    In bytes: a file's length, a symlink's target, 0 for anything else and for an absent side.
    """

    change: Change
    old_size: int
    new_size: int
    old_links: tuple[bytes, ...] = ()
    """The other members of the path's hard-link group before, no leading slash; empty: none."""
    new_links: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A line of `images`; `repository` is None for a tag without a slash."""

    repository: str | None
    tag: str
    oid: str
    created: int
    """The committer's time, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class BranchRow:
    """A line of `branch`. `name` is None for a detached HEAD."""

    name: str | None
    oid: str
    current: bool
    subject: str


@dataclass(frozen=True, slots=True)
class TagRow:
    """A line of `tag`. `message` is an annotated tag's, else empty; `oid` the commit's."""

    name: str
    oid: str
    message: str


class ContainerState(Enum):
    """Where a container is in its life."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class ContainerRow:
    """A line of `ps`. Times are seconds since 1970; `id` has 64 digits."""

    id: str
    name: str
    image: str
    """As the user named it when it was started, `base` as `base:latest`."""
    branch: str | None
    commit: str
    command: tuple[str, ...]
    created: float
    state: ContainerState
    started: float | None
    finished: float | None
    exit_code: int | None
    ports: tuple[str, ...] = ()
    """As Docker shows them: `49153->4444`."""


@dataclass(frozen=True, slots=True)
class ContainerChanges:
    """What a container changed against its parent commit, listed changes only, sorted."""

    container: ContainerRow
    changes: tuple[SizedChange, ...]
    not_recorded: tuple[str, ...] = ()
    """Places whose content a commit leaves out: volumes and bind mounts, as absolute paths."""


@dataclass(frozen=True, slots=True)
class Status:
    """What `status` tells: HEAD and the containers of its branch that changed or run."""

    branch: str | None
    head: str | None
    """None while the branch is unborn."""
    containers: tuple[ContainerChanges, ...]


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A line of `ls`."""

    path: bytes
    """Relative to the directory that was listed; of a single file, its name."""
    kind: str
    """`lxgit.objects.metadata.Kind.value`."""
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    """Nanoseconds since 1970."""
    oid: str | None
    target: bytes | None
    """Of a symlink."""
    rdev: tuple[int, int] | None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who writes a commit or moves a ref."""

    author: Signature
    committer: Signature


@dataclass(frozen=True, slots=True)
class Imported:
    """What `import` and `bootstrap` made. `unchanged`: the same tree, so no commit was made."""

    oid: str
    branch: str
    parent: str | None
    unchanged: bool
    became_head: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """What `commit` did."""

    oid: str
    parent: str
    branch: str | None
    created_branch: bool
    tag: str | None
    changes: tuple[SizedChange, ...]


@dataclass(frozen=True, slots=True)
class HeadMoved:
    """What `checkout` and `switch` did: ids, and branch names or None for a detached HEAD."""

    old_branch: str | None
    old_oid: str | None
    new_branch: str | None
    new_oid: str
    created: bool
    subject: str
    left_behind: tuple[ContainerRow, ...]
    """Changed containers of the branch that was left."""


@dataclass(frozen=True, slots=True)
class RemovedRef:
    """A ref that is gone; the reflog keeps `oid`."""

    kind: RefKind
    name: str
    oid: str
    detached: tuple[ContainerRow, ...] = ()
    """Containers that were on the branch."""


@dataclass(frozen=True, slots=True)
class RemovedContainer:
    """A container that is gone, and how many uncommitted paths went with it."""

    container: ContainerRow
    uncommitted: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` dropped; bytes as the disk counts them."""

    layers: int
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that `fsck` found."""

    message: str
    """The fault in one line."""
    affected: tuple[str, ...] = ()
    """Branches, tags and containers that it harms."""
    hint: str | None = None
