"""The disk in memory is an ext4, and goes with its run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import machine, memorydisk

pytestmark = pytest.mark.root


def test_it_is_there_and_gone() -> None:
    with memorydisk.mounted() as place:
        assert place.is_mount()
        assert machine.filesystem(place) == "ext2/ext3"
        (place / "file").write_bytes(b"x")
    assert not place.exists()


def test_that_of_a_run_that_was_killed_goes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"lxgit{os.getpid()}-"  # or another process's next would take it
    monkeypatch.setattr(memorydisk, "_PREFIX", own)
    script = f"""
import os
from tests.support import memorydisk

memorydisk._PREFIX = "{own}"
with memorydisk.mounted() as place:
    print(place, flush=True)
    os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True
    )
    left = Path(done.stdout.strip())
    assert left.is_mount()
    with memorydisk.mounted():
        assert not left.exists()
