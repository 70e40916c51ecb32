"""The archives that ADD extracts: which files are some, and what is in them."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from lxgit.fsutil import write_all
from lxgit.objects.content import Below
from lxgit.objects.limits import free_space, limits_for, no_room
from lxgit.objects.tarheader import BLOCK, InvalidHeader, parse_header
from lxgit.objects.tarreader import read_tar
from lxgit.objects.tarsource import ArchiveFile, InvalidArchive, is_compressed, open_archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO, Self

    from lxgit.objects.content import Content
    from lxgit.objects.filetree import FileTree, Node
    from lxgit.progress import Progress


def begins_as_tar(block: bytes) -> bool:
    """Whether the first bytes of something are the header of a tar archive's first member."""
    try:
        return len(block) >= BLOCK and parse_header(block[:BLOCK]) is not None
    except InvalidHeader:
        return False


class Archives:
    """Opens archives, which stay open as long as the `with`: their contents are read later.

    `scratch` is a directory for temporary files.
    """

    def __init__(self, scratch: Path, progress: Progress) -> None:
        self._scratch = scratch
        self._progress = progress
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tree(self, node: Node) -> FileTree | None:
        """What is in an archive; None where a file is none. InvalidArchive and its like.

        What only begins as a compressed file, and cannot be unpacked, is no archive: as in Docker.
        """
        content = node.content
        if content is None:
            return None
        head = next(iter(content.chunks()), b"")
        if not is_compressed(head) and not begins_as_tar(head):
            return None
        stream = self._stack.enter_context(self._opened(content))
        archive = self._stack.enter_context(open_archive(None, stream, self._scratch))
        if not _holds_tar(archive):
            return None
        self._progress.phase("Extracting")
        return read_tar(archive, self._progress, limits=limits_for(self._scratch, None))

    @contextmanager
    def _opened(self, content: Content) -> Iterator[IO[bytes]]:
        """A file with the content: itself, or a copy of what lies within another file."""
        if isinstance(content, Below):
            with content.opened() as fd, open(fd, "rb", buffering=0, closefd=False) as stream:
                yield stream
            return
        fd = os.open(self._scratch, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        with open(fd, "rb", buffering=0) as stream:
            if content.size > (room := free_space(fd)):
                raise no_room(room)
            for chunk in content.chunks():
                write_all(fd, chunk)
            yield stream


def _holds_tar(archive: ArchiveFile) -> bool:
    try:
        return begins_as_tar(archive.read(0, BLOCK))
    except InvalidArchive:
        return False
