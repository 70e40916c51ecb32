"""info, version and history."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

import pytest

import lxgit as package

if TYPE_CHECKING:
    from tests.support.program import Lxgit


def test_version(lxgit: Lxgit) -> None:
    told = lxgit("version", "--format", "json").json
    assert told["Version"] == package.__version__
    assert told["Python"] == platform.python_version()
    assert re.fullmatch(r"\d+\.\d+[0-9.]*", told["Git"])
    assert lxgit("version", "--format", "{{.Kernel}}").out == f"{platform.release()}\n"
    lines = lxgit("version").lines
    assert lines[0].split() == ["Version:", package.__version__]
    assert [line.partition(":")[0] for line in lines] == list(told)


def test_info_without_a_store(lxgit: Lxgit) -> None:
    told = lxgit("info", "--format", "json").json
    assert (told["Containers"], told["Images"]) == (0, 0)
    assert told["LxgitRootDir"] == str(lxgit.store)
    assert not lxgit.store.exists()


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_info(based: Lxgit) -> None:
    based("run", "--network", "none", "base", "true")
    based("run", "-d", "--network", "none", "--name", "web", "base", "sleep", "1000")
    lines = based("info").lines
    assert lines[:4] == ["Containers: 2", " Running: 1", " Paused: 0", " Stopped: 1"]
    assert f"Store: {based.store}" in lines
    assert re.fullmatch(rf"{re.escape(str(based.store))} is on \w+", told_of(lines, "Store"))
    form = "{{.Images}} {{len .Checks}} {{.NCPU}}"
    assert re.fullmatch(r"1 13 \d+\n", based("info", "-f", form).out)
    based("rm", "-f", "web")


def told_of(lines: list[str], name: str) -> str:
    checks = lines[lines.index("Checks:") + 1 :]
    return next(line.partition(f" {name}: ")[2] for line in checks if f" {name}: " in line)


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_history(grown: Lxgit) -> None:
    script = "echo 12345 >/x; rm /etc/motd; chmod 700 /srv # a rather long command line"
    grown("run", "--network", "none", "--name", "web", "tuned", "sh", "-c", script)
    grown("commit", "-m", "By hand", "web")
    lines = grown("history", "tuned").lines
    assert lines[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    head = grown("rev-parse", "tuned").out[:12]
    assert re.fullmatch(
        rf"{head} +Less .*|{head} +(?:\d|About).* ago .*sh -c 'echo .*… +6 B +By hand", lines[1]
    )
    assert lines[2].endswith("   Tune it")
    assert re.search(r"years? ago +[0-9.]+ MB +A small machine$", lines[3])
    assert grown("history", "web", code=1).err.endswith(
        "hint: 'lxgit history tuned:latest' is about what it was made of\n"
    )
    ids = grown("history", "-q", "--no-trunc", "tuned").lines
    assert len(ids) == 3
    rows = grown("history", "--format", "json", "tuned").json
    assert [row["id"] for row in rows] == ids
    assert (rows[0]["size"], rows[0]["comment"]) == (6, "By hand")
    assert rows[0]["created_by"] == f"sh -c '{script}'"
    form = "{{.CreatedBy}}"
    assert grown("history", "--no-trunc", "--format", form, "tuned").lines[0] == f"sh -c '{script}'"
    assert "  6  " in grown("history", "--human=false", "tuned").lines[1]
    assert grown("history", "web", code=1).err.startswith("lxgit: 'web' is a container")
