"""Values to render, made short, and what comes of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lxgit.cli.output import Output
from lxgit.objects.changes import Change
from lxgit.objects.entries import Entry
from lxgit.objects.ids import ObjectID
from lxgit.objects.metadata import Kind, Metadata
from lxgit.operations.values import SizedChange

if TYPE_CHECKING:
    from collections.abc import Callable

XATTR = (b"user.note", b"hello")


def oid(digit: str) -> ObjectID:
    """An id of forty equal digits."""
    return ObjectID(bytes.fromhex(digit * 40))


def entry(
    kind: Kind = Kind.FILE,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    mtime: int = 0,
    xattrs: tuple[tuple[bytes, bytes], ...] = (),
    content: str = "1",
    rdev: tuple[int, int] | None = None,
) -> Entry:
    """An entry; `content` is the digit of its id, empty for what has none."""
    metadata = Metadata(mode, *owner, mtime, xattrs)
    return Entry(kind, metadata, oid(content) if content else None, rdev)


def changed(
    path: bytes, old: Entry | None, new: Entry | None, old_size: int = 0, new_size: int = 0
) -> SizedChange:
    """A change of one path."""
    return SizedChange(Change(path, old, new), old_size, new_size)


def rendered(write: Callable[[Output], None]) -> str:
    """What `write` writes."""
    fd = os.memfd_create("answer")
    try:
        out = Output(fd)
        write(out)
        out.flush()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode()
    finally:
        os.close(fd)
