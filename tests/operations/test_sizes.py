"""Sizes of images, told alike everywhere; what is on disk is counted through no link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.operations.imagegraph import sized_graph
from lxgit.operations.imagehistory import image_history
from lxgit.operations.images import list_images
from lxgit.operations.importing import import_image
from lxgit.operations.prune import disk_usage
from lxgit.operations.sizes import files_size, image_size
from tests.support.stores import WHO, Listener, find_image
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lxgit.repository import Repository

STEPS: list[tuple[str, int, int]] = [
    ("truncate -s 1000 d; ln d c; ln d e; ln -s d a; mkfifo f", 1000, 1000),
    ("ln d b; ln -s longer s", 1000, 1000),
    ("rm b c", 1000, 1000),
    ("truncate -s 200 e", 200, 200),
    ("cp e new; rm e; mv new e", 400, 400),
    ("rm e a; truncate -s 7 a", 7, 207),
    ("rm d; ln -s a d", 0, 7),
]
"""What is done to a directory, the bytes of the files that change by it, and of all then."""


@pytest.mark.parametrize("size_of", [files_size, disk_usage])
def test_a_link_that_takes_a_directorys_place(
    size_of: Callable[[Path], int], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * (1 << 20))
    (tmp_path / "top/one").mkdir(parents=True)
    (tmp_path / "top/other").symlink_to(outside)
    with exchanging(tmp_path / "top/one", tmp_path / "top/other"):
        assert max(size_of(tmp_path / "top") for _ in range(2000)) < 1 << 20
    assert size_of(tmp_path / "top/none") == 0


@pytest.mark.root
def test_what_a_step_adds_and_what_an_image_has(repository: Repository, tmp_path: Path) -> None:
    """A file of several links counts once, and a symbolic link not at all."""
    for number, (script, _, _) in enumerate(STEPS):
        assert os.system(f"cd {tmp_path} && {script}") == 0
        import_image(
            repository, tmp_path, "web", message=str(number), identity=WHO, progress=Listener()
        )
    nodes = sized_graph(repository, list_images(repository))
    wholes = [whole for _, _, whole in STEPS]
    last = len(STEPS) - 1
    images = [find_image(repository, f"web~{last - number}") for number in range(len(STEPS))]
    assert [image_size(repository, image) for image in images] == wholes
    assert [node.size for node in nodes] == wholes
    steps = reversed(list(image_history(repository, "web")))
    assert [step.size for step in steps] == [brought for _, brought, _ in STEPS]
