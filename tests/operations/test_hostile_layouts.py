"""Images that strangers might make to do harm: refused in a line, and nothing of them is kept."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.errors import LxgitError
from lxgit.objects.tarsource import is_compressed
from lxgit.oci.layout import DirectoryPlace, read_images
from lxgit.oci.platform import Platform
from lxgit.operations import saving, unpacking
from lxgit.operations.loading import LoadRequest, load
from lxgit.repository import create_repository
from tests.support.archives import DIRECTORY, END, LINK, SYMLINK, Archive, header, octal
from tests.support.hostile import CASES
from tests.support.layouts import (
    CONFIG,
    INDEX,
    LAYER,
    Layout,
    config_of,
    digest,
    docker_archive,
    named,
)
from tests.support.stores import WHO, Listener, find_image, stock_fsck

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.repository import Repository
    from tests.support.hostile_headers import Case

PLAIN = Archive().add("etc", DIRECTORY).add("etc/hosts", content=b"localhost").raw()


@pytest.fixture
def repository(store_dir: Path) -> Repository:
    return create_repository(store_dir)


@pytest.fixture(scope="module")
def spotless(work_directory: Path) -> Repository:
    """A store for what is refused: it stays without anything in it."""
    return create_repository(work_directory / "spotless")


def loaded(repository: Repository, path: Path, **wishes: Any) -> list[str]:
    """The names of what has come."""
    request = LoadRequest(path, **wishes)
    return [one.name for one in load(repository, request, identity=WHO, progress=Listener())]


def refused(repository: Repository, path: Path, fault: str, **wishes: Any) -> None:
    """The image is refused in so many words, and nothing of it is left."""
    with pytest.raises(LxgitError) as caught:
        loaded(repository, path, **wishes)
    message = caught.value.message
    assert fault in message
    assert "\n" not in message
    assert len(message) < 500
    assert not list(repository.git_dir.glob("objects/pack/*"))
    assert not list(repository.git_dir.glob("objects/??/*"))
    assert not list(repository.scratch_dir.iterdir())
    assert not list(repository.layers_dir.iterdir())
    assert not repository.refs.list()


def layers(place: Path, *tars: bytes, **config: Any) -> Path:
    layout = Layout(place)
    return layout.index(named(layout.manifest(tars, **config), "it"))


# Layers


ENDS_EARLY = {"cut after 1536 bytes", "cut after 2048 bytes", "nothing"}
"""Behind a member: a layer may, since its digest says that it is whole."""

PLAIN_CASES = [
    case
    for case in CASES
    if case.name not in ENDS_EARLY and not is_compressed(case.data())
    if not any(".wh." in name for name in case.names)
]


@pytest.mark.parametrize("case", PLAIN_CASES, ids=lambda case: case.name)
def test_an_archive_as_a_layer(
    case: Case, spotless: Repository, store_dir: Path, scratch: Path
) -> None:
    """What is refused of an archive is refused of a layer."""
    place = layers(scratch / "layout", case.data())
    if not case.names:
        refused(spotless, place, case.fault)
        return
    repository = create_repository(store_dir)
    assert loaded(repository, place) == ["it:latest"]
    there = {path.decode() for path, _ in find_image(repository, "it").walk()}
    assert there == {name.partition(" -> ")[0].rstrip("/") for name in case.names}
    assert stock_fsck(repository) == ""


def _circle() -> bytes:
    return Archive().add("a", SYMLINK, "b").add("b", SYMLINK, "a").raw()


BELOW_A_LINK = Archive().add("out", SYMLINK, "../../../../tmp").add("to", SYMLINK, "/etc").raw()
THROUGH = Archive().add("out/x").add("to/y").raw()


def test_links_of_a_layer_below_lead_nowhere_else(repository: Repository, scratch: Path) -> None:
    outside = set(os.listdir("/tmp"))
    loaded(repository, layers(scratch / "layout", BELOW_A_LINK, THROUGH))
    there = {path for path, _ in find_image(repository, "it").walk()}
    # As overlayfs has it, and tar over the tree: where the link leads in the image, there is none.
    assert {b"out/x", b"to/y"} <= there
    assert set(os.listdir("/tmp")) - outside == set()


@pytest.mark.parametrize(
    ("tars", "fault"),
    [
        ([PLAIN, Archive().add(".wh..").raw()], "removes nothing"),
        ([PLAIN, Archive().add("etc/.wh...").raw()], "removes nothing"),
        ([PLAIN, Archive().add("etc/.wh.").raw()], "removes nothing"),
        ([PLAIN, Archive().add("x", LINK, "etc").raw()], "which is no file before it"),
        ([PLAIN, Archive().add("x", LINK, "nowhere").raw()], "which is no file before it"),
        ([PLAIN, Archive().add("../x").raw()], "is not a path inside"),
        ([header(b"a", size=octal(100)) + b"short"], "its end is missing"),
        ([header(b"a", size=octal(100)) + bytes(99)], "its end is missing"),
        ([PLAIN[:700]], "its end is missing"),
        ([b"no tar" * 200], "is damaged or no tar archive"),
        ([PLAIN + PLAIN], "a second archive follows the first"),
    ],
)
def test_a_layer_that_makes_no_sense(
    spotless: Repository, scratch: Path, tars: list[bytes], fault: str
) -> None:
    refused(spotless, layers(scratch / "layout", *tars), fault)


@pytest.mark.parametrize(
    "upper",
    [
        Archive().add("etc/.wh.nothing").add(".wh.none").add("no/where/.wh.x").raw(),
        Archive().add("etc/.wh..wh..opq").add(".wh..wh.aufs", DIRECTORY).raw(),
        Archive().add(".wh..wh..opq").add("etc/.wh.hosts").add("etc/hosts").raw(),
        Archive().add(".wh.x/.wh.y").add(".wh.z/.wh..wh..opq").add(".wh.a/b/.wh.c").raw(),
        END,
    ],
    ids=["of nothing", "opaque", "all", "below others", "empty"],
)
def test_whiteouts_are_about_the_layers_below(
    repository: Repository, scratch: Path, upper: bytes
) -> None:
    loaded(repository, layers(scratch / "layout", PLAIN, upper))
    assert stock_fsck(repository) == ""
    names = [path for path, _ in find_image(repository, "it").walk()]
    assert not any(b".wh." in path for path in names)


def test_an_image_that_has_one_layer_many_times_opens_it_once(scratch: Path) -> None:
    path = layers(scratch / "layout", *[PLAIN] * 9)
    with DirectoryPlace(path) as place:
        (image,) = read_images(place, Platform("linux", "amd64"))
        assert len({layer.fd for layer in image.layers}) == 1


def test_layers_in_a_circle(repository: Repository, scratch: Path) -> None:
    loaded(repository, layers(scratch / "layout", _circle(), Archive().add("a/x").raw()))
    assert [path for path, _ in find_image(repository, "it").walk()] == [b"a", b"a/x", b"b"]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("tar", "fault"),
    [
        (header(b"zeros", size=octal(64 << 20)) + bytes(64 << 20) + END, "unpacks to more than"),
        (PLAIN + bytes(70 << 20), "more than 64 MiB behind its end"),
    ],
    ids=["zeros", "behind"],
)
def test_a_bomb(
    spotless: Repository, scratch: Path, tar: bytes, fault: str, compressed: bool
) -> None:
    if not compressed and fault.startswith("more"):
        return  # it takes the place that it takes
    layout = Layout(scratch / "layout")
    described = layout.layer(tar, compressed=compressed)
    manifest = layout.manifest_of(layout.json(config_of([tar]), CONFIG), [described])
    path = layout.index(named(manifest, "it"))
    refused(spotless, path, fault, max_size=16 << 20)


def test_many_layers_have_one_limit(repository: Repository, scratch: Path) -> None:
    tars = [Archive().add(f"{n}", content=bytes([n]) * (1 << 20)).raw() for n in range(9)]
    path = layers(scratch / "layout", *tars)
    refused(repository, path, "it unpacks to more than", max_size=8 << 20)
    assert loaded(repository, path, max_size=9 << 20) == ["it:latest"]


def test_what_a_layer_replaces_counts(spotless: Repository, scratch: Path) -> None:
    archives = [Archive(), Archive()]
    for number in range(12):
        archives[number % 2].add("again", content=bytes([number]) * (1 << 20))
    path = layers(scratch / "layout", *(archive.raw() for archive in archives))
    refused(spotless, path, "it unpacks to more than", max_size=11 << 20)


def test_all_layers_have_so_many_entries(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layers(scratch / "layout", *[PLAIN] * 9)
    counted = 9 * (3 + 1)  # the root, a directory and a file, and the file's content
    monkeypatch.setattr(unpacking, "_MOST_ENTRIES", counted - 1)
    refused(repository, path, "the image's layers have more than 35 entries in all")
    monkeypatch.setattr(unpacking, "_MOST_ENTRIES", counted)
    assert loaded(repository, path) == ["it:latest"]


def test_names_that_are_as_long_as_can_be(
    repository: Repository, store_dir: Path, scratch: Path
) -> None:
    """The whiteout of one is longer; more than one byte too long is what no file can have."""
    name = "n" * 255
    lower = Archive().add(f"d/{name}").add(f"d/{name[4:]}").add("kept").raw()
    upper = Archive().add(f"d/.wh.{name}").add(f".wh.x/.wh.{name}").raw()
    loaded(repository, layers(scratch / "layout", lower, upper))
    saving.save_directory(repository, ["it"], scratch / "saved", progress=Listener())
    again = create_repository(store_dir.with_name("again"))
    assert loaded(again, scratch / "saved") == ["it:latest"]
    for one in (repository, again):
        names = [path.decode() for path, _ in find_image(one, "it").walk()]
        assert names == ["d", f"d/{name[4:]}", "kept"]
        assert stock_fsck(one) == ""
    with pytest.raises(LxgitError, match="is not a path inside"):
        loaded(again, layers(scratch / "bad", lower, Archive().add(f"d/.wh.{name}n").raw()))


def test_hundreds_of_layers(repository: Repository, scratch: Path) -> None:
    """500 are unpacked, one more is refused; the same one again and again, as nobody writes it."""
    layout = Layout(scratch / "layout")
    one = layout.layer(PLAIN)
    for count in (501, 500):
        config = layout.json(config_of([PLAIN] * count), CONFIG)
        path = layout.index(named(layout.manifest_of(config, [one] * count), "it"))
        if count > 500:
            refused(repository, path, "the image has 501 layers")
        else:
            assert loaded(repository, path) == ["it:latest"]


# Layouts


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
    "a config that is deep": (_config_is(b"[" * 200_000), "is not JSON"),
    "a config that is large": (_config_is(b" " * (5 << 20) + b"{}"), "has more than 4 MiB"),
    "no diff ids": (_config_says(rootfs={}), "has no list of diff ids"),
    "diff ids that are none": (_config_says(rootfs={"diff_ids": ["x"]}), "no list of diff ids"),
    "one diff id too many": (
        _config_says(rootfs={"diff_ids": [digest(PLAIN)] * 2}),
        "the image has 1 layers, and its config says 2",
    ),
    "for another system": (_config_says(os="windows\x1b"), "the image is for 'windows"),
    "an Env that is none": (_config_says(config={"Env": "A=b"}), "the image cannot be kept"),
    "a Cmd of numbers": (_config_says(config={"Cmd": [1]}), "the image cannot be kept"),
    "labels that are none": (_config_says(config={"Labels": {"a": 1}}), "the image cannot be kept"),
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


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
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
        (_row(layer="config.json"), "its end is missing"),
        ([{**_row()[0], "RepoTags": [7]}], "has a name that is none"),
    ],
)
def test_an_archive_of_dockers_that_lies(
    spotless: Repository, scratch: Path, manifest: Any, fault: str
) -> None:
    links = (("circle", "circle"), ("out", "/etc/passwd"))
    refused(spotless, archive_of(scratch / "image.tar", manifest, *links), fault)


def test_an_archive_that_is_a_bomb(spotless: Repository, scratch: Path) -> None:
    data = gzip.compress(header(b"zeros", size=octal(1 << 32)) + bytes(1 << 20), 1)
    (scratch / "image.tar").write_bytes(data)
    refused(spotless, scratch / "image.tar", "")


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
    assert digest(PLAIN) in said
    assert said.strip().endswith("||a\N{REPLACEMENT CHARACTER}b Layer: x Container: y")
