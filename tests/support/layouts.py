"""Image layouts for tests, blob by blob: right ones, and such as nobody would write."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from lxgit.oci.layout import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PREFIX = "application/vnd.oci.image"
MANIFEST, INDEX = f"{PREFIX}.manifest.v1+json", f"{PREFIX}.index.v1+json"
CONFIG, LAYER = f"{PREFIX}.config.v1+json", f"{PREFIX}.layer.v1.tar"
NAME = "org.opencontainers.image.ref.name"

Described = dict[str, Any]


def config_of(layers: Sequence[bytes], **values: Any) -> Described:
    """The config of an image of such layers; `values` take the place of what it has."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "history": [{"created_by": f"RUN step {number}"} for number, _ in enumerate(layers)],
        **values,
    }


class Layout:
    """A layout in a directory, in the making."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "blobs/sha256").mkdir(parents=True)
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> Described:
        """Write a blob; what names it."""
        self.path(digest_of(data)).write_bytes(data)
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    def path(self, name: str) -> Path:
        return self.place / "blobs" / name.replace(":", "/")

    def json(self, value: Any, media_type: str) -> Described:
        return self.blob(json.dumps(value).encode(), media_type)

    def layer(self, data: bytes, *, compressed: bool = True) -> Described:
        if not compressed:
            return self.blob(data, LAYER)
        return self.blob(gzip.compress(data, mtime=0), f"{LAYER}+gzip")

    def manifest(self, layers: Sequence[bytes], **config: Any) -> Described:
        """Write an image of layers, uncompressed tars; its manifest's descriptor."""
        return self.manifest_of(
            self.json(config_of(layers, **config), CONFIG), [self.layer(one) for one in layers]
        )

    def manifest_of(self, config: Described, layers: Iterable[Described]) -> Described:
        value = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config}
        return self.json({**value, "layers": list(layers)}, MANIFEST)

    def index(self, *manifests: Described) -> Path:
        """Write the index, and have done."""
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        (self.place / "index.json").write_text(json.dumps(value))
        return self.place


def named(manifest: Described, name: str) -> Described:
    """A manifest of an index by which name it is found."""
    return {**manifest, "annotations": {NAME: name}}


def docker_archive(path: Path, name: str, config: Described, layers: Sequence[bytes]) -> Path:
    """What `docker save` wrote until its version 25: a directory a layer, and links between them.

    A layer that is there twice is a link to the first.
    """
    with tarfile.open(path, "w") as archive:
        places: dict[bytes, str] = {}
        rows = []
        for number, layer in enumerate(layers):
            place = f"{number:064x}"
            _add(archive, f"{place}/VERSION", b"1.0")
            _add(archive, f"{place}/json", b"{}")
            if layer in places:
                member = tarfile.TarInfo(f"{place}/layer.tar")
                member.type, member.linkname = tarfile.SYMTYPE, f"../{places[layer]}/layer.tar"
                archive.addfile(member)
            else:
                _add(archive, f"{place}/layer.tar", layer)
                places[layer] = place
            rows.append(f"{place}/layer.tar")
        text = json.dumps(config).encode()
        about = f"{digest_of(text).partition(':')[2]}.json"
        _add(archive, about, text)
        manifest = [{"Config": about, "RepoTags": [name], "Layers": rows}]
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, "repositories", b"{}")
    return path


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
