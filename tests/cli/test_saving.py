"""save: what other tools make of it."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from lxgit.beneath import remove_tree
from tests.support import awkward
from tests.support.compare import assert_same_tree
from tests.support.registry import skopeo
from tests.support.rootfs import extract_tar

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

pytestmark = pytest.mark.root

NOT_FOR_UMOCI = (
    *("overlay", "paths-long", "paths-deep", "xattr-names", "xattrs/value-empty"),
    *(f"times/{kind}-last-of-ext4" for kind in ("file", "fifo", "symlink", "directory")),
)
"""What umoci or its language keeps otherwise; lxgit's own reader brings all of it back."""


def manifest_of(archive: tarfile.TarFile) -> list[dict[str, Any]]:
    """The images of an archive for `docker load`."""
    member = archive.extractfile("./manifest.json")
    assert member is not None
    found: list[dict[str, Any]] = json.load(member)
    return found


def unpacked(layout: Path, tag: str, to: Path) -> Path:
    """What umoci makes of an image."""
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:{tag}", to], check=True)
    return to / "rootfs"


def test_other_tools_make_the_same_tree(lxgit: Lxgit, scratch: Path) -> None:
    """Where next to nothing was, over replaced directories; as a history, and as one layer."""
    one, two = scratch / "one", scratch / "two"
    one.mkdir()
    (one / "names").write_text("a file where a directory comes")
    (one / "gone/below").mkdir(parents=True)
    (one / "gone/below/file").touch()
    (one / "links/replaced").mkdir(parents=True)
    awkward.build(two)
    for path in NOT_FOR_UMOCI:
        remove(two / path)
    for marker in (two / "names").glob(".wh.*"):
        marker.unlink()
    for root in (one, two):
        lxgit("import", root, "base")
    for name, options in {"layers": (), "layer": ("--squash",)}.items():
        layout = scratch / name
        assert lxgit("save", "base", "--format", "oci-dir", "-o", layout, *options).out == ""
        assert_same_tree(two, unpacked(layout, "latest", scratch / f"bundle-{name}"))


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink()


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_an_archive(grown: Lxgit, scratch: Path, form: str) -> None:
    there = scratch / "image.tar"
    result = grown("save", "tuned", "-o", there, "--format", form)
    assert (result.out, result.err) == ("", "")
    assert there.stat().st_mode & 0o777 == 0o600  # it may hold /etc/shadow
    assert grown("save", "tuned", "--format", form).stdout == there.read_bytes()
    config = json.loads(skopeo("inspect", "--config", "--raw", f"{form}:{there}"))
    assert [entry["comment"] for entry in config["history"]] == ["A small machine", "Tune it"]
    assert config["author"] == "Ada <ada@example.org>"
    layout = scratch / "layout"
    skopeo("copy", "-q", f"{form}:{there}", f"oci:{layout}:it")
    exported = scratch / "exported.tar"
    grown("export", "tuned", "-o", exported)
    expected = extract_tar(exported, scratch / "expected")
    assert_same_tree(expected, unpacked(layout, "it", scratch / "bundle"))
    assert not list((grown.store / "tmp").iterdir())


def test_the_same_history_gives_the_same_bytes(grown: Lxgit) -> None:
    """However the store has it: gc reads and writes all of it anew."""
    before = grown("save", "tuned").stdout
    grown("gc")
    assert grown("save", "tuned").stdout == before


def test_several_images_share_their_layers(grown: Lxgit, git: StockGit, scratch: Path) -> None:
    """What `docker load` reads: by name, or without one."""
    there = scratch / "images.tar"
    grown("save", "tuned", git.word("rev-parse", "base"), "-o", there)
    with tarfile.open(there) as archive:
        names = archive.getnames()
        manifest = manifest_of(archive)
    tags = [image["RepoTags"] for image in manifest]
    assert tags == [["tuned:latest"], None]
    layers = [image["Layers"] for image in manifest]
    assert layers[1] == layers[0][:1]
    assert {f"./{blob}" for image in layers for blob in image} < set(names)
    listed = json.loads(skopeo("list-tags", f"docker-archive:{there}"))["Tags"]
    assert set(listed) == {"tuned:latest", "@1"}


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_an_image_of_many_names_is_there_once(
    grown: Lxgit, git: StockGit, scratch: Path, form: str
) -> None:
    """With each of its names once, however often it is named, and by what."""
    grown("tag", "base:v1", "base")
    there = scratch / "images.tar"
    names = ("base", "tuned", "base:v1", "base", "HEAD", git.word("rev-parse", "base"))
    grown("save", *names, "-o", there, "--format", form)
    if form == "docker-archive":
        with tarfile.open(there) as archive:
            manifest = manifest_of(archive)
        tags = [image["RepoTags"] for image in manifest]
        assert tags == [["base:latest", "base:v1"], ["tuned:latest"]]
    other = replace(grown, store=scratch / "other")
    other("load", "-q", "-i", there)
    listed = [line.split()[:2] for line in other("images").lines[1:]]
    assert sorted(listed) == [["base", "latest"], ["base", "v1"], ["tuned", "latest"]]


def test_no_archive_goes_to_a_terminal(based: Lxgit) -> None:
    with based.terminal("save", "base") as terminal:
        terminal.expect_exact("lxgit: an archive is nothing for a terminal")
        terminal.expect_exact("hint: lxgit save base -o image.tar")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 2


def test_a_pipe_that_was_named_and_that_nobody_reads_on(grown: Lxgit, scratch: Path) -> None:
    """It has no whole archive, and that is told: it is not the answer, as standard output is."""
    pipe = scratch / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["head", "-c", "1", pipe], stdout=subprocess.DEVNULL):
        told = grown("save", "base", "-o", pipe, code=1)
    assert told.err == f"lxgit: {pipe}: broken pipe\n"


def test_a_directory_is_new_or_not_made(based: Lxgit, scratch: Path) -> None:
    to_directory = ("save", "base", "--format", "oci-dir")
    assert based(*to_directory, code=2).err.endswith("hint: -o DIRECTORY\n")
    place = scratch / "taken"
    place.mkdir()
    result = based(*to_directory, "-o", place, code=1)
    assert result.err == f"lxgit: '{place}' is there already\nhint: name a new directory\n"
    place.rmdir()
    based("save", "nowhere", "--format", "oci-dir", "-o", place, code=1)
    assert not place.exists()
    based(*to_directory, "-o", place)
    assert sorted(os.listdir(place)) == ["blobs", "index.json", "oci-layout"]


def test_what_no_layer_holds_is_refused_by_path(lxgit: Lxgit, scratch: Path) -> None:
    root = scratch / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/.wh.hosts").touch()
    lxgit("import", root, "base")
    there = scratch / "image.tar"
    result = lxgit("save", "base", "-o", there, code=1)
    assert result.err.startswith("lxgit: '/etc/.wh.hosts' cannot be in an image of OCI")
    assert not there.exists()
    assert not list((lxgit.store / "tmp").iterdir())


def test_a_name_that_no_registry_takes(based: Lxgit) -> None:
    based("branch", "Mine")
    result = based("save", "Mine", code=1)
    assert result.err.startswith("lxgit: 'Mine:latest' names no image in a registry")
    assert based("save", based("rev-parse", "Mine").out.strip()).stdout
