"""The table of docs/security.md: lxgit's column is what is seen here, and no other's is tighter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.insight import HIDEABLE, SECURITY, Insight, documented

if TYPE_CHECKING:
    from tests.support.program import Lxgit

TABLE = documented(SECURITY.read_text())


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_the_table_tells_what_is_seen_from_inside(based: Lxgit) -> None:
    seen = Insight.look(lambda *words: based(*words).out, "base", "--network=none")
    cells, told = seen.cells(), dict(TABLE["lxgit"])
    hidden = told.pop("hidden").split()
    assert cells.pop("hidden").split() == [path for path in HIDEABLE if os.path.exists(path)]
    assert set(hidden) <= set(HIDEABLE)
    assert cells == told


def test_none_is_tighter() -> None:
    """By the table itself, which `python -m benchmarks.security` makes of all three at once."""
    ours = TABLE["lxgit"]
    for name in ("Docker", "Podman"):
        theirs = TABLE[name]
        for row in ("capabilities, bounding", "capabilities, effective"):
            assert not _mask(ours[row]) & ~_mask(theirs[row]), name
        row = "system calls refused (seccomp)"
        assert int(ours[row]) >= int(theirs[row]), name
        for row in ("namespaces of its own", "hidden"):
            assert set(ours[row].split()) >= set(theirs[row].split()), (name, row)
        assert set(ours["devices"].split()) <= set(theirs["devices"].split()), name
        assert float(ours["processes"].replace("max", "inf")) <= float(
            theirs["processes"].replace("max", "inf")
        )
        for row in ("mounts of the host's disk", "control group", "its root"):
            assert ours[row] in ("none", "its own tree", "nodev"), row


def _mask(cell: str) -> int:
    return int(cell.split("`")[1], 16)
