"""Where a root filesystem goes: a layer on disk, a tar, whatever takes entries one by one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from lxgit.objects.metadata import Kind, Metadata
else:
    Protocol = object


class TreeSink(Protocol):
    """Takes the entries of a tree, each directory before what it holds.

    Paths have no leading slash; `b""` is the root directory. Errors of the file system that a sink
    writes to come through as OSError.
    """

    def directory(self, path: bytes, metadata: Metadata) -> None:
        """A directory; its mtime must survive what is put into it afterwards."""

    def file(self, path: bytes, metadata: Metadata, size: int, chunks: Iterable[bytes]) -> None:
        """A regular file of `size` bytes, which `chunks` make up."""

    def symlink(self, path: bytes, metadata: Metadata, target: bytes) -> None:
        """A symbolic link."""

    def special(
        self, path: bytes, kind: Kind, metadata: Metadata, rdev: tuple[int, int] | None
    ) -> None:
        """A FIFO, or a device with its (major, minor)."""

    def link(self, path: bytes, existing: bytes) -> None:
        """Another name for what has been put at `existing`."""
