"""The ids of the host that a container has, and who else has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxgit.runtime import idranges
from lxgit.runtime.creating import create
from tests.runtime.test_containers import REQUEST

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_who_else_has_ids_of_a_container_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has come from another machine, where they were root's."""
    monkeypatch.setattr(idranges, "_SUBIDS", (str(tmp_path / "uid"), str(tmp_path / "gid")))

    def strangers_by(uids: str, gids: str = "") -> list[str]:
        (tmp_path / "uid").write_text(uids)
        (tmp_path / "gid").write_text(gids)
        return idranges.strangers(made.config.idmap)

    here = "root:100000:65536\n"
    for name in ("uid", "gid"):
        (tmp_path / name).write_text(here)
    (tmp_path / "containers").mkdir()
    made = create(tmp_path / "containers", REQUEST)
    assert made.config.ids.extents[0].outside == 100000
    assert strangers_by(here, here) == strangers_by("") == strangers_by("", "bob:165536:9") == []
    assert strangers_by("bob:165535:9\nalice:1:100000", "alice:34465:65536") == ["alice", "bob"]
    assert strangers_by("alice:100000:65536\n" + here, here) == []  # as root wants it
    assert strangers_by("alice:100000:65536\n" + here) == ["alice"]
    assert idranges.strangers(None) == []
