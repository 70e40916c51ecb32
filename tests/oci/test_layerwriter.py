"""The layer between two images, as other readers of tar see it."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from lxgit.oci.layerwriter import Layer, NotForOCI, write_layer
from lxgit.operations.exporting import export_image
from lxgit.operations.importing import import_image
from lxgit.progress import NullProgress
from lxgit.repository import create_repository
from tests.oci.conftest import Images
from tests.support.builder import MTIME, Attributes, Builder
from tests.support.stores import WHO, Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.image import Image

pytestmark = pytest.mark.root


@pytest.fixture
def before(scratch: Path) -> Path:
    """A root filesystem with every kind of thing that can change."""
    root = scratch / "before"
    root.mkdir()
    builder = Builder(os.fsencode(root))
    builder.directory(b"", Attributes(mode=0o755))
    builder.directory(b"tmp", Attributes(mode=0o1777))
    builder.directory(b"etc", Attributes(mode=0o750, uid=5, gid=6))
    builder.directory(b"etc/deep")
    builder.file(b"etc/deep/hosts", b"one")
    builder.file(b"etc/deep/other", b"stays")
    builder.file(b"etc/deep/gone")
    builder.file(b"tmp/.x")
    builder.directory(b"gone")
    builder.directory(b"gone/below")
    builder.file(b"gone/below/file")
    builder.directory(b"turns")
    builder.file(b"turns/file")
    builder.file(b"swells")
    for name in (b"a", b"b", b"etc/c"):
        builder.file(name, b"linked") if name == b"a" else builder.link(name, b"a")
    builder.finish()
    return root


class Pair:
    """An image, another that was made of it, and the layer between the two."""

    def __init__(self, images: Images, before: Path, script: str) -> None:
        self.images = images
        after = before.with_name("after")
        subprocess.run(["cp", "-a", before, after], check=True)
        subprocess.run(["sh", "-ec", script], cwd=after, check=True)
        self.parent, self.child = images.of(before), images.of(after)
        self.archive = before.with_name("layer.tar.gz")

    def write(self) -> Layer:
        return written(self.images, self.parent, self.child, self.archive)

    def members(self) -> dict[str, tarfile.TarInfo]:
        self.write()
        with tarfile.open(self.archive) as archive:
            return {member.name: member for member in archive}


def written(images: Images, parent: Image | None, child: Image, path: Path) -> Layer:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        return write_layer(images.repository.objects, parent, child, fd, NullProgress())
    finally:
        os.close(fd)


def test_the_first_layer_is_the_export(images: Images, before: Path, scratch: Path) -> None:
    import_image(images.repository, before, "base", identity=WHO, progress=Listener())
    exported, packed = scratch / "exported.tar", scratch / "layer.tar.gz"
    with exported.open("wb") as file:
        export_image(images.repository, "base", file, progress=Listener())
    layer = written(images, None, images.of(before), packed)
    assert gzip.decompress(packed.read_bytes()) == exported.read_bytes()
    assert layer == (digest(exported), digest(packed), packed.stat().st_size)


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_what_changed_with_what_leads_to_it(images: Images, before: Path) -> None:
    script = """
        printf two >etc/deep/hosts
        printf new >etc/deep/'!first'
        rm etc/deep/gone tmp/.x
        touch -d @1600000000.000000007 etc/deep/hosts
    """
    members = Pair(images, before, script).members()
    assert list(members) == [
        *(".", "./etc", "./etc/deep", "./etc/deep/.wh.gone", "./etc/deep/!first"),
        *("./etc/deep/hosts", "./tmp", "./tmp/.wh..x"),
    ]
    etc = members["./etc"]
    assert (etc.mode, etc.uid, etc.gid) == (0o750, 5, 6)
    assert members["./tmp"].mode == 0o1777
    assert etc.pax_headers["mtime"] == "1700000000.123456789" == f"{MTIME / 10**9:.0f}.123456789"
    assert members["./etc/deep/hosts"].pax_headers["mtime"] == "1600000000.000000007"
    whiteout = members["./etc/deep/.wh.gone"]
    assert (whiteout.type, whiteout.size, whiteout.mtime) == (tarfile.REGTYPE, 0, 0)


def test_what_was_a_directory_and_what_becomes_one(images: Images, before: Path) -> None:
    """A name is removed once, with all below; what takes its place needs no whiteout."""
    script = "rm -r gone turns swells; echo a file >turns; mkdir swells; echo in >swells/it"
    members = Pair(images, before, script).members()
    assert list(members) == [".", "./.wh.gone", "./swells", "./swells/it", "./turns"]
    assert members["./swells"].isdir()
    assert members["./turns"].isreg()


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("rm b", {"./.wh.b": "", "./a": "", "./etc/c": "./a"}),
        ("echo more >>b", {"./a": "", "./b": "./a", "./etc/c": "./a"}),
        ("ln a etc/d", {"./a": "", "./b": "./a", "./etc/c": "./a", "./etc/d": "./a"}),
        ("rm a etc/c", {"./.wh.a": "", "./b": "", "./etc/.wh.c": ""}),
        ("cp -a --remove-destination b x; mv x b", {"./a": "", "./b": "", "./etc/c": "./a"}),
    ],
)
def test_links_come_together(
    images: Images, before: Path, script: str, names: dict[str, str]
) -> None:
    members = Pair(images, before, script).members()
    assert {
        name: member.linkname for name, member in members.items() if not member.isdir()
    } == names


def test_the_same_trees_give_the_same_bytes(images: Images, before: Path, scratch: Path) -> None:
    """In whatever order they came into being, in any store."""
    pair = Pair(images, before, "rm -r gone; echo a >etc/deep/z; echo b >etc/deep/y; rm b; ln a b")
    first = pair.write()
    repository = create_repository(scratch / "other")
    other = Images(repository)
    child = other.of(before.with_name("after"))
    assert written(other, other.of(before), child, scratch / "other.tar.gz") == first
    assert (scratch / "other.tar.gz").read_bytes() == pair.archive.read_bytes()
    repository.objects.close()


@pytest.mark.parametrize("script", ["touch etc/.wh.x", "mkdir .wh..wh..opq", "ln a .wh.a"])
def test_names_that_mean_a_removal_are_refused(images: Images, before: Path, script: str) -> None:
    pair = Pair(images, before, script)
    for parent in (None, pair.parent):
        with pytest.raises(NotForOCI, match=r"'/(etc/)?\.wh\..*' cannot be in an image of OCI"):
            written(images, parent, pair.child, pair.archive)


def test_what_cannot_be_kept_may_be_removed(images: Images, before: Path) -> None:
    (before / "tmp/.wh.x").touch()
    assert "./tmp/.wh..wh.x" in Pair(images, before, "rm tmp/.wh.x").members()
