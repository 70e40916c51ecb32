"""An OCI image layout as one tar: the archive that skopeo calls `oci-archive`.

With a `manifest.json` in it, it is at the same time what `docker load` of any version reads: that
names the config and the layers of each image by their paths in the archive (moby, image/tarexport),
which Docker itself writes into a layout since version 25.
"""

from __future__ import annotations

import os

from lxgit.objects.content import read_range
from lxgit.objects.metadata import Metadata
from lxgit.objects.tarwriter import TarWriter
from lxgit.oci.layoutwriter import blob_path, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lxgit.oci.layoutwriter import Written
    from lxgit.progress import Progress

_FILE = Metadata(0o644, 0, 0, 0)
_DIRECTORY = Metadata(0o755, 0, 0, 0)
_FIRST = ("oci-layout", "index.json", "manifest.json")
"""What a reader wants to see before the blobs."""


def docker_manifest(images: Iterable[tuple[Written, Sequence[str]]]) -> bytes:
    """The `manifest.json` of images, each with its names or without one."""
    return encode(
        [
            {
                "Config": blob_path(image.config.digest),
                "RepoTags": list(names) or None,
                "Layers": [blob_path(layer.digest) for layer in image.layers],
            }
            for image, names in images
        ]
    )


def write_archive(layout: Path, write: Callable[[bytes], object], progress: Progress) -> None:
    """Write a layout's files as a tar, always in one order, without owners and times."""
    first = [layout / name for name in _FIRST]
    files = [*filter(os.path.exists, first), *sorted(layout.glob("blobs/sha256/*"))]
    progress.phase("Writing the archive", sum(path.stat().st_size for path in files))
    tar = TarWriter(write)
    tar.directory(b"blobs", _DIRECTORY)
    tar.directory(b"blobs/sha256", _DIRECTORY)
    for path in files:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            chunks = _counted(read_range(file.fileno(), 0, size), progress)
            tar.file(os.fsencode(path.relative_to(layout)), _FILE, size, chunks)
    tar.finish()


def _counted(chunks: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    for chunk in chunks:
        yield chunk
        progress.advance(len(chunk))
