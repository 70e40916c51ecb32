"""What may be deleted at any time (format.md), damaged: everything goes on as without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import drop
from lxgit.operations.gc import gc
from lxgit.operations.prune import prune
from tests.support.stores import Listener, flip, problems

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.erofs, pytest.mark.lxc]


def a_directory(place: Path) -> None:
    drop(place)
    (place / "in").mkdir(parents=True)


def a_link_to_itself(place: Path) -> None:
    drop(place)
    place.symlink_to(place.name)


def a_file(place: Path) -> None:
    drop(place)
    place.write_bytes(b"no such layer")


HARMS: dict[str, Callable[[Path], None]] = {
    "its first byte": lambda place: flip(place, 0, 0x80),
    "its last byte": lambda place: flip(place, -2, 0x80),
    "a directory": a_directory,
    "a link to itself": a_link_to_itself,
}
NOTES = ("packed", ".probed", ".probed-layers", "layers/stacks/*", "layers/*/layer.json")
CASES = [
    *((file, harm) for file in NOTES for harm in HARMS.values()),
    ("layers/[0-9a-f]*", a_file),
]


@pytest.fixture
def grown(lab: Lab) -> Lab:
    """With layers of two images, a delta among them, and all that is noted."""
    assert lab.run("first", "echo two > /etc/two") == (0, "")
    lab.commit("first", "other")
    assert lab.run("second", "cat /etc/two", "other") == (0, "two\n")
    gc(lab.repository, progress=Listener())
    return lab


def each(lab: Lab, pattern: str) -> list[Path]:
    return sorted(lab.repository.path.glob(pattern))


@pytest.mark.parametrize(("file", "harm"), CASES)
def test_it_is_made_anew_by_who_wants_it(
    grown: Lab, file: str, harm: Callable[[Path], None]
) -> None:
    found = each(grown, file)
    assert found
    for place in found:
        harm(place)
    assert grown.run("run", "cat /etc/two", "other") == (0, "two\n")
    assert grown.listener.warnings == []
    gc(grown.repository, progress=Listener())
    prune(grown.repository, progress=Listener())
    assert grown.run("again", "cat /etc/two", "other") == (0, "two\n")
    assert problems(grown.repository.path) == []


@pytest.mark.parametrize(("file", "harm"), CASES)
def test_fsck_drops_it(grown: Lab, file: str, harm: Callable[[Path], None]) -> None:
    for place in each(grown, file):
        harm(place)
    assert all(problem.repaired for problem in problems(grown.repository.path, repair=True))
    assert problems(grown.repository.path) == []
    assert grown.run("run", "cat /etc/two", "other") == (0, "two\n")
    assert problems(grown.repository.path) == []
