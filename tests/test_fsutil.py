from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from lxgit.fsutil import write_atomic

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomic(file, b"one", mode=0o640)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    with pytest.raises(TypeError):
        write_atomic(file, "text")  # type: ignore[arg-type]
    assert file.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["file"]
