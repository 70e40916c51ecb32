"""COPY and ADD into images: what is taken, and where it goes."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from lxgit.build.copying import BadDestination
from lxgit.build.ignore import Ignore, Standing, ignoring
from lxgit.build.ownership import BadMode, NoSuchOwner, mode_change
from lxgit.build.sources import CircleOfLinks, Filtered, PathTooLong, TreeSource, resolved
from lxgit.build.taking import NotInSource
from lxgit.objects.acl import ACCESS
from lxgit.objects.scan import read_tree
from tests.build.kitchen import Kitchen, context
from tests.support.archives import SYMLINK, Archive, read
from tests.support.builder import acl
from tests.support.stores import Listener

if TYPE_CHECKING:
    from pathlib import Path

    from lxgit.objects.image import Image

pytestmark = pytest.mark.root


@pytest.fixture
def kitchen(scratch: Path) -> Kitchen:
    return Kitchen(scratch / "store")


@pytest.fixture
def root(scratch: Path) -> Path:
    """A context: `f`, `g`, and `d` with a file, a directory and links."""
    root = scratch / "context"
    (root / "d/e").mkdir(parents=True)
    (root / "f").write_text("f")
    (root / "g").write_text("g")
    (root / "d/a").write_text("a")
    (root / "d/e/b").write_text("b")
    (root / "d/l").symlink_to("a")
    (root / "d/e").chmod(0o711)
    (root / "f").chmod(0o640)
    os.chown(root / "f", 5, 6)
    return root


@pytest.fixture
def base(kitchen: Kitchen, scratch: Path) -> Image:
    """An image with users, `file`, `dir/old`, and a link `to` that leads to `dir`."""
    root = scratch / "base"
    (root / "dir").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "file").write_text("file")
    (root / "dir/old").write_text("old")
    (root / "to").symlink_to("/dir")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\njoe:x:7:8::/:/bin/sh\n")
    (root / "etc/group").write_text("grp:x:9:joe\n")
    return kitchen.of(root)


def made(
    kitchen: Kitchen, root: Path, base: Image, *words: str, **options: object
) -> dict[str, str]:
    """What COPY adds to an image, or changes of it."""
    *sources, to = words
    before = kitchen.shown(base)
    with context(root) as source:
        after = kitchen.shown(kitchen.copy(source, base, *sources, to=to, **options))  # type: ignore[arg-type]
    assert before.keys() - after.keys() == set()
    return {path: text for path, text in after.items() if before.get(path) != text}


DIRECTORY = "d 755 0:0"
CONTENTS = {
    "x": DIRECTORY,
    "x/a": "f 644 0:0 a",
    "x/e": "d 711 0:0",
    "x/e/b": "f 644 0:0 b",
    "x/l": "l 777 0:0 a",
}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("f /x", {"x": "f 640 0:0 f"}),
        ("f /x/", {"x": DIRECTORY, "x/f": "f 640 0:0 f"}),
        ("f x/y/z", {"x": DIRECTORY, "x/y": DIRECTORY, "x/y/z": "f 640 0:0 f"}),
        ("f /dir", {"dir/f": "f 640 0:0 f"}),
        ("f /to", {"dir/f": "f 640 0:0 f"}),
        ("f /to/old", {"dir/old": "f 640 0:0 f"}),
        ("f /file", {"file": "f 640 0:0 f"}),
        ("d /x", CONTENTS),
        ("d/ /x/", CONTENTS),
        ("./d/../d /x", CONTENTS),
        ("../d /x", CONTENTS),
        ("/d /x", CONTENTS),
        ("d/e d /x", {**CONTENTS, "x/b": "f 644 0:0 b"}),
        ("d/l /x", {"x": "f 644 0:0 a"}),
        ("[fg] /x/", {"x": DIRECTORY, "x/f": "f 640 0:0 f", "x/g": "f 644 0:0 g"}),
        ("d/*/b /x/", {"x": DIRECTORY, "x/b": "f 644 0:0 b"}),
        ("d/e /to", {"dir/b": "f 644 0:0 b"}),
    ],
)
def test_where_things_go(
    kitchen: Kitchen, root: Path, base: Image, words: str, found: dict[str, str]
) -> None:
    shown = made(kitchen, root, base, *words.split())
    shown = {path: text for path, text in shown.items() if path != "dir" or "dir" in found}
    assert shown == found


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("none /x", NotInSource),
        ("f g /x", BadDestination),
        ("f /file/x", BadDestination),
        ("d /file", BadDestination),
        ("circle /x", CircleOfLinks),
        ("out /x", NotInSource),
        ("up/passwd /x", NotInSource),
    ],
)
def test_what_is_refused(
    kitchen: Kitchen, root: Path, base: Image, words: str, error: type[Exception]
) -> None:
    (root / "circle").symlink_to("circle")
    (root / "out").symlink_to("/etc/passwd")
    (root / "up").symlink_to("../../../../../../../etc")
    with pytest.raises(error):
        made(kitchen, root, base, *words.split())


@pytest.mark.timeout(120)
def test_a_path_that_is_too_long(kitchen: Kitchen, root: Path, base: Image, scratch: Path) -> None:
    """From wherever it is copied, and wherever to."""
    endless = "a/" * 100_000 + "x"
    archive = TreeSource(read(scratch, Archive().add("f").add("l", SYMLINK, "f")))
    (root / "long").symlink_to("n" * 300)
    with context(root) as directory:
        for source in (directory, archive, kitchen.source(base)):
            for name in (endless, f"{endless}*", "l/../" * 100_000 + endless):
                with pytest.raises(PathTooLong, match=r"^.a/a/[a/]*.… is too long a path"):
                    kitchen.copy(source, base, name, to="/")
            for name in ("n" * 300, f"f/{'n' * 300}", f"{'n' * 300}/f", "long"):
                with pytest.raises(NotInSource):
                    kitchen.copy(source, base, name, to="/")
        for sources in (("f",), ("f", "g"), ("d",)):
            with pytest.raises(PathTooLong):
                kitchen.copy(directory, base, *sources, to=endless)
    fits = "a/" * 1900
    image = kitchen.copy(archive, base, "f", to=f"/{fits}x")
    assert kitchen.copy(kitchen.source(image), base, f"{fits}x", to="/y").entry(b"y") is not None


def test_a_deep_path_is_compared_with_rules_once(scratch: Path) -> None:
    """Not with all that is above it at each part at which a link might be."""
    asked = 0

    class Counted(Ignore):
        def below(self, above: Standing, name: bytes) -> Standing:
            nonlocal asked
            asked += 1
            return super().below(above, name)

    deep = b"d/" * 1900 + b"f"
    tree = TreeSource(read(scratch, Archive(tarfile.PAX_FORMAT).add(os.fsdecode(deep))))
    for rule, there in (("e", True), ("d/**/f", False), ("**/d/f", False), ("d/e", True)):
        asked = 0
        source = Filtered(tree, Counted(ignoring([rule])._rules))
        assert resolved(source, deep) == deep
        assert asked < 3 * 1900
        assert (source.find(deep) is not None) is there


def test_a_file_never_takes_the_place_of_a_directory(
    kitchen: Kitchen, root: Path, base: Image
) -> None:
    (root / "d/dir").write_text("x")
    with pytest.raises(BadDestination, match="'/dir' in the image is a directory"):
        made(kitchen, root, base, "d", "/")


def test_owners_and_modes(kitchen: Kitchen, root: Path, base: Image) -> None:
    def owned(text: str) -> str:
        return made(kitchen, root, base, "f", "/x", chown=text)["x"]

    assert owned("joe") == "f 640 7:8 f"
    assert owned("joe:grp") == "f 640 7:9 f"
    assert owned("11") == "f 640 11:11 f"
    assert owned("11:12") == "f 640 11:12 f"
    for text in ("ann", "joe:ann", "-1", str(1 << 33)):
        with pytest.raises(NoSuchOwner):
            owned(text)
    shown = made(kitchen, root, base, "d", "/x/y", chown="joe", chmod="u=rwX,go=")
    assert shown == {
        "x": "d 755 7:8",
        "x/y": "d 755 7:8",
        "x/y/a": "f 600 7:8 a",
        "x/y/e": "d 700 7:8",
        "x/y/e/b": "f 600 7:8 b",
        "x/y/l": "l 777 7:8 a",
    }


def test_a_mode_for_what_has_an_acl(kitchen: Kitchen, root: Path, scratch: Path) -> None:
    """It comes along from another image, and says what the mode says, as after chmod(2)."""
    others = [("group", None, 4), ("mask", None, 7), ("other", None, 4)]
    os.setxattr(root / "f", ACCESS, acl([("user", None, 6), ("USER", 5, 7), *others]))
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        tree, _ = read_tree(fd, Listener())
        image = kitchen.copy(TreeSource(tree), kitchen.empty, "f", to="/f")
    finally:
        os.close(fd)
    copied = kitchen.copy(kitchen.source(image), kitchen.empty, "f", to="/f", chmod="700")
    (root / "f").chmod(0o700)
    entry = copied.entry(b"f")
    assert entry is not None
    assert entry.metadata.mode == 0o700
    assert dict(entry.metadata.xattrs)[ACCESS] == os.getxattr(root / "f", ACCESS)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", 0o600, 0o755),
        ("04711", 0o600, 0o4711),
        ("+x", 0o644, 0o755),
        ("go-rwx", 0o777, 0o700),
        ("u=rw,g+s", 0o755, 0o2655),
        ("a=r", 0o7777, 0o1444),
        ("a+X", 0o644, 0o644),
        ("a+X", 0o744, 0o755),
        ("+t", 0o755, 0o1755),
    ],
)
def test_modes_in_letters(text: str, before: int, after: int) -> None:
    assert mode_change(text)(before, False) == after


@pytest.mark.parametrize("text", ["", "8", "77777", "u", "u=q", "x=r", "u=r,,g=r", "u=r "])
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(BadMode):
        mode_change(text)


def test_what_is_excluded(kitchen: Kitchen, root: Path, base: Image) -> None:
    assert made(kitchen, root, base, "d", "/x", exclude=("e", "l")) == {
        "x": DIRECTORY,
        "x/a": "f 644 0:0 a",
    }
    shown = made(kitchen, root, base, "d", "/x", exclude=("**", "!e/b"))
    assert sorted(shown) == ["x", "x/e", "x/e/b"]


def test_with_parents(kitchen: Kitchen, root: Path, base: Image) -> None:
    shown = made(kitchen, root, base, "d/e/b", "d/./l", "/x/", parents=True)
    assert sorted(shown) == ["x", "x/d", "x/d/e", "x/d/e/b", "x/l"]
    assert shown["x/d/e"] == "d 711 0:0"
    shown = made(kitchen, root, base, "d/**/b", "/x/", parents=True)
    assert sorted(shown) == ["x", "x/d", "x/d/e", "x/d/e/b"]


def test_what_is_ignored_is_not_there(kitchen: Kitchen, root: Path, base: Image) -> None:
    with context(root, "d/e", "f") as source:
        image = kitchen.copy(source, base, ".", to="/x")
        assert sorted(path for path in kitchen.shown(image) if path.startswith("x")) == [
            *("x", "x/d", "x/d/a", "x/d/l", "x/g")
        ]
        with pytest.raises(NotInSource):
            kitchen.copy(source, base, "f", to="/x")


def test_hard_links_and_odd_files(kitchen: Kitchen, root: Path, base: Image) -> None:
    os.link(root / "d/a", root / "d/e/twin")
    os.mkfifo(root / "d/pipe")
    os.setxattr(root / "d/a", "user.note", b"kept")
    os.setxattr(root / "d/a", "trusted.note", b"lost")
    with context(root) as source:
        image = kitchen.copy(source, base, "d", to="/x")
    assert image.links.group(b"x/a") == (b"x/a", b"x/e/twin")
    entry = image.entry(b"x/a")
    assert entry is not None
    assert entry.metadata.xattrs == ((b"user.note", b"kept"),)
    pipe = image.entry(b"x/pipe")
    assert pipe is not None
    assert pipe.kind.value == "fifo"
    again = kitchen.copy(kitchen.source(image), base, "/x", to="/y")
    assert again.links.group(b"y/a") == (b"y/a", b"y/e/twin")


@pytest.mark.parametrize("flags", ["-c", "-cz", "-cJ", "-cj", "--zstd -c"])
def test_archives(kitchen: Kitchen, root: Path, base: Image, flags: str) -> None:
    with open(root / "a", "wb") as file:
        words = ["tar", *flags.split(), "-C", f"{root}/d", "--owner=33", "--group=44", "."]
        subprocess.run(words, stdout=file, check=True)
    shown = made(kitchen, root, base, "a", "/x", unpack=True, chown="1:2")
    assert shown["x/a"] == "f 644 33:44 a"
    assert shown["x/e"] == "d 711 33:44"
    assert shown["x"] == "d 755 1:2"
    assert made(kitchen, root, base, "a", "/x")["x"].startswith("f ")


def test_what_only_looks_like_an_archive(kitchen: Kitchen, root: Path, base: Image) -> None:
    for data in (b"", b"\x1f\x8b no", bytes(2048), b"BZh9", b"\x28\xb5\x2f\xfd"):
        (root / "a").write_bytes(data)
        assert made(kitchen, root, base, "a", "/x", unpack=True)["x"].startswith("f 644 0:0")


def test_an_archive_stays_below_where_it_goes(kitchen: Kitchen, root: Path, base: Image) -> None:
    script = """
        ln -s /etc out; tar -cf a out; rm out
        mkdir out; echo x >out/passwd; tar -rf a out/passwd
    """
    subprocess.run(["sh", "-ec", script], cwd=root, check=True)
    shown = made(kitchen, root, base, "a", "/x", unpack=True)
    assert "etc/passwd" not in shown


@pytest.mark.timeout(60)
def test_an_archive_of_one_deep_path(kitchen: Kitchen, root: Path, base: Image) -> None:
    """Each directory on the way is looked up once, not each with all that are above it."""
    deep = "/".join(["d" * 20] * 1000)
    (root / "a").write_bytes(Archive().add(f"{deep}/x").raw())
    shown = made(kitchen, root, base, "a", "/y", unpack=True)
    assert f"y/{deep}/x" in shown


def test_archives_that_replace_each_others_directories(
    kitchen: Kitchen, root: Path, base: Image
) -> None:
    first, second = Archive(), Archive()
    for number in range(2000):
        first.add(f"{number}/x/y")
        second.add(f"{number}")
    (root / "a").write_bytes(first.raw())
    (root / "b").write_bytes(second.raw())
    shown = made(kitchen, root, base, "a", "b", "/y/", unpack=True)
    assert sum(text.startswith("f ") for text in shown.values()) == 2000
    assert "y/7/x" not in shown
