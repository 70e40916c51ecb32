"""ps and images: which, with what, and how."""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from lxgit.cli.imagesview import write_dot
from lxgit.cli.output import Output
from lxgit.operations.imagegraph import Node
from tests.conftest import unable
from tests.support import machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


@pytest.fixture
def three(based: Lxgit) -> Iterator[Lxgit]:
    """A store with the containers `one` (exit 3, of `base`), `two` (of `next`) and `web`, up."""
    based(
        "run",
        "--network",
        "none",
        "--name",
        "one",
        "--label",
        "a=1",
        "base",
        "sh",
        "-c",
        "echo 12345 >/x; exit 3",
        code=3,
    )
    based("commit", "-m", "Next", "one", "next")
    based(
        "run",
        "--network",
        "none",
        "--name",
        "two",
        "--label",
        "a=2",
        "--label",
        "b",
        "next",
        "true",
    )
    based("run", "-d", "--network", "none", "--name", "web", "base", "sleep", "1000")
    yield based
    based("rm", "-f", "web")


def names(lxgit: Lxgit, *words: str) -> list[str]:
    return lxgit("ps", "--format", "{{.Names}}", *words).lines


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_which_containers(three: Lxgit) -> None:
    assert names(three) == ["web"]
    assert names(three, "-a") == ["web", "two", "one"]
    assert names(three, "-l") == ["web"]
    assert names(three, "-n", "2") == ["web", "two"]
    identity = three("ps", "-aq", "--no-trunc").lines[1]
    for words, found in [
        (["name=o$"], ["two"]),
        (["name=one", "name=two"], ["two", "one"]),
        ([f"id={identity[:8]}"], ["two"]),
        (["label=a"], ["two", "one"]),
        (["label=a=2"], ["two"]),
        (["label=a", "label=b"], ["two"]),
        (["label=c"], []),
        (["status=running"], ["web"]),
        (["status=exited"], ["two", "one"]),
        (["exited=3"], ["one"]),
        (["ancestor=base"], ["web", "two", "one"]),
        (["ancestor=next"], ["two", "one"]),
        (["before=two"], ["one"]),
        (["since=one"], ["web", "two"]),
        (["network=none"], ["web", "two", "one"]),
        (["network=host"], []),
        (["volume=/data"], []),
        (["label=a", "status=exited", "before=two"], ["one"]),
    ]:
        filters = [word for text in words for word in ("--filter", text)]
        assert names(three, "-a", *filters) == found, words
    assert names(three, "--filter", "exited=3") == ["one"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "'nonsense' is no filter"),
        ("colour=red", "'colour=red' is no filter"),
        ("status=up", "there is no status 'up'"),
        ("exited=x", "'x' is no exit code"),
        ("name=[", "'[' is no pattern: unterminated character set at position 0"),
    ],
)
def test_filters_that_are_none(based: Lxgit, text: str, message: str) -> None:
    told = based("ps", "--filter", text, code=2).err
    assert told.startswith(f"lxgit: {message}\nhint: ")
    assert based("ps", "-n", "0", code=2).err.startswith("lxgit: -n 0 shows none")
    assert based("ps", "--filter", "before=none", code=1).err.startswith("lxgit: no container")


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_what_ps_tells(three: Lxgit) -> None:
    lines = three("ps", "-as").lines
    assert lines[0].split()[-1] == "SIZE"
    assert re.fullmatch(r"\S+ +next:latest .*Exit 0 .* two +0 B \(virtual [0-9.]+ MB\)", lines[2])
    three("start", "-a", "one", code=3)
    (row,) = three("ps", "-as", "--filter", "name=one", "--format", "json").json
    assert (row["size"], row["labels"], row["networks"]) == (6, {"a": "1"}, ["none"])
    assert row["virtual_size"] > 1_000_000
    told = three("ps", "-a", "--filter", "name=two", "--format", "{{json .}}").out
    fields = json.loads(told)
    assert (fields["Names"], fields["State"], fields["Labels"]) == ("two", "exited", "a=2,b=")
    assert fields["Size"].startswith("0 B (virtual ")
    assert three("ps", "-a", "--format", r'table {{.Names}}\t{{.Label "a"}}').lines == [
        "NAMES               LABEL",
        "web",
        "two                 2",
        "one                 1",
    ]
    assert three("ps", "--format", "{{.Size}}").out.startswith("0 B (virtual ")


def test_faults_of_templates(based: Lxgit) -> None:
    told = based("ps", "--format", "table {{.Name}}", code=2).err
    assert told.startswith("lxgit: --format, column 9: there is no '.Name'\nhint: there are ID,")
    assert based("images", "--format", "{{.ID", code=2).err.startswith("lxgit: --format, column 6")


def test_which_images(grown: Lxgit) -> None:
    grown("tag", "base:v1", "base")
    form = ("--format", "{{.Repository}}:{{.Tag}}")
    assert grown("images", *form).lines == ["tuned:latest", "base:latest", "base:v1"]
    for text, found in [
        ("reference=b*", ["base:latest", "base:v1"]),
        ("reference=*:v1", ["base:v1"]),
        ("before=tuned", ["base:latest", "base:v1"]),
        ("since=base", ["tuned:latest"]),
        ("label=x", []),
        ("dangling=true", []),
        ("dangling=false", ["tuned:latest", "base:latest", "base:v1"]),
    ]:
        assert grown("images", "--filter", text, *form).lines == found, text
    for name, found in [
        ("base", ["base:latest", "base:v1"]),
        ("base:v1", ["base:v1"]),
        ("t*", ["tuned:latest"]),
        ("none", []),
    ]:
        assert grown("images", name, *form).lines == found, name
    grown("tag", "-d", "base/v1")
    grown("branch", "-D", "base")
    assert grown("images", "-a", *form).lines == ["tuned:latest", "<none>:<none>"]
    assert grown("images", "-a").lines[2].split()[:2] == ["<none>", "<none>"]
    assert grown("images", "--filter", "dangling=x", code=2).err.startswith("lxgit: dangling is")
    size = grown("images", "--format", "{{.Size}}").lines[0]
    assert re.fullmatch(r"[0-9.]+ MB", size)
    for whole in ("{{json .}}", "{{with $}}{{json $}}{{end}}", "{{json (.)}}"):
        assert grown("images", "--format", whole).json["Size"] == size
    assert grown("images", "--format", "{{.Tag}}. $").out == "latest. $\n"


@pytest.mark.root
def test_dangling_is_what_a_reflog_alone_keeps(grown: Lxgit, git: StockGit) -> None:
    """Not what a branch, a tag or a container comes from, nor what such an image comes from."""

    def dangling(*options: str) -> list[str]:
        return grown("images", *options, "-q", "--no-trunc", "-f", "dangling=true").lines

    git("update-ref", "--create-reflog", "refs/heads/tip", "tuned")
    first = git.word("commit-tree", "-p", "tuned", "-m", "first", "tuned^{tree}")
    second = git.word("commit-tree", "-p", first, "-m", "second", "tuned^{tree}")
    grown("branch", "old", second)
    assert dangling() == dangling("-a") == []
    grown("create", "--name", "web", first)
    grown("branch", "-D", "old")
    assert dangling() == dangling("-a") == [second]
    grown("rm", "web")
    assert dangling() == [second]
    told = grown("rmi", second, code=1)
    assert told.err.endswith("in time what none reaches, 'lxgit gc --now' at once\n")
    grown("gc", "--now")
    assert dangling() == []


def test_images_are_counted_in_one_way(grown: Lxgit) -> None:
    """One that has two names is one."""
    grown("tag", "base:v1", "base")
    assert len(grown("images", "-q").lines) == 3
    assert len(set(grown("images", "-q").lines)) == 2
    assert grown("info", "-f", "{{.Images}}").out == "2\n"
    assert grown("system", "df").lines[1].split()[:2] == ["Images", "2"]


def merged(grown: Lxgit, git: StockGit) -> list[str]:
    """The ids of a root, two children of it, and a merge of those, on a branch `merged`."""
    base, tuned = git.word("rev-parse", "base"), git.word("rev-parse", "tuned")
    grown("checkout", "-q", "-b", "other", "base")
    tree = git.word("rev-parse", "base^{tree}")
    side = git.word("commit-tree", tree, "-p", base, "-m", "Aside")
    merge = git.word("commit-tree", f"{tuned}^{{tree}}", "-p", tuned, "-p", side, "-m", "Merge")
    git("update-ref", "refs/heads/merged", merge)
    git("update-ref", "refs/tags/merged/v1", merge)
    return [base, tuned, side, merge]


def test_the_tree_of_images(grown: Lxgit, git: StockGit) -> None:
    base, tuned, side, merge = merged(grown, git)
    lines = grown("images", "--tree").lines
    assert lines[0].startswith(f"└─{base[:12]} Virtual Size: ")
    assert lines[0].endswith(" MB Tags: base:latest, other:latest")
    text = "\n".join(lines)
    assert re.search(rf"[├└]─{tuned[:12]} Virtual Size: \S+ MB Tags: tuned:latest\n", text)
    assert re.search(rf"  (│ )?[ ]*└─{merge[:12]} .* Tags: merged:latest, merged:v1", text)
    assert re.search(rf"[├└]─{side[:12]} Virtual Size: \S+ MB(\n|$)", text)
    assert grown("images", "--tree", "--no-trunc").lines[0].startswith(f"└─{base} ")


def drawn(dot: bytes) -> ET.Element:
    """What Graphviz makes of it."""
    if reason := machine.lacks_program("dot"):
        unable(reason)
    done = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, check=True)
    assert not done.stderr
    return ET.fromstring(done.stdout)


def titles(svg: ET.Element, kind: str) -> set[str]:
    space = "{http://www.w3.org/2000/svg}"
    groups = [group for group in svg.iter(f"{space}g") if group.get("class") == kind]
    return {group.findtext(f"{space}title") or "" for group in groups}


def test_the_picture_of_images(grown: Lxgit, git: StockGit) -> None:
    base, tuned, side, merge = merged(grown, git)
    svg = drawn(grown("images", "--viz").stdout)
    assert titles(svg, "node") == {"base", base, tuned, side, merge}
    assert titles(svg, "edge") >= {
        f"{base}->{tuned}", f"{base}->{side}", f"{tuned}->{merge}", f"{side}->{merge}"
    }  # fmt: skip
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"merged:latest", "merged:v1", "tuned:latest", merge[:12]} <= texts


def test_names_in_the_picture_are_quoted() -> None:
    hostile = ['"];x->y["', "a\\", "<b>", "&lt;", "\\N", "\x1b[2J", "\udcff", "{a|b}", "n\nm"]
    reader, writer = os.pipe()
    out = Output(writer)
    write_dot(out, [Node("1" * 40, (), tuple(hostile))])
    out.flush()
    os.close(writer)
    with open(reader, "rb") as file:
        svg = drawn(file.read())
    assert titles(svg, "node") == {"base", "1" * 40}
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {'"];x->y["', "a\\", "<b>", "&lt;", "\\N", "\\x1b[2J", "\\xff", "{a|b}"} <= texts


def test_without_a_store(lxgit: Lxgit) -> None:
    assert lxgit("images", "--viz").lines == ["digraph lxgit {", " base [style=invisible]", "}"]
    assert lxgit("images", "--tree").out == ""
    assert len(lxgit("ps", "-s").lines) == len(lxgit("images", "-a").lines) == 1
    assert lxgit("ps", "--format", "{{.ID}}").out == ""
