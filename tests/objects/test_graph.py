"""The drawing of a history, taken apart and put together again: it is what Git draws."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.graph import GraphLook, draw
from lxgit.objects.ids import from_hex, hex_id

if TYPE_CHECKING:
    from lxgit.objects.git import Git
    from tests.support.stockgit import StockGit

SHAPES = {
    "line": [[1], [2, 1], [3, 2]],
    "merge": [[1], [2, 1], [3, 1], [4, 2, 3], [5, 4]],
    "criss-cross": [[1], [2, 1], [3, 1], [4, 2, 3], [5, 3, 2], [6, 4, 5]],
    "octopus": [[1], [2, 1], [3, 1], [4, 1], [5, 2, 3, 4], [6, 5]],
    "two roots": [[1], [2], [3, 1, 2]],
    "a merge at the end": [[1], [2, 1], [3, 1], [4, 3, 2]],
}


def random_shape(seed: int) -> list[list[int]]:
    """A history of twelve commits, with merges of up to three parents."""
    choice = random.Random(seed)
    shape = [[1]]
    for number in range(2, 13):
        above = choice.sample(range(1, number), min(number - 1, choice.choice([1, 1, 2, 2, 3])))
        shape.append([number, *above])
    return shape


def redrawn(git: Git, tips: list[str], texts: dict[str, list[str]], limit: int | None) -> str:
    """The drawing with texts beside it, as the command line puts them together."""
    lines: list[str] = []
    for drawn in draw(git, tips, limit=limit):
        lines += drawn.lead
        before = [drawn.mark, *drawn.steps]
        for text in texts[hex_id(drawn.oid)]:
            lines.append((before.pop(0) if before else drawn.padding) + text)
        lines += before
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "shape", [*SHAPES.values(), *map(random_shape, range(12))], ids=[*SHAPES, *map(str, range(12))]
)
def test_it_is_what_git_draws(git: Git, stock: StockGit, shape: list[list[int]]) -> None:
    ids = stock.graph(shape)
    above = {parent for _, *parents in shape for parent in parents}
    tips = [ids[number] for number, *_ in shape if number not in above]
    for limit in (None, 1, 4):
        counted = [] if limit is None else [f"--max-count={limit}"]
        whole = stock("log", "--graph", *counted, *tips).decode()
        texts = {}
        for oid in ids.values():
            shown = stock("log", "-n", "1", oid).decode().removesuffix("\n").split("\n")
            texts[oid] = shown
        assert redrawn(git, tips, texts, limit) == whole
        whole = stock("log", "--graph", "--format=%H", *counted, *tips).decode()
        brief = draw(git, tips, limit=limit, look=GraphLook.ONE_LINE)
        lines = [line for one in brief for line in (one.mark + hex_id(one.oid), *one.steps)]
        assert "\n".join(lines) + "\n" == whole


def test_a_history_that_leaves_commits_out(git: Git, stock: StockGit) -> None:
    ids = stock.graph([[1], [2, 1], [3, 2], [4, 2], [5, 3, 4]])
    history = {
        from_hex(ids[5]): (from_hex(ids[3]), from_hex(ids[1])),
        from_hex(ids[3]): (from_hex(ids[1]),),
        from_hex(ids[1]): (),
    }
    drawn = list(draw(git, [], history=history))
    assert [entry.oid for entry in drawn] == list(history)
    assert drawn[0].mark.startswith("*")
    assert drawn[0].steps == ("|\\  ",)
    assert list(draw(git, [])) == []
