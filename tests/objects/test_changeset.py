"""A base and the changes made: what stands there then, against a model that is a dict of paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.objects.changeset import Changeset, apply
from lxgit.objects.database import ObjectDatabase
from lxgit.objects.directory import Directory, write_directory
from lxgit.objects.entries import Entry
from lxgit.objects.filetree import Node
from lxgit.objects.gitdir import init
from lxgit.objects.image import Image, read_image, write_image
from lxgit.objects.imageconfig import ImageConfig
from lxgit.objects.links import Links
from lxgit.objects.metadata import Kind, Metadata
from lxgit.objects.scratch import ScratchObjects
from lxgit.objects.tree import MAX_DEPTH
from lxgit.objects.treebuilder import TooDeep

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = Metadata(0o644, 0, 0, 0)
OTHER = Metadata(0o700, 1, 2, 3)
GONE = Metadata(0, 0, 0, 1)


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScratchObjects]:
    git_dir = tmp_path_factory.mktemp("changeset") / "git"
    init(git_dir)
    with ObjectDatabase(git_dir) as database:
        yield ScratchObjects(database)


def file(metadata: Metadata = PLAIN) -> Node:
    """A FIFO: no directory, and all that it is stands in its node."""
    return Node(Kind.FIFO, metadata)


def directory(metadata: Metadata = PLAIN) -> Node:
    return Node(Kind.DIRECTORY, metadata)


def changed(objects: ScratchObjects, base: Image, changes: Changeset) -> Image:
    """The base with the changes."""

    def entry_of(_: bytes, node: Node) -> Entry | None:
        return None if node.metadata == GONE else Entry(node.kind, node.metadata)

    rootfs, links = apply(changes, base, objects, entry_of)
    return read_image(objects, write_image(objects, rootfs, links, ImageConfig()))


def image(objects: ScratchObjects, nodes: dict[bytes, Node]) -> Image:
    """An image of these nodes; directories that are not named are there too."""
    return changed(objects, nothing(objects), Changeset(with_parents(nodes)))


def nothing(objects: ScratchObjects) -> Image:
    rootfs = write_directory(objects, Directory(PLAIN, {}))
    return read_image(objects, write_image(objects, rootfs, Links(), ImageConfig()))


def with_parents(nodes: dict[bytes, Node]) -> dict[bytes, Node]:
    parents = {
        path[:cut]: directory() for path in nodes for cut, byte in enumerate(path) if byte == 0x2F
    }
    both = {**parents, **nodes}
    return {path: both[path] for path in sorted(both)}


def shown(image: Image) -> dict[bytes, tuple[Kind, Metadata]]:
    return {path: (entry.kind, entry.metadata) for path, entry in image.walk()}


def paths(image: Image) -> set[bytes]:
    return set(shown(image))


def test_only_what_changes_does(objects: ScratchObjects) -> None:
    base = image(objects, {b"etc/hosts": file(), b"etc/motd": file(), b"usr/bin/a": file()})
    made = changed(objects, base, Changeset({b"etc/hosts": file(OTHER)}, [b"etc/motd"]))
    assert paths(made) == {b"etc", b"etc/hosts", b"usr", b"usr/bin", b"usr/bin/a"}
    assert made.entry(b"usr") == base.entry(b"usr")
    assert made.entry(b"etc/hosts") != base.entry(b"etc/hosts")
    assert changed(objects, base, Changeset()).tree == base.tree


def test_what_is_removed_may_come_back(objects: ScratchObjects) -> None:
    base = image(objects, {b"a/old": file()})
    made = changed(objects, base, Changeset({b"a": directory(), b"a/new": file()}, [b"a"]))
    assert paths(made) == {b"a", b"a/new"}


def test_of_an_opaque_directory_the_metadata_stays(objects: ScratchObjects) -> None:
    base = image(objects, {b"a": directory(OTHER), b"a/b/c": file(), b"a/d": file()})
    made = changed(objects, base, Changeset({b"a/new": file()}, opaque=[b"a"]))
    assert paths(made) == {b"a", b"a/new"}
    assert shown(made)[b"a"] == (Kind.DIRECTORY, OTHER)


def test_the_root_can_be_opaque(objects: ScratchObjects) -> None:
    base = image(objects, {b"a": file(), b"b/c": file()})
    made = changed(objects, base, Changeset({b"": directory(OTHER), b"d": file()}, opaque=[b""]))
    assert paths(made) == {b"d"}
    assert made.root().metadata == OTHER


def test_a_directory_over_a_directory_keeps_what_is_below(objects: ScratchObjects) -> None:
    base = image(objects, {b"a/b": file(), b"c": file()})
    made = changed(objects, base, Changeset({b"a": directory(OTHER), b"c": directory()}))
    assert shown(made) == {
        b"a": (Kind.DIRECTORY, OTHER),
        b"a/b": (Kind.FIFO, PLAIN),
        b"c": (Kind.DIRECTORY, PLAIN),
    }


def test_what_is_not_there_need_not_be_removed(objects: ScratchObjects) -> None:
    base = image(objects, {b"a": file()})
    changes = Changeset(removed=[b"x", b"a/x", b"x/y/z"], opaque=[b"x/y", b"a/b"])
    assert changed(objects, base, changes).tree == base.tree


def test_below_a_file_is_no_place(objects: ScratchObjects) -> None:
    base = image(objects, {b"a": file()})
    for path in (b"a/b", b"missing/b"):
        with pytest.raises(NotADirectoryError):
            changed(objects, base, Changeset({path: file()}))


def test_the_deepest_directory(objects: ScratchObjects) -> None:
    """The trees of the image and of its root are above; of what is no directory there is none."""
    deepest = b"/".join([b"d"] * (MAX_DEPTH - 2))
    base = image(objects, {deepest: directory()})
    below = changed(objects, base, Changeset({deepest + b"/f": file()}))
    assert deepest + b"/f" in paths(below)
    with pytest.raises(TooDeep):
        changed(objects, base, Changeset({deepest + b"/d": directory()}))


def test_what_is_gone_is_left_out_of_the_changes(objects: ScratchObjects) -> None:
    base = image(objects, {b"a": file()})
    one = file(GONE)
    changes = Changeset({b"b": file(), b"c": one, b"d": one})
    assert paths(changed(objects, base, changes)) == {b"a", b"b"}
    assert set(changes.nodes) == {b"b"}


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        (Changeset(), [(b"a", b"d/b", b"d/c")]),
        (Changeset({b"a": file()}), [(b"d/b", b"d/c")]),
        (Changeset(removed=[b"d/b"]), [(b"a", b"d/c")]),
        (Changeset(removed=[b"d"]), []),
        (Changeset({b"d": file()}), []),
        (Changeset(opaque=[b"d"]), []),
        (Changeset({b"d": directory(OTHER)}), [(b"a", b"d/b", b"d/c")]),
        (Changeset(opaque=[b""]), []),
        (Changeset({b"x": (one := file()), b"d/y": one}), [(b"a", b"d/b", b"d/c"), (b"d/y", b"x")]),
        (Changeset({b"a": (two := file()), b"d/b": two}), [(b"a", b"d/b")]),
    ],
)
def test_hard_links(
    objects: ScratchObjects, changes: Changeset, groups: list[tuple[bytes, ...]]
) -> None:
    linked = file()
    base = image(objects, {b"a": linked, b"d/b": linked, b"d/c": linked})
    made = changed(objects, base, changes)
    assert list(made.links.groups) == groups
    assert {path for group in groups for path in group} <= paths(made)


NAMES = st.sampled_from([b"a", b"b", b"c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
TREES = st.dictionaries(PATHS, st.sampled_from("fd"), max_size=8)


def consistent(tree: dict[bytes, str]) -> dict[bytes, Node]:
    """Nodes, without those below what is no directory."""
    nodes = {path: file() if kind == "f" else directory() for path, kind in sorted(tree.items())}
    return with_parents(
        {
            path: node
            for path, node in nodes.items()
            if all(
                nodes[above].children is not None
                for cut, byte in enumerate(path)
                if byte == 0x2F and (above := path[:cut]) in nodes
            )
        }
    )


@given(TREES, TREES, st.lists(PATHS, max_size=4), st.lists(PATHS, max_size=4))
def test_as_a_dict_of_paths_has_it(
    objects: ScratchObjects,
    before: dict[bytes, str],
    after: dict[bytes, str],
    removed: list[bytes],
    opaque: list[bytes],
) -> None:
    base, nodes = consistent(before), consistent(after)

    def hidden(path: bytes) -> bool:
        return any(path == gone or path.startswith(gone + b"/") for gone in removed) or any(
            path.startswith(above + b"/") for above in opaque
        )

    wanted = {path: node.kind for path, node in base.items() if not hidden(path)}
    for path, node in nodes.items():
        if node.children is None or wanted.get(path) is not Kind.DIRECTORY:
            wanted = {one: kind for one, kind in wanted.items() if not one.startswith(path + b"/")}
        wanted[path] = node.kind
    made = changed(objects, image(objects, base), Changeset(nodes, removed, opaque))
    assert {path: kind for path, (kind, _) in shown(made).items()} == wanted
