"""What is on disk is counted through no link, and however deep it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lxgit.operations.prune import disk_usage
from lxgit.operations.sizes import files_size
from tests.support.swapping import exchanging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
