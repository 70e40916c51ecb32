"""Targets for what comes of images: a layout's JSON, the config, the users that they name."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from lxgit.errors import LxgitError
from lxgit.objects.accounts import account_id, account_lines
from lxgit.objects.imageconfig import decode_config, encode_config
from lxgit.oci.config import read_config
from lxgit.oci.layout import DirectoryPlace, manifest_digest, read_images, read_manifest
from lxgit.oci.platform import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.oci.layoutwriter import Descriptor

_HERE = Platform("linux", "amd64")


def layout(data: bytes, scratch: Path) -> None:
    """A directory that calls itself a layout, or one of Docker's: there is no image in it."""
    for name in ("index.json", "manifest.json"):
        place = scratch / f"layout-{name}"
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(data)
        with DirectoryPlace(place) as opened, contextlib.suppress(LxgitError):
            read_images(opened, _HERE)


def manifest(data: bytes) -> None:
    """A manifest, or an index that leads to itself, without end."""

    def again(_: Descriptor) -> bytes:
        return data

    with contextlib.suppress(LxgitError):
        read_manifest(data)
    with contextlib.suppress(LxgitError):
        manifest_digest(data, _HERE, again)


def config(data: bytes) -> None:
    """An image's config, of one layer: it can be kept, and what it tells of can be in a commit."""
    try:
        facts = read_config(data, 1)
    except LxgitError:
        return
    assert decode_config(encode_config(facts.config)) == facts.config
    for step in facts.steps:
        text = f"{step.created_by}{step.author}{step.comment}"
        assert b"\0" not in text.encode()
        assert step.time is None or step.time >= 0


def accounts(data: bytes) -> None:
    """passwd(5) or group(5): as many fields as were asked for, and numbers that are some."""
    for fields in account_lines(data, 4):
        assert 4 <= len(fields) <= 8
        assert "\0" not in "".join(fields)
        number = account_id(fields[2])
        assert number is None or 0 <= number < 2**32 - 1


_DIGEST = f"sha256:{'0' * 64}"
_OF_OCI = "application/vnd.oci.image"
_BLOB = {"mediaType": f"{_OF_OCI}.config.v1+json", "digest": _DIGEST, "size": 7}
_LAYER = {**_BLOB, "mediaType": f"{_OF_OCI}.layer.v1.tar"}
_MANIFEST = {"schemaVersion": 2, "config": _BLOB, "layers": [_LAYER]}
_NAMED = {
    **_BLOB,
    "annotations": {"org.opencontainers.image.ref.name": "a:b"},
    "platform": {"os": "linux", "architecture": "amd64", "variant": "v2"},
}
_INDEX = {"schemaVersion": 2, "manifests": [_NAMED, _BLOB]}
_DOCKERS = [{"Config": "c.json", "RepoTags": ["a:b"], "Layers": ["l/layer.tar"]}]
_CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Env": ["PATH=/bin"],
        "User": "a",
        "Healthcheck": {"Test": ["CMD", "x"], "Interval": 10**9},
        "ExposedPorts": {"80/tcp": {}},
    },
    "rootfs": {"type": "layers", "diff_ids": [_DIGEST]},
    "history": [{"created_by": "RUN x", "created": "2024-01-02T03:04:05Z", "author": "a\ud800"}],
}


def _json(*values: object) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


LAYOUTS = _json(_INDEX, _DOCKERS, [{**_DOCKERS[0], "Config": "\ud800"}])
MANIFESTS = _json(_MANIFEST, _INDEX)
CONFIGS = _json(_CONFIG, {**_CONFIG, "history": []})
ACCOUNTS = (b"root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/srv:\n", b"adm:x:4:www,x\n:::\n")
