"""Images to copy into, and to look at, without a Dockerfile around COPY."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from lxgit.build.archives import Archives
from lxgit.build.copying import copy_into
from lxgit.build.ignore import ignoring
from lxgit.build.sources import Filtered, HostDirectory, ImageSource
from lxgit.build.taking import CopyRequest, take
from lxgit.build.writing import write_changes
from lxgit.objects.directory import Directory, write_directory
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.links import Links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.repository import create_repository
from tests.support.stores import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.build.sources import Source

NOW = 1_700_000_000_000_000_000
"""The time of what a COPY makes."""


class Kitchen:
    """A store with images that nobody has committed."""

    def __init__(self, path: Path) -> None:
        self.repository = create_repository(path)
        self.listener = Listener()
        self.empty = self._empty()

    def _empty(self) -> Image:
        with self.repository.objects.writer() as writer:
            root = write_directory(writer, Directory(Metadata(0o755, 0, 0, NOW), {}))
            tree = write_image(writer, root, Links(), ImageConfig())
            with writer.finish():
                return read_image(self.repository.objects, tree)

    def copy(
        self,
        source: Source,
        base: Image,
        *sources: str,
        to: str,
        workdir: str = "/",
        **options: object,
    ) -> Image:
        """The image after a COPY; each option is one of CopyRequest."""
        request = CopyRequest(sources, to, NOW, **options)  # type: ignore[arg-type]
        objects = self.repository.objects
        with ExitStack() as stack:
            archives = stack.enter_context(Archives(self.repository.scratch_dir, self.listener))
            writer = stack.enter_context(objects.writer())
            taken = take(source, request)
            target = ImageSource(base, objects)
            changes = copy_into(target, workdir, taken, request, archives)
            rootfs, links = write_changes(changes, base, taken.ids, objects, writer)
            tree = write_image(writer, rootfs, links, base.config)
            stack.enter_context(writer.finish())
        return read_image(objects, tree)

    def of(self, root: Path) -> Image:
        """The image that a directory becomes."""
        with context(root) as source:
            return self.copy(source, self.empty, ".", to="/")

    def source(self, image: Image) -> ImageSource:
        return ImageSource(image, self.repository.objects)

    def read(self, image: Image, path: bytes) -> bytes:
        entry = image.entry(path)
        assert entry is not None
        assert entry.oid is not None
        return self.repository.objects.blob(entry.oid)

    def shown(self, image: Image) -> dict[str, str]:
        """What an image has: `f` a file, `l` a link, `d` a directory; mode, owner, content."""
        return {
            os.fsdecode(path): " ".join(
                (
                    {Kind.FILE: "f", Kind.SYMLINK: "l", Kind.DIRECTORY: "d"}.get(
                        entry.kind, entry.kind.value
                    ),
                    f"{entry.metadata.mode:o}",
                    f"{entry.metadata.uid}:{entry.metadata.gid}",
                    *(
                        [os.fsdecode(self.repository.objects.blob(entry.oid))]
                        if entry.oid is not None and not entry.is_directory
                        else []
                    ),
                )
            )
            for path, entry in image.walk()
        }


@contextmanager
def context(root: Path, *ignored: str) -> Iterator[Source]:
    """A directory as a build context."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Filtered(HostDirectory(fd), ignoring(ignored))
    finally:
        os.close(fd)
