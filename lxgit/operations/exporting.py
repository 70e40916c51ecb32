"""An image or a container leaves the store as a tar archive."""

from __future__ import annotations

from lxgit.objects.replay import replay_image
from lxgit.objects.tarwriter import TarWriter
from lxgit.operations.views import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from lxgit.progress import Progress
    from lxgit.repository import Repository

    class ByteSink(Protocol):
        """What takes bytes in, such as a file."""

        def write(self, data: bytes, /) -> object: ...


def export_image(
    repository: Repository, revision: str, output: ByteSink, *, progress: Progress
) -> None:
    """Write what a revision, or a container as it is now, shows, as a canonical pax archive.

    OSError as the output has it; a broken object leaves the archive without its end.
    """
    with view(repository, revision) as side:
        progress.phase("Exporting")
        writer = TarWriter(output.write)
        replay_image(side.blobs, side.image, writer, progress)
        writer.finish()
