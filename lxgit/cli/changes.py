"""Changed paths in short: `status`, `diff --name-status`, `--stat`, and as JSON."""

from __future__ import annotations

from lxgit.cli.human import quote_path, shown_path, size
from lxgit.cli.tables import columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxgit.cli.output import Writer
    from lxgit.operations.values import Change, Entry, SizedChange

TYPE_BITS = {  # inode(7)
    "fifo": 0o010000,
    "character device": 0o020000,
    "directory": 0o040000,
    "block device": 0o060000,
    "file": 0o100000,
    "symlink": 0o120000,
}
_KINDS = {"A": "added", "M": "modified", "D": "deleted", "T": "of another type"}
_GRAPH_WIDTH = 24
_LONGEST_NAME = 50  # longer ones stick out


def full_mode(entry: Entry) -> str:
    """Type and permissions in octal, as stat(2) and Git have them: `100644`, `104755`."""
    return f"{TYPE_BITS[entry.kind.value] | entry.metadata.mode:06o}"


def metadata_changes(sized: SizedChange) -> list[str]:
    """What of a path's metadata changed, in words; its mtime only when nothing else did."""
    change = sized.change
    if change.old is None or change.new is None:
        return []
    old, new = change.old.metadata, change.new.metadata
    words = []
    if old.mode != new.mode:
        words.append(f"mode {old.mode:04o} -> {new.mode:04o}")
    if (old.uid, old.gid) != (new.uid, new.gid):
        words.append(f"owner {old.uid}:{old.gid} -> {new.uid}:{new.gid}")
    words += [f"xattr {quote_path(name)}" for name in xattr_names(change)]
    if sized.old_links != sized.new_links:
        words.append("hard links")
    if not words and not change.content_changed and old.mtime != new.mtime:
        words.append("mtime")
    return words


def xattr_names(change: Change) -> Iterator[bytes]:
    """The extended attributes that are not the same on both sides."""
    old, new = (dict(side.metadata.xattrs) if side else {} for side in (change.old, change.new))
    yield from (name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name))


def sizes(sized: SizedChange) -> str:
    """How large the content was and is: `1.43 kB -> 1.50 kB`; empty where it did not change."""
    change = sized.change
    if not change.content_changed:
        return ""
    old = size(sized.old_size) if _has_size(change.old) else ""
    new = size(sized.new_size) if _has_size(change.new) else ""
    return f"{old} -> {new}" if old and new else old or new


def _has_size(entry: Entry | None) -> bool:
    return entry is not None and entry.kind.value in {"file", "symlink"}


def status_line(sized: SizedChange) -> str:
    """One path of `status`: its letter, its name, and what changed in brackets."""
    change = sized.change
    words = ", ".join(metadata_changes(sized))
    if words and not change.content_changed:
        words = f"metadata: {words}"
    facts = ", ".join(filter(None, (sizes(sized), words)))
    return f"{change.kind.value}  {_named(change)}" + (f"  ({facts})" if facts else "")


def name_status_line(sized: SizedChange) -> str:
    """One path of `diff --name-status`, as Git has it."""
    return f"{sized.change.kind.value}\t{shown_path(sized.change.path)}"


def name_line(sized: SizedChange) -> str:
    """One path of `diff --name-only`, as Git has it."""
    return shown_path(sized.change.path)


def _named(change: Change) -> str:
    """The path, a directory's with a slash at its end."""
    entry = change.new or change.old
    path = shown_path(change.path)
    slash = entry is not None and entry.is_directory and change.path
    return f"{path}/" if slash else path


def write_stat(out: Writer, changes: Sequence[SizedChange]) -> None:
    """Every path with its sizes and how much it grew or shrank, then what that comes to."""
    if not changes:
        return
    names = [_named(sized.change) for sized in changes]
    facts = [
        sizes(sized) or ", ".join(metadata_changes(sized)) or _fate(sized) for sized in changes
    ]
    name_width = min(max(map(columns, names)), _LONGEST_NAME)
    fact_width = max(map(len, facts))
    most = max(abs(_growth(sized)) for sized in changes)
    for sized, name, fact in zip(changes, names, facts, strict=True):
        pad = " " * (name_width - columns(name))
        graph = _graph(_growth(sized), most)
        out.line(f" {name}{pad} | {fact:{fact_width}} {graph}".rstrip())
    out.line(f" {total(changes)}")


def _fate(sized: SizedChange) -> str:
    """What became of a path that has no size: `new directory`."""
    entry = sized.change.new or sized.change.old
    kind = entry.kind.value if entry else ""
    return {"A": f"new {kind}", "D": f"deleted {kind}"}.get(sized.change.kind.value, kind)


def _growth(sized: SizedChange) -> int:
    return sized.new_size - sized.old_size


def _graph(growth: int, most: int) -> str:
    """A bar in proportion to the largest; anything that grew or shrank gets one mark or more."""
    length = -(-abs(growth) * _GRAPH_WIDTH // most) if growth else 0
    return ("+" if growth > 0 else "-") * length


def total(changes: Sequence[SizedChange]) -> str:
    """Counts, and the growth: `3 paths changed: 1 added, 2 modified; +1.43 kB`."""
    kinds = [sized.change.kind.value for sized in changes]
    counted = [f"{kinds.count(kind)} {word}" for kind, word in _KINDS.items() if kind in kinds]
    growth = sum(map(_growth, changes))
    sign = "+" if growth > 0 else ""
    noun = "path" if len(changes) == 1 else "paths"
    grown = f"; {sign}{size(growth)}" if growth else ""
    return f"{len(changes)} {noun} changed: {', '.join(counted)}{grown}"


def change_fields(sized: SizedChange) -> dict[str, object]:
    """A change for JSON."""
    change = sized.change
    return {
        "path": "/" + change.path.decode("utf-8", "surrogateescape"),
        "status": change.kind.value,
        "content_changed": change.content_changed,
        "metadata_changed": metadata_changes(sized),
        "old": change.old and _entry_fields(change.old, sized.old_size),
        "new": change.new and _entry_fields(change.new, sized.new_size),
    }


def _entry_fields(entry: Entry, length: int) -> dict[str, object]:
    metadata = entry.metadata
    return {
        "type": entry.kind.value,
        "mode": f"{metadata.mode:04o}",
        "uid": metadata.uid,
        "gid": metadata.gid,
        "mtime": metadata.mtime,
        "size": length,
        "id": entry.oid and entry.oid.hex(),
        "device": entry.rdev and f"{entry.rdev[0]}:{entry.rdev[1]}",
        "xattrs": {
            name.decode("utf-8", "surrogateescape"): value.hex() for name, value in metadata.xattrs
        },
    }
