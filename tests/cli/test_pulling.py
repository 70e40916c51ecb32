"""pull, from a real registry on loopback."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import files
from tests.support.archives import Archive
from tests.support.layouts import CONFIG, Described, Layout, config_of, named
from tests.support.program import Lxgit
from tests.support.registry import PASSWORD, USER, Registry
from tests.support.stockgit import StockGit
from tests.support.stores import copied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.ordinary import OrdinaryUser

pytestmark = pytest.mark.root


def history(lxgit: Lxgit) -> str:
    """Who did what, and when."""
    return StockGit(lxgit.store / "git").word("log", "--format=%s %an <%ae> %ct", "tuned")


def fetched(registry: Registry, path: str) -> list[int]:
    """How often each layer of an image has been got, the lowest first."""
    asked = [path.rpartition(":")[2] for method, path in registry.asked() if method == "GET"]
    return [asked.count(layer) for layer in layers_of(registry, path)]


def test_what_is_pulled_is_what_was_pushed(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/tuned"
    (pinned,) = grown("push", name).lines
    digest = pinned.partition("sha256:")[2]
    result = other("pull", name)
    said = result.err.splitlines()
    assert said[:3] == [
        f"Pulling repository tuned from {open_registry.host}",
        f"Pulling image {digest} (latest) from tuned",
        f"Pulling {digest} metadata",
    ]
    assert [line.split()[2:] for line in said[3:]] == [["fs", "layer"]] * 2
    assert result.lines == [other("rev-parse", "tuned").out[:12]]
    for back in ("", "~1"):
        assert files(other, f"tuned{back}") == files(grown, f"tuned{back}")
    configs = [lxgit("inspect", "tuned").json[0]["Config"] for lxgit in (grown, other)]
    assert configs[0] == configs[1]
    log = [history(lxgit) for lxgit in (grown, other)]
    assert log[0] == log[1]
    assert other("fsck").lines == ["No faults found."]
    assert other("run", "--rm", "tuned", "cat", "/etc/motd").lines[-1] == "It is tuned."


def test_what_is_here_is_not_fetched_again(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    for image in ("base", "tuned"):
        grown("push", "-q", image, f"{open_registry.host}/{image}")
    first = other("pull", "-q", f"{open_registry.host}/base")
    assert (first.err, fetched(open_registry, "base")) == ("", [1])
    again = other("pull", f"{open_registry.host}/base")
    assert again.out == first.out
    assert again.err.splitlines()[3:] == [
        f"{layers_of(open_registry, 'base')[0]} is here already",
        "lxgit: 'base' is up to date",
    ]
    other("pull", "-q", f"{open_registry.host}/tuned")
    assert fetched(open_registry, "tuned") == [1, 1]
    assert files(other, "tuned") == files(grown, "tuned")


def layers_of(registry: Registry, path: str) -> list[str]:
    """The digits of an image's layers, as skopeo tells."""
    name = f"docker://{registry.host}/{path}"
    said = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", name], check=True, capture_output=True
    )
    return [layer.partition(":")[2] for layer in json.loads(said.stdout)["Layers"]]


def test_the_same_image_is_the_same_commits_in_each_store(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    grown("push", "-q", "tuned", f"{open_registry.host}/tuned")
    third = replace(other, store=other.store.with_name("third"))
    ids = {lxgit("pull", "-q", f"{open_registry.host}/tuned").out for lxgit in (other, third)}
    assert len(ids) == 1
    other("push", "-q", "tuned", f"{open_registry.host}/again")
    assert {other("pull", "-q", f"{open_registry.host}/again").out} == ids


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("HOST/team/base",), "team/base"),
        (("HOST/team/base:v1",), "team/base:v1"),
        (("-t", "v1", "HOST/team/base"), "team/base:v1"),
        (("--registry", "HOST", "team/base"), "team/base"),
        (("HOST/team/base", "mine"), "mine"),
        (("HOST/team/base", "mine:v2"), "mine:v2"),
        (("HOST/team/base:v1", "mine:latest"), "mine"),
    ],
)
def test_names(
    grown: Lxgit, other: Lxgit, open_registry: Registry, arguments: tuple[str, ...], name: str
) -> None:
    for tag in ("latest", "v1"):
        grown("push", "-q", "base", f"{open_registry.host}/team/base:{tag}")
    (oid,) = other("pull", *(word.replace("HOST", open_registry.host) for word in arguments)).lines
    image, _, tag = name.partition(":")
    rows = [line.split()[:3] for line in other("images").lines[1:]]
    assert rows == [[image, tag or "latest", oid]]


def test_what_would_be_read_as_a_ref_keeps_its_host(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/tags/base"
    grown("push", "-q", "base", name)
    recipe = f"FROM {name}\nENV A=b\n".encode()
    first = other("build", "-q", "-", stdin=recipe)
    (listed,) = other("images").lines[1:]
    assert listed.split()[:2] == ["127.0.0.1/tags/base", "latest"]
    assert other("build", "-q", "-", stdin=recipe).out == first.out
    pulled = other("pull", name)
    assert pulled.out.strip() == other("rev-parse", "--short", "127.0.0.1/tags/base").out.strip()
    other("tag", "mine", "127.0.0.1/tags/base")
    assert other("push", "-q", name).out == other("push", "-q", "mine", name).out


def test_by_digest(grown: Lxgit, other: Lxgit, open_registry: Registry) -> None:
    (pinned,) = grown("push", "-q", "base", f"{open_registry.host}/base").lines
    other("pull", pinned)
    digits = pinned.partition("sha256:")[2]
    assert other("images").lines[1].split()[:2] == ["base", f"sha256-{digits[:12]}"]


def test_a_name_moves_on_until_somebody_commits(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    name = f"{open_registry.host}/machine"
    grown("push", "-q", "tuned", name)
    first = other("pull", "-q", name).out
    grown("push", "-q", "base", name)
    second = other("pull", "-q", name).out
    assert first != second
    container = other("create", "machine", "true").out.strip()
    other("cp", "-", f"{container}:/", stdin=bytes(1024), code=None)
    other("commit", "--allow-empty", "-m", "Mine", container)
    grown("push", "-q", "tuned", name)
    refused = other("pull", "-q", name, code=1)
    assert refused.err.startswith("lxgit: 'machine' has commits that the new image does not")
    assert other("pull", "-q", "--force", name).out == first
    assert other("reflog", "machine").lines[0].split(maxsplit=2)[2].startswith("pull: ")
    other("rm", container)


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (("HOST/nowhere",), "HOST' has no such image", "'lxgit search WORD'"),
        (("HOST/base:v9",), "HOST' has no such image", "'lxgit search WORD'"),
        (("HOST/Base",), "HOST/Base' names no image in a registry", "[HOST[:PORT]/]PATH"),
        (("127.0.0.1:1/x",), "'127.0.0.1:1' cannot be reached", "see that the network"),
        (("[::1]:5000/x",), "skopeo takes no address like '[::1]:5000'", "a name that has it"),
        (("debian",), "'docker.io' cannot be reached", "see that the network"),
        (("HOST/base", "a..b"), "'a..b'", ""),
        (("HOST/base", "--platform", "vax"), "'vax' is no platform", "linux/amd64"),
        (("HOST/base", "--platform", "linux/s390x"), "there is no image for linux/s390x", "for li"),
        (("HOST/base", "--max-size", "1k"), "it unpacks to more than", "--max-size"),
        (("-t", "v1", "HOST/base:v1"), "has a tag already", "leave out -t"),
    ],
)
def test_what_cannot_be_pulled(
    grown: Lxgit,
    other: Lxgit,
    open_registry: Registry,
    arguments: tuple[str, ...],
    said: str,
    hint: str,
) -> None:
    grown("push", "-q", "base", f"{open_registry.host}/base")
    words = [word.replace("HOST", open_registry.host) for word in arguments]
    result = other("pull", "-q", *words, code=None)
    assert result.code in (1, 2)
    fault, *hints = result.err.splitlines()
    assert said.replace("HOST", open_registry.host) in fault
    assert len(hints) <= 1
    assert hint in "".join(hints)
    if other.store.exists():
        nothing_is_left(other)


def nothing_is_left(lxgit: Lxgit) -> None:
    assert not list((lxgit.store / "tmp").iterdir())
    assert not list((lxgit.store / "git/objects/pack").iterdir())
    assert not lxgit("images", "-q").lines


def test_a_registry_that_gives_other_bytes(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    """Whatever it is: the config, or a layer."""
    grown("push", "-q", "base", f"{open_registry.host}/base")
    for data in sorted(open_registry.log.parent.glob("data/docker/registry/v2/blobs/*/*/*/data")):
        kept = data.read_bytes()
        data.write_bytes(kept[:-9] + bytes(9))
        result = other("pull", "-q", f"{open_registry.host}/base", code=1)
        assert result.err.count("\n") <= 2, result.err
        nothing_is_left(other)
        data.write_bytes(kept)
    other("pull", "-q", f"{open_registry.host}/base")


def test_a_layer_without_compression(lxgit: Lxgit, open_registry: Registry, scratch: Path) -> None:
    layout = Layout(scratch / "layout")
    tars = [Archive().add(name, content=name.encode() * 9999).raw() for name in ("one", "two")]
    packed = [layout.layer(tar, compressed=False) for tar in tars]
    config = layout.json(config_of(tars), CONFIG)
    place = layout.index(named(layout.manifest_of(config, packed), "it"))
    name = f"{open_registry.host}/plain"
    copy = ["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"]
    subprocess.run([*copy, f"oci:{place}:it", f"docker://{name}"], check=True)
    lxgit("pull", "-q", name)
    assert lxgit("show", "plain:/two").out == "two" * 9999


def test_a_password_is_wanted(based: Lxgit, private_registry: Registry) -> None:
    keys = {"REGISTRY_AUTH_FILE": str(based.home / "auth.json")}
    name = f"{private_registry.host}/base"
    based("login", "-u", USER, "-p", PASSWORD, private_registry.host, env=keys)
    based("push", "-q", name, env=keys)
    refused = based("pull", name, "mine", code=1)
    assert refused.err.endswith(f"hint: 'lxgit login {private_registry.host}' says who you are\n")
    based("pull", name, "mine", env=keys)


@pytest.mark.overlay
@pytest.mark.lxc
def test_an_ordinary_user_pulls_too(
    lxgit_of: OrdinaryUser, grown_store: Path, scratch: Path, open_registry: Registry
) -> None:
    """As the first command of all, and once more where the store has containers."""
    pusher = Lxgit(copied(grown_store, scratch / "pushed"), scratch)
    for image in ("base", "tuned"):
        pusher("push", "-q", image, f"{open_registry.host}/{image}")
    run = ("run", "--rm", "--network", "none")
    user = lxgit_of
    assert user(*run, f"{open_registry.host}/base", "echo", "hi", code=0).out == "hi\n"
    user("create", "base", "true", code=0)
    said = user(*run, f"{open_registry.host}/tuned", "cat", "/etc/motd", code=0)
    assert said.out.splitlines()[-1] == "It is tuned."
    again = user("pull", f"{open_registry.host}/tuned", code=0)
    assert again.err.endswith("lxgit: 'tuned' is up to date\n")
    assert user("fsck", code=0).out == "No faults found.\n"


def test_every_tag_is_pulled(
    grown: Lxgit, other: Lxgit, open_registry: Registry, scratch: Path
) -> None:
    place = f"{open_registry.host}/tuned"
    for image, tag in (("base", "v1"), ("tuned", "v2"), ("tuned", "latest")):
        grown("push", "-q", image, f"{place}:{tag}")
    layout = Layout(scratch / "layout")
    strange = layout.index(named(layout.manifest([], os="windows"), "it"))
    send = ("skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{strange}:it")
    subprocess.run([*send, f"docker://{place}:strange"], check=True)
    pulled = other("pull", "-q", "-a", place)
    assert sorted(pulled.lines) == sorted(
        other("rev-parse", name).out[:12] for name in ("tuned", "tuned:v1", "tuned:v2")
    )
    assert files(other, "tuned/v1") == files(grown, "base")
    assert "tuned:strange is left out: " in pulled.err
    for words in ([f"{place}:v1"], [place, "mine"], ["-t", "v1", place]):
        assert "have their own names" in other("pull", "-a", *words, code=2).err
    missing = other("pull", "-a", f"{open_registry.host}/nothing", code=1)
    assert f"'{open_registry.host}' has no such image" in missing.err


def sent(layout: Layout, manifest: Described, place: str) -> None:
    """Have a registry get what may be no image: as it is, whatever it is."""
    source = f"oci:{layout.index(named(manifest, 'it'))}:it"
    send = ("skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", source)
    subprocess.run([*send, f"docker://{place}"], check=True)


def test_tags_that_are_no_images_are_left_out(
    grown: Lxgit, other: Lxgit, open_registry: Registry, scratch: Path
) -> None:
    """As cosign and Helm write them beside images; `v9` is behind them."""
    place = f"{open_registry.host}/tuned"
    layout = Layout(scratch / "layout")
    signature = layout.blob(b"{}", "application/vnd.dev.cosign.simplesigning.v1+json")
    text = b"a chart, without a root file system"
    chart = layout.blob(text, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
    helm = layout.json({"name": "it"}, "application/vnd.cncf.helm.config.v1+json")
    sent(
        layout,
        layout.manifest_of(layout.json(config_of([text]), CONFIG), [signature]),
        f"{place}:s",
    )
    sent(layout, layout.manifest_of(helm, [chart]), f"{place}:chart")
    grown("push", "-q", "base", f"{place}:v9")
    pulled = other("pull", "-q", "-a", place)
    assert pulled.lines == [other("rev-parse", "tuned:v9").out[:12]]
    assert f"{place}:s is left out: a layer is 'application/vnd.dev.cosign" in pulled.err
    assert f"{place}:chart is left out: the image's config has no list" in pulled.err


def test_tags_that_cannot_have_their_names_fail_at_the_end(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    place = f"{open_registry.host}/tuned"
    for image, tag in (("base", "v1"), ("base", "v2.lock"), ("tuned", "v3")):
        grown("push", "-q", image, f"{place}:{tag}")
    other("pull", f"{place}:v3", "own")
    other("tag", "tuned:v1", "own")
    pulled = other("pull", "-q", "-a", place, code=1)
    assert pulled.lines == [other("rev-parse", "tuned:v3").out[:12]]
    assert f"{place}:v1 is left out: 'tuned:v1' has commits" in pulled.err
    assert f"{place}:v2.lock is left out: " in pulled.err
    assert "not every tag has come: 2 cannot have their names here" in pulled.err
    assert other("pull", "-q", f"{place}:v2.lock", "two").lines
    assert other("pull", "-q", "-f", f"{place}:v1").lines


def test_a_registry_that_changes_what_it_has_ends_it(
    grown: Lxgit, other: Lxgit, open_registry: Registry
) -> None:
    place = f"{open_registry.host}/tuned"
    grown("push", "-q", "base", f"{place}:v1")
    (config,) = (
        path
        for path in open_registry.log.parent.glob("data/docker/registry/v2/blobs/sha256/*/*/data")
        if path.read_bytes().startswith(b'{"') and b"diff_ids" in path.read_bytes()
    )
    config.write_bytes(config.read_bytes().replace(b"linux", b"minix"))
    pulled = other("pull", "-q", "-a", place, code=1)
    assert "left out" not in pulled.err
    assert "hint: see whether that is a registry" in pulled.err
