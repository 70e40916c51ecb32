"""Volumes and networks that are damaged or missing, as fsck tells of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.program import Lxgit

SOUND = "No faults found.\n"


def told(lxgit: Lxgit, *options: str) -> Sequence[str]:
    """What fsck says of a store with faults, a line each."""
    return lxgit("fsck", *options, code=None).lines


@pytest.mark.parametrize("content", [b'{"created": 1', None, "a directory"])
def test_a_volume_that_is_damaged_can_be_mounted_again(
    based: Lxgit, content: bytes | str | None
) -> None:
    based("create", "--name", "c", "-v", "v:/srv", "base", "true")
    record = based.store / "volumes/v/volume.json"
    (record.parent / "data/mine").touch()
    record.unlink()
    if isinstance(content, str):
        (record / "below").mkdir(parents=True)
    elif content is not None:
        record.write_bytes(content)
    fault = "volume 'v': its volume.json does not say what it is (harms c)"
    first, hint = told(based)
    assert first == fault
    assert "lxgit fsck --repair" in hint
    refused(based("create", "-v", "v:/srv", "base", code=None), "'v' is damaged", "fsck --repair")
    assert told(based, "--repair") == [f"{fault} [repaired]"]
    assert based("fsck").out == SOUND
    assert (record.parent / "data/mine").exists()


@pytest.mark.parametrize("where", ["an empty directory", "nowhere"])
def test_a_volume_that_is_a_link(based: Lxgit, scratch: Path, where: str) -> None:
    """It hindered every `prune` for good once it was deleted; nothing is written through it."""
    elsewhere = scratch / "elsewhere"
    link = based.store / "volumes/big"
    based("volume", "create", "small")
    link.symlink_to(elsewhere)
    if where != "nowhere":
        elsewhere.mkdir()
    assert based("volume", "ls", "--format", "{{.Name}} {{.Driver}}").lines == [
        "big damaged",
        "small local",
    ]
    _, hint, *_ = told(based, "--repair")
    assert "'lxgit volume rm big' deletes that alone" in hint
    assert not elsewhere.exists() or not list(elsewhere.iterdir())
    based("system", "df")
    refused(
        based("create", "-v", "big:/srv", "base", code=125), "'big' is damaged", "symbolic link"
    )
    based("volume", "rm", "big")
    assert not os.path.lexists(link)
    assert elsewhere.exists() == (where != "nowhere")
    assert based("fsck").out == SOUND


@pytest.mark.parametrize("how", ["rm big", "prune -af"])
def test_a_whole_volume_that_has_been_moved_to_another_disk(
    based: Lxgit, scratch: Path, how: str
) -> None:
    based("volume", "create", "big")
    link = based.store / "volumes/big"
    link.rename(scratch / "big")
    link.symlink_to(scratch / "big")
    (link / "data/mine").touch()
    based("rm", based("create", "-v", "big:/srv", "base", "true").lines[0])
    assert based("fsck").out == SOUND
    based("volume", *how.split())
    assert (scratch / "big/data/mine").exists()
    (based.store / "volumes/.gone-0123").symlink_to(scratch / "big")  # as before
    for words in ("volume prune -f", "prune", "gc"):
        based(*words.split())
    assert sorted(os.listdir(based.store / "volumes")) == [".lock"]


def test_a_volume_that_is_missing(based: Lxgit) -> None:
    based("create", "--name", "c", "-v", "v:/srv", "base", "true")
    volume = based.store / "volumes/v"
    (volume / "data").rename(volume / "elsewhere")
    assert told(based)[0] == "volume 'v': the directory of its files is missing (harms c)"
    volume.rename(based.store / "v")
    assert told(based)[0] == "volume 'v' is missing (harms c)"
    based("volume", "create", "v")
    assert based("fsck").out == SOUND


def test_a_network_that_is_a_directory(based: Lxgit) -> None:
    """`network rm` deletes it, as is told."""
    record = based.store / "networks/red.json"
    based("network", "create", "red")
    record.unlink()
    (record / "below").mkdir(parents=True)
    refused(
        based("network", "inspect", "red", code=1), "is damaged", "lxgit network rm red", out="[]\n"
    )
    based("network", "rm", "red")
    based("network", "create", "red")
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
