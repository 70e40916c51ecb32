"""A tree in memory: the ways to a directory that are remembered lead where all others do."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lxgit.objects.filetree import FileTree, InvalidPath, Node
from lxgit.objects.metadata import Kind, Metadata

PLAIN = Metadata(0o755, 0, 0, 0)
PATHS = st.lists(st.sampled_from([b"a", b"b"]), min_size=1, max_size=3).map(b"/".join)
KINDS = st.sampled_from([Kind.DIRECTORY, Kind.FILE, Kind.SYMLINK])
STEPS = st.lists(st.tuples(PATHS, KINDS, PATHS | st.just(b".")), max_size=12)


class Forgetful(FileTree):
    """Goes down from the root for each path."""

    def put(self, path: bytes, node: Node) -> Node:
        self._parents.clear()
        return super().put(path, node)


def shown(tree: FileTree) -> list[tuple[bytes, Kind, bytes]]:
    return [(path, node.kind, node.target) for path, node in tree.walk()]


@given(STEPS)
@example(
    [
        (b"a", Kind.SYMLINK, b"."),
        (b"a/a", Kind.DIRECTORY, b""),
        (b"a/a/b", Kind.FILE, b""),
    ]
)
@example(
    [
        (b"a/b", Kind.DIRECTORY, b""),
        (b"a", Kind.SYMLINK, b"b"),
        (b"a/b/a", Kind.FILE, b""),
    ]
)
def test_what_is_remembered_is_what_is_there(steps: list[tuple[bytes, Kind, bytes]]) -> None:
    trees = (FileTree(), Forgetful())
    for path, kind, target in steps:
        said = []
        for tree in trees:
            try:
                tree.put(path, Node(kind, PLAIN, target=target if kind is Kind.SYMLINK else b""))
                said.append("")
            except InvalidPath as error:
                said.append(error.message)
        assert said[0] == said[1]
    assert shown(trees[0]) == shown(trees[1])


def test_what_stands_at_the_end_of_links() -> None:
    tree = FileTree()
    file = Node(Kind.FILE, PLAIN)
    tree.put(b"d/f", file)
    tree.put(b"e/g", Node(Kind.SYMLINK, PLAIN, target=b"../l/f"))
    tree.put(b"l", Node(Kind.SYMLINK, PLAIN, target=b"/d"))
    tree.put(b"circle", Node(Kind.SYMLINK, PLAIN, target=b"circle"))
    for path in (b"d/f", b"/l/./f", b"../e/g", b"e/../e/g"):
        assert tree.follow(path) is file
    for path in (b"", b"f", b"d/f/f", b"none/../d/f", b"circle", b"circle/f", b"d/" + b"f" * 300):
        assert tree.follow(path) is None


@pytest.mark.timeout(60)
def test_links_are_followed_so_far_and_no_farther() -> None:
    """By all who follow some, together: each name costs the same, however deep it is."""
    tree = FileTree()
    deep = b"d/" * 1990
    file = Node(Kind.FILE, PLAIN)
    tree.put(deep + b"f", file)
    tree.put(deep + b"l", Node(Kind.SYMLINK, PLAIN, target=b"../d/" * 1000 + b"f"))
    assert tree.follow(deep + b"e/" * 2_000_000) is None
    assert tree.follow(deep + b"l") is file
    assert not all(tree.follow(deep + b"l") for _ in range(10_000))
