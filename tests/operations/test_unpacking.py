"""Layers over each other: random ones come to what umoci makes of them, and to what was meant."""

from __future__ import annotations

import random
import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from lxgit.operations.exporting import export_image
from lxgit.operations.knownlayers import known_layers
from lxgit.operations.loading import LoadRequest, load
from lxgit.repository import Repository, create_repository
from tests.conftest import SEED
from tests.support.archives import DIRECTORY, LINK, SYMLINK, Archive
from tests.support.compare import assert_same_tree
from tests.support.layouts import Layout, named
from tests.support.rootfs import extract_tar
from tests.support.stockgit import StockGit
from tests.support.stores import WHO, Listener, find_image, stock_fsck

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


class Writer:
    """Writes layers as tools do: parents first, and each path in one way alone."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.kinds: dict[str, str] = {}  # of all paths that there are: f, d or s
        self._archive = Archive()
        self._said: set[str] = set()

    def layer(self) -> bytes:
        """The next layer; `kinds` is what there is then."""
        self._archive = Archive().add("./", DIRECTORY, mtime=self.random.randrange(1000))
        self._said = set()
        ways = (
            self._file,
            self._directory,
            self._symlink,
            self._link,
            self._whiteout,
            self._opaque,
        )
        for _ in range(self.random.randrange(1, 9)):
            path = "/".join(self.random.choices("abc", k=self.random.randrange(1, 4)))
            if self._is_free(path):
                self.random.choice(ways)(path)
        return self._archive.raw()

    def _is_free(self, path: str) -> bool:
        """Whether nothing was said of it, or below it, and above it nothing but directories."""
        above = [path[:end] for end in range(len(path)) if path[end] == "/"]
        return not any(said == path or said.startswith(f"{path}/") for said in self._said) and all(
            self.kinds.get(one) == "d" for one in above if one in self._said
        )

    def _put(
        self, path: str, kind: bytes, letter: str, target: str = "", data: bytes = b""
    ) -> None:
        above = path.rpartition("/")[0]
        if above and above not in self._said:
            self._directory(above)
        mtime, uid = self.random.randrange(1000), self.random.randrange(3)
        self._archive.add(path, kind, target, data, mtime=mtime, uid=uid)
        if (letter, self.kinds.get(path)) != ("d", "d"):
            self._forget_below(path)
        self.kinds[path] = letter
        self._said.add(path)

    def _forget_below(self, path: str) -> None:
        self.kinds = {
            one: kind for one, kind in self.kinds.items() if not one.startswith(f"{path}/")
        }

    def _file(self, path: str) -> None:
        self._put(path, b"0", "f", data=self.random.randbytes(self.random.randrange(9)))

    def _directory(self, path: str) -> None:
        self._put(path, DIRECTORY, "d")

    def _symlink(self, path: str) -> None:
        self._put(path, SYMLINK, "s", "no/where")

    def _link(self, path: str) -> None:
        """To a file of this layer or of one below, which it may take the place of a part of."""
        files = [
            one
            for one, kind in sorted(self.kinds.items())
            if kind == "f" and one != path and not one.startswith(f"{path}/")
        ]
        above = [path[:end] for end in range(len(path)) if path[end] == "/"]
        files = [one for one in files if one not in above]
        if files:
            self._put(path, LINK, "f", self.random.choice(files))

    def _whiteout(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        if path not in self.kinds or self.kinds.get(above, "d") != "d":
            return
        if above and above not in self._said:
            self._directory(above)
        self._archive.add(f"{above}/.wh.{name}".lstrip("/"))
        self._said.add(path)
        self._forget_below(path)
        del self.kinds[path]

    def _opaque(self, path: str) -> None:
        if self.kinds.get(path) == "d":
            self._directory(path)
            self._archive.add(f"{path}/.wh..wh..opq")
            self._forget_below(path)


def loaded(store: Path, layers: list[bytes], place: Path) -> Repository:
    """A store with the image of layers as `it`."""
    layout = Layout(place)
    layout.index(named(layout.manifest(layers), "it"))
    repository = create_repository(store)
    list(load(repository, LoadRequest(place), identity=WHO, progress=Listener()))
    return repository


def exported(repository: Repository, scratch: Path) -> Path:
    with (scratch / "exported.tar").open("wb") as file:
        export_image(repository, "it", file, progress=Listener())
    return extract_tar(scratch / "exported.tar", scratch / "exported")


@pytest.mark.parametrize("number", range(20))
def test_random_layers(store_dir: Path, scratch: Path, number: int) -> None:
    writer = Writer(f"{SEED} {number}")
    layers = [writer.layer() for _ in range(writer.random.randrange(2, 6))]
    place = scratch / "layout"
    repository = loaded(store_dir, layers, place)
    there = {path.decode() for path, _ in find_image(repository, "it").walk()}
    assert there == set(writer.kinds)
    bundle = scratch / "bundle"
    subprocess.run(
        ["umoci", "unpack", "--image", f"{place}:it", bundle], check=True, capture_output=True
    )
    assert_same_tree(bundle / "rootfs", exported(repository, scratch))
    assert stock_fsck(repository) == ""


def test_two_links_to_a_file_with_two_names(store_dir: Path, scratch: Path) -> None:
    """By either of its names it is one file."""
    lower = Archive().add("a", content=b"one").add("b", LINK, "a").raw()
    upper = Archive().add("c", LINK, "a").add("d", LINK, "b").raw()
    repository = loaded(store_dir, [lower, upper], scratch / "layout")
    assert find_image(repository, "it").links.groups == ((b"a", b"b", b"c", b"d"),)


def test_what_gc_may_take_is_unpacked_again(store_dir: Path, scratch: Path) -> None:
    """A commit in a cruft pack cannot be kept by its time: a gc of Git's may come meanwhile."""
    layer = Archive().add("a", content=b"one").raw()
    repository = loaded(store_dir, [layer], scratch / "layout")
    digest = f"sha256:{sha256(layer).hexdigest()}"
    assert known_layers(repository, [digest]) == [repository.refs.read("refs/heads/it")]
    git = StockGit(repository.git_dir)
    gone = git("for-each-ref", "--format=delete %(refname)", "refs/heads", "refs/lxgit")
    git("update-ref", "--stdin", stdin=gone)
    git("reflog", "expire", "--expire=now", "--all")
    git("repack", "-adq", "--cruft")
    assert known_layers(Repository(repository.path), [digest]) == []
