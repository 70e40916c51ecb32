"""top, stats and system df."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

BUSY = "head -c 5000000 /dev/zero >/tmp/x; sleep 1000 & while :; do :; done"


@pytest.fixture
def busy(based: Lxgit) -> Iterator[Lxgit]:
    """A store with a container `web` that keeps a processor busy, and has a second process."""
    based("run", "-d", "--network", "none", "-m", "64m", "--name", "web", "base", "sh", "-c", BUSY)
    deadline = time.monotonic() + 60
    while "sleep 1000\n" not in based("top", "web", "-o", "pid,args").out:
        assert time.monotonic() < deadline
    yield based
    based("rm", "-f", "web")


def test_top(busy: Lxgit) -> None:
    lines = busy("top", "web").lines
    assert lines[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert sorted(line.split(None, 7)[7] for line in lines[1:]) == ["sh -c " + BUSY, "sleep 1000"]
    lines = busy("top", "web", "-o", "pid,comm").lines
    assert lines[0].split() == ["PID", "COMMAND"]
    pids = {name: pid for pid, name in map(str.split, lines[1:])}  # by pid, which start anew
    assert pids.keys() == {"sh", "sleep"}
    assert pids["sh"] == busy("inspect", "-f", "{{.State.Pid}}", "web").out.strip()
    assert "no PID" in busy("top", "web", "-o", "comm", code=2).err
    assert busy("top", "web", "--nonsense", code=2).err.startswith("lxgit: ps: ")
    busy("run", "--network", "none", "--name", "done", "base", "true")
    assert "'done' is not running" in busy("top", "done", code=1).err


def test_stats(busy: Lxgit) -> None:
    lines = busy("stats", "--no-stream").lines
    head = "ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS"
    assert " ".join(lines[0].split()) == head
    assert len(lines) == 2
    once = ("stats", "--no-stream", "--format", "json", "web")
    wait_until(lambda: busy(*once).json[0]["cpu"] > 1)  # 0.3 s of a busy machine may be others'
    (row,) = busy(*once).json
    assert 0 < row["memory"] < row["memory_limit"] == 64 << 20
    assert row["pids"] == 2
    assert busy("stats", "--no-stream", "--format", "{{.PIDs}} {{.Name}}").out == "2 web\n"
    assert "no container 'none'" in busy("stats", "none", code=1).err
    with busy.terminal("stats", "web", size=(24, 200)) as terminal:
        for _ in range(2):
            terminal.expect("MEM USAGE / LIMIT.*web +[0-9.]+%")
        terminal.sendintr()
        terminal.expect_exact("^C")
        terminal.expect(pexpect.EOF)  # who is hung up on has half a second to end
    assert (
        busy("stats", "--no-stream", "--format", "{{.Container}}").lines == busy("ps", "-q").lines
    )


def test_nothing_runs(based: Lxgit) -> None:
    assert len(based("stats", "--no-stream").lines) == 1


def test_system_df(busy: Lxgit) -> None:
    busy("volume", "create", "data")
    script = "head -c 3000000 /dev/zero >/x"
    busy("run", "--network", "none", "--name", "done", "base", "sh", "-c", script)
    rows = {row["type"]: row for row in busy("system", "df", "--format", "json").json}
    assert list(rows) == ["Images", "Layers", "Containers", "Local Volumes", "Build Cache"]
    assert (rows["Images"]["total"], rows["Images"]["active"]) == (1, 1)
    assert rows["Images"]["size"] > 100_000
    containers = rows["Containers"]
    assert (containers["total"], containers["active"]) == (2, 1)
    assert 3_000_000 <= containers["reclaimable"] < 4_000_000
    assert containers["size"] >= 8_000_000
    assert (rows["Layers"]["total"], rows["Layers"]["reclaimable"]) == (1, 0)
    assert (rows["Local Volumes"]["total"], rows["Local Volumes"]["active"]) == (1, 0)
    lines = busy("system", "df").lines
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    lines = busy("system", "df", "-v").lines
    assert {"Images:", "Containers:", "Local volumes:"} <= set(lines)
    assert any(re.fullmatch(r"base +latest .* MB +2", line) for line in lines)
    assert any(line.startswith("data ") for line in lines)
    form = ("--format", "{{.Type}}={{.TotalCount}}")
    assert busy("system", "df", *form).lines[0] == "Images=1"
