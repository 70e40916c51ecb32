"""What the benchmarks measure beside time: bytes on disk, and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks.disk import at_rest
from benchmarks.harness import Failed, Void
from benchmarks.memory import peak, used
from benchmarks.programs import Program, environment
from tests.support.disks import flush

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1 << 20

# Both cut to what matters here, from Linux 6.18.
VERSION_1 = """\
cache 999
rss 1
shmem 2
total_cache 9999
total_rss 30
total_shmem 12
"""
VERSION_2 = """\
anon 30
file 9999
shmem 12
"""


# Two that each hold a block of 32 MiB, until both have been seen to write of it, and a second more.
TWO = """\
cd {place}; mkfifo a b; exec 3<>a 4<>b
for one in a b; do dd if=/dev/zero of=$one bs=32M count=1 3<&- 4<&- 2>/dev/null & done
head -c 1 <&3 >/dev/null; head -c 1 <&4 >/dev/null; sleep 1
exec 3<&- 4<&-; wait
"""


@pytest.mark.parametrize("stat", [VERSION_1, VERSION_2])
def test_the_page_cache_is_not_used_memory(stat: str) -> None:
    assert used(stat) == 42


def test_the_memory_of_all_processes_counts_at_its_peak(tmp_path: Path) -> None:
    shell = Program(("/bin/sh", "-c"), environment(tmp_path))
    try:
        measured = peak(shell, TWO.format(place=tmp_path))
    except Void as reason:
        pytest.skip(str(reason))
    assert 64 * _MIB < measured < 80 * _MIB
    with pytest.raises(Failed, match="exit 3"):
        peak(shell, "sleep 0.1; exit 3")


def test_bytes_at_rest_are_those_of_blocks_and_of_each_inode_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    empty = at_rest(tree)
    (tree / "file").write_bytes(b"x" * _MIB)
    os.link(tree / "file", tree / "below/link")
    (tree / "sparse").touch()
    os.truncate(tree / "sparse", 100 * _MIB)
    flush(tmp_path)
    assert _MIB <= at_rest(tree) - empty < 1.1 * _MIB
