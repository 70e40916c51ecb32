"""`ls`: names, or everything about each entry as ls(1) shows it."""

from __future__ import annotations

import stat

from lxgit.cli.changes import TYPE_BITS
from lxgit.cli.human import iso_minute, quote_path
from lxgit.lean import NANOSECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lxgit.cli.output import Output
    from lxgit.operations.listing import ListedEntry


def shown_name(entry: ListedEntry) -> str:
    """The name, a directory's with a slash at its end."""
    slash = "/" if entry.kind == "directory" else ""
    return quote_path(entry.path) + slash


def write_long(out: Output, entries: Sequence[ListedEntry]) -> None:
    """A line each: mode (`+` for extended attributes), owner, size or device, mtime, name."""
    rows = [_cells(entry) for entry in entries]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)] if rows else []
    for entry, cells in zip(entries, rows, strict=True):
        mode, user, group, size = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        when = iso_minute(entry.mtime // NANOSECONDS)
        out.line(f"{mode} {user} {group} {size} {when} {_pointing_name(entry)}")


def _cells(entry: ListedEntry) -> tuple[str, str, str, str]:
    mode = stat.filemode(TYPE_BITS[entry.kind] | entry.mode)
    size = f"{entry.rdev[0]},{entry.rdev[1]}" if entry.rdev is not None else str(entry.size)
    return mode + ("+" if entry.xattrs else ""), str(entry.uid), str(entry.gid), size


def _pointing_name(entry: ListedEntry) -> str:
    name = shown_name(entry)
    return name if entry.target is None else f"{name} -> {quote_path(entry.target)}"


def listed_fields(entry: ListedEntry) -> dict[str, object]:
    """An entry for JSON; `mtime` in nanoseconds since 1970, `mode` octal, xattrs hexadecimal."""
    target = entry.target
    return {
        "path": entry.path.decode("utf-8", "surrogateescape"),
        "type": entry.kind,
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "size": entry.size,
        "mtime": entry.mtime,
        "id": entry.oid,
        "target": None if target is None else target.decode("utf-8", "surrogateescape"),
        "device": None if entry.rdev is None else f"{entry.rdev[0]}:{entry.rdev[1]}",
        "xattrs": {
            name.decode("utf-8", "surrogateescape"): value.hex() for name, value in entry.xattrs
        },
    }
