"""What control groups of both versions say, and what is made of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.runtime.hierarchies import Hierarchy
from lxgit.runtime.usage import block_io_v1, block_io_v2, network_io, usage

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = "1" * 64
MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

UNIFIED = {
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
    "memory.current": "5000000\n",
    "memory.max": "67108864\n",
    "memory.stat": "anon 1\nfile 2\ninactive_file 1000000\nactive_file 3\n",
    "pids.current": "7\n",
    "io.stat": "8:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=4 wbytes=0\n",
}
OLD = {
    "cpuacct.usage": "1500000000\n",
    "memory.usage_in_bytes": "5000000\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.stat": "cache 1\ninactive_file 5\ntotal_inactive_file 1000000\n",
    "pids.current": "7\n",
    "blkio.throttle.io_service_bytes": "8:0 Read 4096\n8:0 Write 512\n8:16 Read 4\nTotal 4612\n",
}


@pytest.mark.parametrize(
    ("version", "controllers", "files", "limit"),
    [
        (2, ("cpu", "io", "memory", "pids"), UNIFIED, 67108864),
        (1, ("blkio", "cpuacct", "memory", "pids"), OLD, MEMORY),
    ],
)
def test_both_versions(
    tmp_path: Path, version: int, controllers: tuple[str, ...], files: dict[str, str], limit: int
) -> None:
    hierarchy = Hierarchy(tmp_path, version, controllers)
    hierarchy.group(IDENTITY).mkdir()
    for name, text in files.items():
        (hierarchy.group(IDENTITY) / name).write_text(text)
    told = usage(IDENTITY, None, dict.fromkeys(controllers, hierarchy))
    assert told._replace(at=0) == (0, 1_500_000_000, 4_000_000, limit, 7, 4100, 512, 0, 0)


def test_what_a_host_does_not_count(tmp_path: Path) -> None:
    """No controllers, or a container that has just ended."""
    for hosts in ({}, {"memory": Hierarchy(tmp_path, 2, ("memory",))}):
        assert usage(IDENTITY, 1 << 30, hosts)._replace(at=0) == (0, 0, 0, MEMORY, 0, 0, 0, 0, 0)


def test_lines_of_the_kernel() -> None:
    assert block_io_v1(OLD["blkio.throttle.io_service_bytes"]) == (4100, 512)
    assert block_io_v2(UNIFIED["io.stat"]) == (4100, 512)
    net = (
        "Inter-|   Receive                  |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"
        "    lo: 10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n"
        "  eth0: 1500 2 0 0 0 0 0 0 700 3 0 0 0 0 0 0\n"
    )
    assert network_io(net) == (1500, 700)
    assert (block_io_v1(""), block_io_v2(""), network_io("")) == ((0, 0),) * 3
