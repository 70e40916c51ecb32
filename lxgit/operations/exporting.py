"""An image leaves the store as a tar archive."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from lxgit.objects.replay import replay_image
from lxgit.objects.tarwriter import TarWriter
from lxgit.operations.lookup import find_image

if TYPE_CHECKING:
    from lxgit.progress import Progress
    from lxgit.repository import Repository


def export_image(
    repository: Repository, revision: str, output: IO[bytes], *, progress: Progress
) -> None:
    """Write the image that `revision` names as a canonical pax archive.

    OSError as the output has it; a broken object leaves the archive without its end.
    """
    image = find_image(repository, revision)
    progress.phase("Exporting")
    writer = TarWriter(output.write)
    replay_image(repository.objects, image, writer, progress)
    writer.finish()
