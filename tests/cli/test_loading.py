"""load: what comes of archives and directories that lxgit and other tools write."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from lxgit.objects.imageconfig import architecture_name
from tests.cli.conftest import files
from tests.support.archives import DIRECTORY, LINK, SYMLINK, Archive
from tests.support.compare import assert_same_tree
from tests.support.layouts import CONFIG, LAYER, Layout, config_of, docker_archive, named
from tests.support.rootfs import extract_tar
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = pytest.mark.root


def run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
@pytest.mark.parametrize("by", ["lxgit", "skopeo"])
def test_what_was_saved(grown: Lxgit, other: Lxgit, scratch: Path, form: str, by: str) -> None:
    there = scratch / "image"
    grown("save", "tuned", "--format", form, "-o", there)
    name = "tuned:latest"
    if by == "skopeo":
        kinds = {"oci-dir": "oci"}
        kind = kinds.get(form, form)
        ours = f"{kind}:{there}" + ("" if form == "docker-archive" else ":latest")
        name = "elsewhere/machine:v1"
        there = scratch / "copied"
        run("skopeo", "copy", ours, f"{kind}:{there}:{name}")
    result = other("load", "-i", there)
    assert (result.out, result.err) == (f"Loaded image: {name}\n", "")
    revision = "tuned" if by == "lxgit" else "elsewhere/machine/v1"
    for back in ("", "~1"):
        assert files(other, f"{revision}{back}") == files(grown, f"tuned{back}")
    assert other("fsck").lines == ["No faults found."]
    assert other("run", "--rm", revision, "cat", "/etc/motd").lines[-1] == "It is tuned."


def test_what_is_here_stays_what_it_is(grown: Lxgit, other: Lxgit, scratch: Path) -> None:
    """The same commits from every form; a history that was loaded is saved and loaded as it is."""
    ids = set()
    for number, form in enumerate(("docker-archive", "oci-archive")):
        there = scratch / f"{number}.tar"
        grown("save", "tuned", "--format", form, "-o", there)
        other("load", "-i", there)
        ids.add(other("rev-parse", "tuned").out)
    again = other("save", "tuned").stdout
    other("load", stdin=again)
    ids.add(other("rev-parse", "tuned").out)
    assert len(ids) == 1
    packs = list((other.store / "git/objects/pack").glob("*.pack"))
    assert len(packs) == 1


@pytest.mark.parametrize("program", ["gzip", "zstd", "xz"])
def test_compressed_and_through_a_pipe(grown: Lxgit, other: Lxgit, program: str) -> None:
    saved = grown("save", "base").stdout
    packed = subprocess.run([program, "-c"], input=saved, check=True, capture_output=True).stdout
    assert other("load", "-q", stdin=packed).out == "Loaded image: base:latest\n"
    assert files(other, "base") == files(grown, "base")


def test_several_images_and_names(grown: Lxgit, other: Lxgit, scratch: Path) -> None:
    grown("tag", "base:v1", "base")
    there = scratch / "images.tar"
    grown("save", "base", "tuned", "base:v1", "-o", there)
    loaded = other("load", "-i", there).lines
    assert loaded == [
        f"Loaded image: {name}" for name in ("base:latest", "base:v1", "tuned:latest")
    ]
    assert other("rev-parse", "base").out == other("rev-parse", "base:v1").out
    refused = other("load", "-i", there, "one", code=2)
    assert refused.err.startswith("lxgit: there are 2 images, and 'one' is one name\n")


def test_a_name_of_ones_own(grown: Lxgit, other: Lxgit, scratch: Path) -> None:
    there = scratch / "image.tar"
    grown("save", "HEAD~1", "-o", there)
    refused = other("load", "-i", there, code=1)
    assert refused.err.splitlines() == [
        "lxgit: an image in it has no name",
        "hint: 'lxgit load -i FILE NAME' gives one to a single image",
    ]
    assert other("load", "-i", there, "mine:v1").out == "Loaded image: mine:v1\n"


def test_commits_of_ones_own_are_not_left_behind(grown: Lxgit, scratch: Path) -> None:
    there = scratch / "image.tar"
    grown("save", "tuned", "-o", there)
    refused = grown("load", "-i", there, code=1)
    assert refused.err.startswith("lxgit: 'tuned' has commits that the new image does not descend")
    before = grown("rev-parse", "--short", "tuned").out.strip()
    forced = grown("load", "-f", "-i", there)
    assert forced.out == "Loaded image: tuned:latest\n"
    assert f"lxgit: the name 'tuned:latest' was {before}, which no name leads to" in forced.err


def test_what_came_before_a_name_that_is_refused_is_told(based: Lxgit, scratch: Path) -> None:
    """Also of an image that has both names."""
    based("branch", "three", "base")
    layout = Layout(scratch / "layout")
    image = layout.manifest([LOWER])
    layout.index(*(named(image, name) for name in ("one", "two", "three", "four")))
    done = based("load", "-i", layout.place, code=1)
    assert done.lines == ["Loaded image: one:latest", "Loaded image: two:latest"]
    assert done.err.startswith("lxgit: 'three' has commits that the new image does not descend")
    assert based("branch").lines == ["* base", "  one", "  three", "  two"]


LOWER = (
    Archive()
    .add("bin", DIRECTORY, mode=0o755)
    .add("bin/sh", content=b"#!", mode=0o755)
    .add("etc", DIRECTORY, mode=0o700, uid=5)
    .add("etc/hosts", content=b"localhost", mtime=7)
    .add("etc/passwd", content=b"root")
    .add("etc/alias", LINK, "etc/hosts")
    .add("lib", SYMLINK, "usr/lib")
    .add("usr", DIRECTORY)
    .add("usr/lib", DIRECTORY)
    .add("usr/lib/so", content=b"so")
    .add("var", DIRECTORY)
    .add("var/a", DIRECTORY)
    .add("var/a/b", DIRECTORY)
    .add("var/a/b/c", content=b"deep")
    .add("var/d", content=b"d")
    .raw()
)
UPPER = (
    Archive()
    .add("./", DIRECTORY, mode=0o711)
    .add("etc/.wh.passwd")
    .add("etc/also", LINK, "etc/hosts")
    .add("lib/more", content=b"more")
    .add("var/a/", DIRECTORY, mode=0o750)
    .add("var/a/.wh..wh..opq")
    .add("var/a/new", content=b"new")
    .add("var/d/", DIRECTORY)
    .add("var/d/in", content=b"in")
    .add(".wh.nothing")
    .add(".wh..wh.plnk", DIRECTORY)
    .raw()
)


def test_layers_are_what_umoci_makes_of_them(lxgit: Lxgit, scratch: Path) -> None:
    """Whiteouts, opaque directories, hard links into a layer below, links on the way."""
    layout = Layout(scratch / "layout")
    place = layout.index(named(layout.manifest([LOWER, UPPER, LOWER, UPPER]), "it"))
    assert lxgit("load", "-i", place).lines == ["Loaded image: it:latest"]
    run("umoci", "unpack", "--image", f"{place}:it", scratch / "bundle")
    lxgit("export", "it", "-o", scratch / "exported.tar")
    exported = extract_tar(scratch / "exported.tar", scratch / "exported")
    assert_same_tree(scratch / "bundle/rootfs", exported)
    assert (exported / "usr/lib/more").read_text() == "more"
    assert (exported / "etc/also").stat().st_nlink == 3
    below = files(lxgit, "it~3")
    assert below != files(lxgit, "it~1")


def test_an_archive_of_an_old_docker(lxgit: Lxgit, scratch: Path) -> None:
    layers = [LOWER, UPPER, LOWER]
    config = config_of(layers, created="2013-06-01T00:00:00Z")
    there = docker_archive(scratch / "old.tar", "localhost/team/old:2013", config, layers)
    assert lxgit("load", "-i", there).lines == ["Loaded image: team/old:2013"]
    layout = Layout(scratch / "layout")
    lxgit("load", "-i", layout.index(named(layout.manifest(layers), "new")))
    assert files(lxgit, "new") == files(lxgit, "team/old/2013")


def test_names_that_would_be_read_as_refs_keep_their_hosts(
    grown: Lxgit, other: Lxgit, scratch: Path
) -> None:
    """One of them was in the way of the whole archive."""
    layout = Layout(scratch / "layout")
    names = ("heads/bb", "quay.io:443/tags:v1", "localhost/refs/x", "heads", "plain")
    images = [named(layout.manifest([LOWER], author=name), name) for name in names]
    loaded = other("load", "-i", layout.index(*images)).lines
    local = ("docker.io/heads/bb:latest", "quay.io/tags:v1", "localhost/refs/x:latest")
    assert loaded == [f"Loaded image: {one}" for one in (*local, "heads:latest", "plain:latest")]
    other("save", *local, "-o", scratch / "saved")
    assert grown("load", "-i", scratch / "saved").lines == [f"Loaded image: {one}" for one in local]


def test_umocis_own(lxgit: Lxgit, scratch: Path) -> None:
    layout = scratch / "layout"
    image = f"{layout}:made"
    added = scratch / "added"
    added.mkdir()
    (added / "file").write_text("by umoci\n")
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", image)
    run("umoci", "insert", "--image", image, added, "/srv")
    run("umoci", "config", "--image", image, "--config.cmd", "/bin/true", "--config.user", "7")
    lxgit("load", "-i", layout)
    assert lxgit("show", "made:/srv/file").out == "by umoci\n"
    assert lxgit("inspect", "made").json[0]["Config"]["Cmd"] == ["/bin/true"]


HISTORY = [
    {"created": "2024-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:1 in / "},
    {
        "created": "2024-01-01T00:00:01Z",
        "created_by": '/bin/sh -c #(nop)  CMD ["bash"]',
        "empty_layer": True,
    },
    {
        "created": "2024-02-02T02:02:02+02:00",
        "created_by": "ENV A=b c=d e",
        "comment": "buildkit.dockerfile.v0",
        "empty_layer": True,
    },
    {
        "created_by": "RUN /bin/sh -c make # buildkit",
        "comment": "buildkit.dockerfile.v0",
        "author": "Ada <ada@example.org>",
    },
]


def test_each_entry_of_the_history_is_a_commit(lxgit: Lxgit, scratch: Path) -> None:
    layout = Layout(scratch / "layout")
    config = {"Cmd": ["bash"], "Env": ["PATH=/bin", "A=b", "c=d e"], "User": "7"}
    whole = layout.manifest([LOWER, UPPER], history=HISTORY, config=config)
    base = layout.manifest([LOWER], history=HISTORY[:1], config={"Env": ["PATH=/bin"]})
    lxgit("load", "-i", layout.index(named(whole, "it"), named(base, "base")))
    git = StockGit(lxgit.store / "git")
    form = "--format=%s|%an|%ct|%(trailers:key=Layer,valueonly)"
    lines = [line for line in git.word("log", form, "it").splitlines() if line]
    ids = config_of([LOWER, UPPER])["rootfs"]["diff_ids"]
    assert lines == [
        f"RUN make|Ada|1706832122|{ids[1]}",
        "ENV A=b c=d e|lxgit|1706832122|",
        'CMD ["bash"]|lxgit|1704067201|',
        f"ADD file:1 in /|lxgit|1704067200|{ids[0]}",
    ]
    wishes = [lxgit("inspect", f"it~{back}").json[0]["Config"] for back in range(4)]
    said = {key: value for key, value in wishes[0].items() if value}
    assert said == {"Cmd": ["bash"], "Env": ["PATH=/bin", "A=b", "c=d e"], "User": "7"}
    assert wishes[1]["Env"][1:] == ["A=b", "c=d e"]
    assert wishes[2]["Cmd"] == ["bash"]
    assert "Cmd" not in wishes[3]
    assert files(lxgit, "it~3") == files(lxgit, "base")


RECIPE = b"""
FROM scratch
ENV A=b
ENV C="d e" F="$A g"
LABEL one="two three"
EXPOSE 80 90/udp
VOLUME /v /w
WORKDIR /srv
USER 7
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo", "hi there"]
STOPSIGNAL SIGINT
"""


def test_what_was_built_is_loaded_as_it_was_step_by_step(grown: Lxgit, other: Lxgit) -> None:
    grown("build", "-q", "-t", "made", "-", stdin=RECIPE)
    other("load", stdin=grown("save", "made").stdout)
    steps = len(grown("log", "--oneline", "made").lines)
    assert len(other("log", "--oneline", "made").lines) == steps == 11
    for back in range(steps):
        wishes = [lxgit("inspect", f"made~{back}").json[0]["Config"] for lxgit in (grown, other)]
        assert wishes[0] == wishes[1]


def test_layers_compressed_by_zstd(lxgit: Lxgit, scratch: Path) -> None:
    layout = Layout(scratch / "layout")
    packed = [
        subprocess.run(["zstd", "-c"], input=layer, check=True, capture_output=True).stdout
        for layer in (LOWER, UPPER)
    ]
    described = [layout.blob(data, f"{LAYER}+zstd") for data in packed]
    config = layout.json(config_of([LOWER, UPPER]), CONFIG)
    place = layout.index(named(layout.manifest_of(config, described), "it"))
    assert lxgit("load", "-i", place).lines == ["Loaded image: it:latest"]
    assert lxgit("show", "it:/usr/lib/more").out == "more"


def test_no_archive_comes_from_a_terminal(based: Lxgit) -> None:
    with based.terminal("load") as terminal:
        terminal.expect_exact("lxgit: standard input is a terminal")
        terminal.expect_exact("hint: lxgit load -i FILE")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-i", "nowhere.tar"), "there is no 'nowhere.tar' to load"),
        ((), "the archive is damaged or cut short"),
        (("--max-size", "x"), "--max-size"),
        (("--platform", "x"), "'x' is no platform"),
    ],
)
def test_what_cannot_be_loaded(based: Lxgit, arguments: tuple[str, ...], said: str) -> None:
    result = based("load", *arguments, code=None)
    assert result.code in (1, 2)
    assert said in result.err


def test_another_machines_image_is_not_taken_for_that(based: Lxgit, scratch: Path) -> None:
    based("save", "base", "-o", scratch / "base.tar")
    arguments = ("load", "-i", scratch / "base.tar", "--platform")
    refused = based(*arguments, "linux/s390x", "other", code=1)
    there = f"linux/{architecture_name(os.uname().machine)}"
    assert refused.err.splitlines() == [
        "lxgit: there is no image for linux/s390x",
        f"hint: this one is for {there}",
    ]
    based(*arguments, there, "other")


def test_a_root_file_system_is_no_image(based: Lxgit) -> None:
    result = based("load", stdin=based("export", "base").stdout, code=1)
    assert result.err.splitlines() == [
        "lxgit: there is no image: neither 'index.json' nor 'manifest.json' is there",
        "hint: 'lxgit import' takes a root file system",
    ]


def test_what_came_is_told(grown: Lxgit, other: Lxgit) -> None:
    other("load", stdin=grown("save", "base").stdout)
    (event,) = other("events", "--since", "1h", "--until", "0s").lines
    assert " image load " in event
    assert event.endswith("(name=base:latest)")


def test_what_is_odd_about_an_image_is_told(lxgit: Lxgit, scratch: Path) -> None:
    layout = Layout(scratch / "layout")
    odd = layout.manifest([LOWER], history=HISTORY, architecture="s390x")
    result = lxgit("load", "-i", layout.index(named(odd, "odd")))
    assert [line.partition("warning: ")[2] for line in result.err.splitlines()] == [
        "the image's history does not match its layers, and is left out",
        f"the image is for s390x, and this is {architecture_name(os.uname().machine)}",
    ]
    assert len(lxgit("log", "--oneline", "odd").lines) == 1
