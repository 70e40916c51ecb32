"""Volumes and networks that are damaged or missing, as fsck tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.program import Lxgit

SOUND = "No faults found.\n"


def told(lxgit: Lxgit, *options: str) -> Sequence[str]:
    """What fsck says of a store with faults, a line each."""
    return lxgit("fsck", *options, code=None).lines


@pytest.mark.parametrize("content", [b'{"created": 1', None])
def test_a_volume_that_is_damaged_can_be_mounted_again(based: Lxgit, content: bytes | None) -> None:
    based("create", "--name", "c", "-v", "v:/srv", "base", "true")
    record = based.store / "volumes/v/volume.json"
    (record.parent / "data/mine").touch()
    record.unlink()
    if content is not None:
        record.write_bytes(content)
    fault = "volume 'v': its volume.json does not say what it is (harms c)"
    first, hint = told(based)
    assert first == fault
    assert "lxgit fsck --repair" in hint
    refused(based("create", "-v", "v:/srv", "base", code=None), "'v' is damaged", "fsck --repair")
    assert told(based, "--repair") == [f"{fault} [repaired]"]
    assert based("fsck").out == SOUND
    assert (record.parent / "data/mine").exists()


def test_a_volume_that_is_missing(based: Lxgit) -> None:
    based("create", "--name", "c", "-v", "v:/srv", "base", "true")
    volume = based.store / "volumes/v"
    (volume / "data").rename(volume / "elsewhere")
    assert told(based)[0] == "volume 'v': the directory of its files is missing (harms c)"
    volume.rename(based.store / "v")
    assert told(based)[0] == "volume 'v' is missing (harms c)"
    based("volume", "create", "v")
    assert based("fsck").out == SOUND


@pytest.mark.parametrize("content", [bytes(60), None])
def test_networks(based: Lxgit, content: bytes | None) -> None:
    """What was chosen for one is not known any more: it is made anew by hand."""
    based("network", "create", "--subnet", "10.87.3.0/24", "red")
    based("create", "--name", "c", "--network", "red", "base", "true")
    based("create", "--name", "d", "--network", "container:c", "base", "true")
    assert based("fsck").out == SOUND
    record = based.store / "networks/red.json"
    record.unlink()
    if content is not None:
        record.write_bytes(content)
    fault, hint = told(based, "--repair")
    assert fault.startswith("network 'red'")
    assert fault.endswith("(harms c)")
    assert "lxgit network create red" in hint
    record.unlink(missing_ok=True)
    based("network", "create", "red")
    assert based("fsck").out == SOUND
