"""An OCI image layout in the making: a directory of blobs by digest, and an index of the images.

    oci-layout               the version of the layout
    index.json               a descriptor of each image's manifest, with its name
    blobs/sha256/<digest>    manifests, configs, layers

The form is that of OCI's image-spec: image-layout.md, image-index.md, manifest.md, descriptor.md.
All of it is JSON with sorted keys, so the same images give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os

from lxgit.oci.reference import parse_reference
from lxgit.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from lxgit.oci.layerwriter import Layer

_PREFIX = "application/vnd.oci.image"
INDEX = f"{_PREFIX}.index.v1+json"
MANIFEST = f"{_PREFIX}.manifest.v1+json"
CONFIG = f"{_PREFIX}.config.v1+json"
LAYER = f"{_PREFIX}.layer.v1.tar+gzip"

REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"


class Descriptor(NamedTuple):
    """What names a blob: its digest, `sha256:…`, and its size in bytes."""

    media_type: str
    digest: str
    size: int

    def values(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Written(NamedTuple):
    """An image in a layout."""

    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]


class LayoutWriter:
    """Writes a layout into an empty directory, which is one after `finish`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._blobs = place / "blobs/sha256"
        self._blobs.mkdir(parents=True)

    def blob(self, media_type: str, data: bytes) -> Descriptor:
        """Write a small blob."""
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return Descriptor(media_type, f"sha256:{digest}", len(data))

    def layer(self, write: Callable[[int], Layer]) -> Layer:
        """Have a layer written into an open file, which gets its digest for a name."""
        path = self._blobs / "layer"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            layer = write(fd)
        finally:
            os.close(fd)
        path.rename(self.place / blob_path(layer.digest))
        return layer

    def image(self, config: Mapping[str, Any], layers: Iterable[Layer]) -> Written:
        """Write an image's config and manifest over layers that are there, the lowest first."""
        found = tuple(Descriptor(LAYER, layer.digest, layer.size) for layer in layers)
        described = self.blob(CONFIG, encode(config))
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described.values(),
            "layers": [layer.values() for layer in found],
        }
        return Written(self.blob(MANIFEST, encode(manifest)), described, found)

    def finish(self, images: Iterable[tuple[Written, Sequence[str]]]) -> None:
        """Write the index: each image's manifest, once for each of its names, `NAME:TAG`, if any.

        BadReference for a name that no registry takes.
        """
        manifests = [
            image.manifest.values() | noted
            for image, names in images
            for noted in [_named(name) for name in names] or [{}]
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        (self.place / "index.json").write_bytes(encode(index))
        (self.place / "oci-layout").write_bytes(encode({"imageLayoutVersion": "1.0.0"}))


def _named(name: str) -> dict[str, Any]:
    """The annotations by which readers find an image: OCI's has the tag, containerd's it all."""
    reference = parse_reference(name)
    return {"annotations": {REF_NAME: reference.tag, IMAGE_NAME: str(reference)}}


def blob_path(digest: str) -> str:
    """Where a layout has the blob of a digest, `sha256:…`."""
    return f"blobs/{digest.replace(':', '/', 1)}"


def encode(values: Mapping[str, Any] | list[Any]) -> bytes:
    """JSON, in one spelling. UnicodeEncodeError where a text holds what is not UTF-8."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
