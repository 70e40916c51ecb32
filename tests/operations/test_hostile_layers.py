"""Layers that strangers might make to do harm: refused in a line, and nothing of them is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import LxgitError
from lxgit.objects import imagepaths, limits
from lxgit.objects.tarsource import is_compressed
from lxgit.oci.layout import DirectoryPlace, read_images
from lxgit.oci.platform import Platform
from lxgit.operations import saving, unpacking
from lxgit.repository import create_repository
from tests.support.archives import DIRECTORY, END, LINK, SYMLINK, Archive, header, octal
from tests.support.hostile import CASES
from tests.support.layouts import CONFIG, Layout, config_of, named
from tests.support.loads import PLAIN, layers, loaded, refused
from tests.support.stores import Listener, find_image, stock_fsck

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.repository import Repository
    from tests.support.hostile_headers import Case

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


def test_links_of_a_layer_below_lead_nowhere_else(repository: Repository, scratch: Path) -> None:
    outside = scratch / "outside"
    outside.mkdir()
    links = Archive().add("out", SYMLINK, f"{'../' * 40}{outside}").add("to", SYMLINK, str(outside))
    through = Archive().add("out/x").add("to/y").raw()
    loaded(repository, layers(scratch / "layout", links.raw(), through))
    there = {path for path, _ in find_image(repository, "it").walk()}
    # As overlayfs has it, and tar over the tree: where the link leads in the image, there is none.
    assert {b"out/x", b"to/y"} <= there
    assert os.listdir(outside) == []


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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("link", ["", "link/"], ids=["straight", "through a link"])
def test_a_deep_directory_below_one_that_is_only_part_of_a_path(
    repository: Repository, scratch: Path, link: str
) -> None:
    """Each of its names is looked up once, not each with all that are above it."""
    deep = "/".join(["d" * 20] * 1000)
    lower = Archive().add("link", SYMLINK, "/" + "d" * 20).add(deep, DIRECTORY).raw()
    path = link + deep[21:] if link else deep
    loaded(repository, layers(scratch / "layout", lower, Archive().add(f"{path}/x").raw()))
    assert find_image(repository, "it").entry(f"{deep}/x".encode()) is not None


def test_links_that_lead_far_and_often(
    spotless: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagepaths, "_MOST_WORK", 1 << 20)
    lower = Archive().add("d/" * 100 + "x")
    for number in range(50):
        lower.add(f"l{number}", SYMLINK, "d/" * 100)
    upper = Archive()
    for number in range(50):
        upper.add(f"l{number}/y")
    path = layers(scratch / "layout", lower.raw(), upper.raw())
    refused(spotless, path, "lead through too many symbolic links")


@pytest.mark.parametrize(
    ("names", "there"),
    [
        ([".wh.real", "link/x"], {b"link", b"link/x"}),
        (["link/.wh.sub", "link/sub/x"], {b"link", b"real", b"real/sub", b"real/sub/x"}),
        (["real/.wh.sub", "link/sub/x"], {b"link", b"real", b"real/sub", b"real/sub/x"}),
        (["real/.wh..wh..opq", "link/sub/x"], {b"link", b"real", b"real/sub", b"real/sub/x"}),
        (["link/x", "real"], None),
        (["link/sub/x", "real"], None),
    ],
)
def test_what_a_layer_takes_away_below_itself(
    repository: Repository, scratch: Path, names: list[str], there: set[bytes] | None
) -> None:
    lower = Archive().add("link", SYMLINK, "real").add("real/sub/old").raw()
    upper = Archive()
    for name in names:
        upper.add(name)
    path = layers(scratch / "layout", lower, upper.raw())
    if there is None:
        refused(repository, path, "is below what the same layer takes away")
        return
    loaded(repository, path)
    assert {path for path, _ in find_image(repository, "it").walk()} == there
    assert stock_fsck(repository) == ""


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


def _growing(steps: int, size: int) -> list[dict[str, object]]:
    """A history whose first step sets a variable of that size, and the others a small one each."""
    said = [f"ENV BIG={os.urandom(size // 2).hex()}", *(f"ENV N={n}" for n in range(steps))]
    history = [{"created_by": one, "empty_layer": True} for one in said]
    return [*history, {"created_by": "RUN true"}]


def test_steps_that_write_a_large_config_each(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count, though no layer has anything of them."""
    path = layers(scratch / "layout", PLAIN, history=_growing(20, 50_000))
    with monkeypatch.context() as patch:
        patch.setattr(limits, "_LITTLE", 500_000)
        refused(repository, path, "configs and directories take more than 501,000", max_size=1000)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_MOST_CONFIGS", 500_000)
        refused(repository, path, "the image's history makes more than 500,000 bytes of configs")
    monkeypatch.setattr(limits, "_LITTLE", 1_200_000)
    monkeypatch.setattr(unpacking, "_MOST_CONFIGS", 1_200_000)
    assert loaded(repository, path, max_size=1000) == ["it:latest"]


def test_layers_that_write_a_large_directory_each(
    repository: Repository, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Archive().add("d", DIRECTORY)
    for number in range(1000):
        large.add(f"d/{number}", SYMLINK, "x")
    tars = [large.raw(), *(Archive().add(f"d/new{n}").raw() for n in range(20))]
    path = layers(scratch / "layout", *tars)
    with monkeypatch.context() as patch:
        patch.setattr(limits, "_LITTLE", 300_000)
        refused(repository, path, "configs and directories take more than 301,000", max_size=1000)
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_MOST_TREES", 300_000)
        refused(repository, path, "the image's layers write more than 300,000 bytes of directories")
    monkeypatch.setattr(limits, "_LITTLE", 1_500_000)
    monkeypatch.setattr(unpacking, "_MOST_TREES", 1_500_000)
    assert loaded(repository, path, max_size=1000) == ["it:latest"]


def test_as_many_layers_and_steps_as_there_are_in_practice(
    repository: Repository, scratch: Path
) -> None:
    """What steps write is no matter of a --max-size that the contents fit into."""
    said = [f"LABEL about{number}={'word ' * 300}" for number in range(150)]
    said += [f"ENV V{number}={'x' * 100}" for number in range(150)]
    history = [{"created_by": one, "empty_layer": True} for one in said]
    tars = [Archive().add(f"{number}", content=b"x").raw() for number in range(127)]
    history += [{"created_by": "RUN true"}] * len(tars)
    path = layers(scratch / "layout", *tars, history=history)
    assert loaded(repository, path, max_size=127) == ["it:latest"]


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
