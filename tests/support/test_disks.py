"""Small disks are free again when they are left, whatever others do meanwhile."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support import disks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


def test_copies_of_our_mounts_hold_no_disk(scratch: Path) -> None:
    """Whoever starts a container has such, for as long as it runs, or a moment longer."""
    image = disks.make(disks.EXT4, scratch / "disk")
    copy = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", "echo; read line"]
    with disks.mounted(disks.EXT4, image, scratch / "mounted"):
        holder = subprocess.Popen(copy, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
    used = subprocess.run(["losetup", "-j", image], capture_output=True, check=True).stdout
    holder.communicate(b"\n")
    assert used == b""
