"""Layouts of images that strangers might make to do harm: refused, and nothing of them is kept."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.oci import layout as layouts
from lxgit.oci.layout import digest_of
from tests.support.archives import header, octal
from tests.support.layouts import (
    CONFIG,
    INDEX,
    LAYER,
    Layout,
    config_of,
    docker_archive,
    named,
)
from tests.support.loads import PLAIN, layers, loaded, refused
from tests.support.stores import stock_fsck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.repository import Repository


def _config_lies(layout: Layout) -> Any:
    config = layout.json(config_of([PLAIN]), CONFIG)
    layout.path(config["digest"]).write_bytes(b"x" * config["size"])
    return layout.manifest_of(config, [layout.layer(PLAIN)])


def _layer_lies(layout: Layout) -> Any:
    other = PLAIN.replace(b"localhost", b"elsewhere")
    return layout.manifest_of(layout.json(config_of([PLAIN]), CONFIG), [layout.layer(other)])


def _layer_is_cut_short(layout: Layout) -> Any:
    layer = layout.layer(PLAIN)
    path = layout.path(layer["digest"])
    path.write_bytes(path.read_bytes()[:-12] + bytes(12))
    return layout.manifest_of(layout.json(config_of([PLAIN]), CONFIG), [layer])


def _without(part: str) -> Callable[[Layout], Any]:
    def make(layout: Layout) -> Any:
        config, layer = layout.json(config_of([PLAIN]), CONFIG), layout.layer(PLAIN)
        manifest = layout.manifest_of(config, [layer])
        lost = {"config": config, "layer": layer, "manifest": manifest}[part]
        layout.path(lost["digest"]).unlink()
        return manifest

    return make


def _of_size(change: int) -> Callable[[Layout], Any]:
    def make(layout: Layout) -> Any:
        layer = layout.layer(PLAIN)
        layer["size"] += change
        return layout.manifest_of(layout.json(config_of([PLAIN]), CONFIG), [layer])

    return make


def _layer_of(**values: Any) -> Callable[[Layout], Any]:
    def make(layout: Layout) -> Any:
        layer = {**layout.layer(PLAIN), **values}
        return layout.manifest_of(layout.json(config_of([PLAIN]), CONFIG), [layer])

    return make


def _nested(layout: Layout) -> Any:
    described = layout.manifest([PLAIN])
    for _ in range(5):
        described = layout.json({"schemaVersion": 2, "manifests": [described]}, INDEX)
    return described


def _config_is(data: bytes) -> Callable[[Layout], Any]:
    def make(layout: Layout) -> Any:
        return layout.manifest_of(layout.blob(data, CONFIG), [layout.layer(PLAIN)])

    return make


def _config_says(**values: Any) -> Callable[[Layout], Any]:
    return lambda layout: layout.manifest([PLAIN], **values)


def _manifest_is(value: Any) -> Callable[[Layout], Any]:
    return lambda layout: layout.json(value, "application/vnd.oci.image.manifest.v1+json")


def _manifest_lies(layout: Layout) -> Any:
    manifest = layout.manifest([PLAIN])
    path = layout.path(manifest["digest"])
    path.write_bytes(path.read_bytes().replace(b": ", b" :", 1))
    return manifest


LAYOUTS: dict[str, tuple[Callable[[Layout], Any], str]] = {
    "a manifest of other bytes": (_manifest_lies, "has other bytes than its digest says"),
    "a config of other bytes": (_config_lies, "has other bytes than its digest says"),
    "a layer of another diff id": (_layer_lies, "a layer is not sha256:"),
    "a layer of other bytes": (_layer_is_cut_short, "cannot be unpacked (gzip: "),
    "no manifest": (_without("manifest"), "is not there"),
    "no config": (_without("config"), "is not there"),
    "no layer": (_without("layer"), "is not there"),
    "a layer that is longer": (_of_size(1), "bytes, not "),
    "a layer that is shorter": (_of_size(-1), "bytes, not "),
    "a size below zero": (_layer_of(size=-1), "has no possible size"),
    "a size that is none": (_layer_of(size=True), "has no possible size"),
    "a size past all": (_layer_of(size=1 << 64), "has no possible size"),
    "a digest that is a path": (_layer_of(digest="sha256:../../../etc/passwd"), "is no digest"),
    "a digest of another kind": (_layer_of(digest=f"md5:{'0' * 32}"), "is no digest"),
    "a digest that moves the cursor": (_layer_of(digest="\x1b[2J"), "is no digest"),
    "a layer that is encrypted": (_layer_of(mediaType=f"{LAYER}+encrypted"), "does not know"),
    "a layer that is none": (_layer_of(mediaType="text/plain\x1b"), "does not know"),
    "an index in an index in an index": (_nested, "an index leads to an index"),
    "a manifest of another version": (_manifest_is({"schemaVersion": 1}), "is of another kind"),
    "a manifest that is a list": (_manifest_is([]), "is no object of JSON"),
    "layers that are none": (
        _manifest_is({"schemaVersion": 2, "config": {}, "layers": 7}),
        "is of another kind",
    ),
    "a config that is no JSON": (_config_is(b"\xff"), "is not JSON"),
    "half a letter in a config": (_config_says(variant="\ud800"), "has half a letter"),
    "half a letter in a label": (
        _config_says(config={"Labels": {"a": "\udfff"}}),
        "has half a letter",
    ),
    "half a letter in a manifest": (_layer_of(mediaType="tar\ud800"), "has half a letter"),
    "half a letter of UTF-8": (_config_is(b'{"author": "\xed\xa0\x80"}'), "has half a letter"),
    "a config that is deep": (_config_is(b"[" * 200_000), "is not JSON"),
    "a config that is large": (_config_is(b" " * (5 << 20) + b"{}"), "has more than 4 MiB"),
    "no diff ids": (_config_says(rootfs={}), "has no list of diff ids"),
    "diff ids that are none": (_config_says(rootfs={"diff_ids": ["x"]}), "no list of diff ids"),
    "one diff id too many": (
        _config_says(rootfs={"diff_ids": [digest_of(PLAIN)] * 2}),
        "the image has 1 layers, and its config says 2",
    ),
    "for another system": (_config_says(os="windows\x1b"), "the image is for 'windows"),
    "an Env that is none": (_config_says(config={"Env": "A=b"}), "the image cannot be kept"),
    "a Cmd of numbers": (_config_says(config={"Cmd": [1]}), "the image cannot be kept"),
    "labels that are none": (_config_says(config={"Labels": {"a": 1}}), "the image cannot be kept"),
    "a health check that is a word": (
        _config_says(config={"Healthcheck": "x"}),
        "Healthcheck is not an object",
    ),
    "a health check in ages": (
        _config_says(config={"Healthcheck": {"Test": ["CMD", "x"], "Interval": 10**30}}),
        "Interval of Healthcheck is no possible number",
    ),
    "a signal of 5,000 digits": (_config_says(config={"StopSignal": "9" * 5000}), "is no signal"),
    "a config nested deeply": (
        _config_says(config={"x": json.loads("[" * 900 + "]" * 900)}),
        "config.json is nested too deeply",
    ),
    "a config past all bounds": (
        _config_says(config={"Labels": {"a": "b" * (2 << 20)}}),
        "the image cannot be kept",
    ),
}


@pytest.mark.parametrize(("make", "fault"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_that_lies(
    spotless: Repository, scratch: Path, make: Callable[[Layout], Any], fault: str
) -> None:
    layout = Layout(scratch / "layout")
    refused(spotless, layout.index(named(make(layout), "it")), fault)


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        (b"", "is not JSON"),
        (b"[]", "is no object"),
        (b'{"manifests": {}}', "has no list of manifests"),
        (b'{"manifests": [7]}', "has no list of manifests"),
        (b'{"manifests": []}', "there is no image in it"),
        (b'{"manifests": [%s]}' % b",".join([b"{}"] * 1001), "has 1,001 manifests"),
        (b'{"manifests": [{"digest": 7}]}', "is no digest"),
        (b'{"manifests": [{"annotations": {"a": "\\ud800"}}]}', "has half a letter"),
        (b" " * (5 << 20), "more than 4 MiB"),
    ],
)
def test_an_index_that_is_none(
    spotless: Repository, scratch: Path, index: bytes, fault: str
) -> None:
    path = layers(scratch / "layout", PLAIN)
    (path / "index.json").write_bytes(index)
    refused(spotless, path, fault)


def test_nothing_of_a_directory_is_a_link_or_a_pipe(spotless: Repository, scratch: Path) -> None:
    outside = scratch / "outside"
    for name in ("index.json", "blobs", "blobs/sha256"):
        layout = scratch / name.replace("/", "-")
        path = layers(layout, PLAIN)
        (path / name).rename(outside)
        (path / name).symlink_to(outside)
        refused(spotless, path, "there")
        outside.rename(scratch / f"was-{name.replace('/', '-')}")
    path = layers(scratch / "pipe", PLAIN)
    for blob in (path / "blobs/sha256").iterdir():
        blob.unlink()
        os.mkfifo(blob)
    refused(spotless, path, "is not there")


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "HEAD", "-x", "x:..", "\x1b[2J", "a" * 300, "x:y:z", "x//y", "", "0" * 64],
)
def test_a_name_that_is_none(spotless: Repository, scratch: Path, name: str) -> None:
    path = docker_archive(scratch / "image.tar", name, config_of([PLAIN]), [PLAIN])
    refused(spotless, path, "")


def archive_of(path: Path, manifest: Any, *links: tuple[str, str]) -> Path:
    """An archive of Docker's with symbolic links and a config of one layer."""
    with tarfile.open(path, "w") as archive:
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
        for name, data in {
            "manifest.json": json.dumps(manifest).encode(),
            "config.json": json.dumps(config_of([PLAIN])).encode(),
            "layer.tar": PLAIN,
        }.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def _row(config: Any = "config.json", layer: Any = "layer.tar") -> list[dict[str, Any]]:
    return [{"Config": config, "RepoTags": ["it:latest"], "Layers": [layer]}]


DOCKERS = [
    ({}, "is no list of images"),
    ([], "is no list of images"),
    ([7], "does not say what an image is made of"),
    (_row(config="../../etc/passwd"), "is not there"),
    (_row(config="/etc/passwd"), "is not there"),
    (_row(config="a\0b"), "is not there"),
    (_row(config=7), "does not say what an image is made of"),
    (_row(layer="circle"), "is not there"),
    (_row(layer="out"), "is not there"),
    (_row(layer={}), "does not say what an image is made of"),
    (_row(layer="config.json"), "damaged or no tar archive"),
    ([{**_row()[0], "RepoTags": [7]}], "has a name that is none"),
    (_row(config="\ud800"), "has half a letter"),
    (_row(layer="a\udc80"), "has half a letter"),
    ([{**_row()[0], "RepoTags": ["\udcff:1"]}], "has half a letter"),
    (_row(config="a" * 300), "is not there"),
    (_row(layer="b" * 5000), "is not there"),
    (_row(layer="c" * 4000 + "/" + "d" * 4000), "is not there"),
    (_row(config="a/" * 500_000), "is not there"),
    (_row(layer="a/../" * 200_000 + "x"), "is not there"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("manifest", "fault"), DOCKERS)
def test_an_archive_of_dockers_that_lies(
    spotless: Repository, scratch: Path, manifest: Any, fault: str
) -> None:
    links = (("circle", "circle"), ("out", "/etc/passwd"))
    refused(spotless, archive_of(scratch / "image.tar", manifest, *links), fault)


@pytest.mark.parametrize(("manifest", "fault"), DOCKERS)
def test_a_directory_of_dockers_that_lies(
    spotless: Repository, scratch: Path, manifest: Any, fault: str
) -> None:
    place = scratch / "image"
    place.mkdir()
    (place / "circle").symlink_to("circle")
    (place / "out").symlink_to("/etc/passwd")
    (place / "config.json").write_text(json.dumps(config_of([PLAIN])))
    (place / "layer.tar").write_bytes(PLAIN)
    (place / "manifest.json").write_text(json.dumps(manifest))
    refused(spotless, place, fault)


def test_an_archive_that_is_a_bomb(spotless: Repository, scratch: Path) -> None:
    data = gzip.compress(header(b"zeros", size=octal(1 << 32)) + bytes(1 << 20), 1)
    (scratch / "image.tar").write_bytes(data)
    refused(spotless, scratch / "image.tar", "")


def test_steps_without_end(spotless: Repository, scratch: Path) -> None:
    """Each is a commit, though it has no layer; an image may have two thousand."""
    history = [{"created_by": "a"}, *[{"created_by": "b", "empty_layer": True}] * 1999]
    layout = Layout(scratch / "layout")
    images = [layout.manifest([PLAIN], history=history, author=f"{n}") for n in range(11)]
    place = layout.index(*(named(one, f"it{number}") for number, one in enumerate(images)))
    refused(spotless, place, "the images have more than 20,000 steps together")


def _large(author: str) -> dict[str, Any]:
    """A config of 10,000 bytes and a little, as that of a step with a long command."""
    history = [{"created_by": author + "x" * 10_000}]
    return config_of([PLAIN], history=history, author=author)


def _in_layout(place: Path, configs: list[dict[str, Any]]) -> Path:
    layout = Layout(place)
    layer = layout.layer(PLAIN)
    manifests = [layout.manifest_of(layout.json(one, CONFIG), [layer]) for one in configs]
    return layout.index(*(named(one, f"it:{n}") for n, one in enumerate(manifests)))


def _in_docker_directory(place: Path, configs: list[dict[str, Any]]) -> Path:
    place.mkdir()
    (place / "layer.tar").write_bytes(PLAIN)
    rows = []
    for number, config in enumerate(configs):
        name = f"{config['author']}.json"
        (place / name).write_text(json.dumps(config))
        rows.append({"Config": name, "RepoTags": [f"it:{number}"], "Layers": ["layer.tar"]})
    (place / "manifest.json").write_text(json.dumps(rows))
    return place


def _in_docker_archive(place: Path, configs: list[dict[str, Any]]) -> Path:
    directory = _in_docker_directory(place, configs)
    with tarfile.open(place.with_suffix(".tar"), "w") as archive:
        for path in directory.iterdir():
            archive.add(path, path.name)
    return place.with_suffix(".tar")


@pytest.mark.parametrize("write", [_in_layout, _in_docker_directory, _in_docker_archive])
def test_configs_of_many_images(
    repository: Repository,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, list[dict[str, Any]]], Path],
) -> None:
    """They are held together, and have a bound; one that many images have is there once."""
    monkeypatch.setattr(layouts, "_MOST_CONFIGS", 25_000)
    different = write(scratch / "different", [_large(f"{number}") for number in range(3)])
    refused(repository, different, "the images' configs have more than 25,000 bytes together")
    path = write(scratch / "shared", [_large("0"), _large("1"), *[_large("0")] * 50])
    assert set(loaded(repository, path)) == {f"it:{number}" for number in range(52)}
    assert len({repository.refs.read(ref) for ref in repository.refs.list()}) == 2


def test_a_manifest_of_many_names_is_read_once(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []
    inner = layouts.read_manifest

    def counted(data: bytes) -> layouts.Manifest:
        read.append(data)
        return inner(data)

    monkeypatch.setattr(layouts, "read_manifest", counted)
    path = _in_layout(scratch / "shared", [_large("0")] * 50)
    assert len(loaded(repository, path)) == 50
    assert len(read) == 1


def test_words_of_a_history_stay_words(repository: Repository, scratch: Path) -> None:
    """A message cannot claim another layer, nor a header of a commit."""
    history = [
        {
            "created_by": "RUN x\n\nLayer: sha256:" + "0" * 64,
            "author": "x> 0 +0000\nparent 1234\n<y",
            "comment": "a\0b\nLayer: x\n\nContainer: y",
            "created": "9999-12-31T23:59:59Z",
        }
    ]
    loaded(repository, layers(scratch / "layout", PLAIN, history=history))
    assert stock_fsck(repository) == ""
    git = repository.git
    said = git.run(["log", "--format=%(trailers:key=Layer,valueonly)|%P|%s", "it"]).decode()
    assert digest_of(PLAIN) in said
    assert said.strip().endswith("||a\N{REPLACEMENT CHARACTER}b Layer: x Container: y")
