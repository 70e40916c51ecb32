"""What is read to find that a name is free."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def opened(lxgit: Lxgit, scratch: Path, *arguments: str) -> list[str]:
    """The files that a command opens, a process of its own included, each as often as it does."""
    if reason := lacks_program("strace"):
        unable(reason)
    trace = scratch / "trace"
    traced = ("strace", "-f", "-q", "-o", trace, "--trace=openat", "--signal=none")
    subprocess.run([*traced, PROGRAM, *arguments], env=lxgit.environment(), check=True)
    return [line.split('"')[1] for line in trace.read_text().splitlines() if '"' in line]


@pytest.mark.parametrize("words", [("branch", "new", "base"), ("tag", "new", "base")])
def test_a_new_name_reads_each_container_once(
    emptied: Lxgit, scratch: Path, words: tuple[str, ...]
) -> None:
    for number in range(3):
        emptied("create", "--name", f"c{number}", "base", "true")
    records = [path for path in opened(emptied, scratch, *words) if path.endswith("/config.json")]
    assert len(records) == len(set(records)) == 3


def test_a_name_whose_link_is_lost_is_not_free(emptied: Lxgit) -> None:
    emptied("create", "--name", "web", "base", "true")
    (emptied.store / "containers/.names/web").unlink()
    assert "'web' is a container" in emptied("branch", "web", "base", code=1).err
