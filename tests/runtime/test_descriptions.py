"""What is written down of volumes and networks: what cannot be of either is told as damage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.runtime import networks, volumes

if TYPE_CHECKING:
    from pathlib import Path

NETWORK = networks.Network(
    id="0123456789abcdef" * 4,
    name="red",
    created=1_700_000_000_000_000_000,
    subnet="10.1.2.0/24",
    subnet_v6="fd00:1::/64",
    gateway="10.1.2.254",
    ip_range="10.1.2.128/25",
    labels={"stage": "test"},
)
ODD: list[dict[str, Any]] = [
    {"created": "x"},
    {"created": None},
    {"created": True},
    {"created": 1.5},
    {"created": -1},
    {"created": 10**30},
    {"labels": None},
    {"labels": [1]},
    {"labels": {"a": 1}},
]
ODD_NETWORKS: list[dict[str, Any]] = [
    {"id": 1},
    {"id": "0123"},
    {"name": 1},
    {"name": "blue"},
    {"subnet": "foo"},
    {"subnet": 167837952},
    {"subnet": "fd00:2::/64"},
    {"subnet": "", "subnet_v6": ""},
    {"subnet_v6": "10.1.3.0/24"},
    {"gateway": "10.1.3.1"},
    {"gateway": "x"},
    {"ip_range": "10.1.3.0/25"},
    {"ipv6": "yes"},
    {"internal": 1},
]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The file of a volume."""
    with volumes.kept(tmp_path / "volumes"):
        made = volumes.create(tmp_path / "volumes", "v", {"stage": "test"})
    return made.path / "volume.json"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """The file of a network."""
    with networks.settled(tmp_path / "networks"):
        networks.create(tmp_path / "networks", NETWORK)
    return tmp_path / "networks/red.json"


def put(file: Path, change: object) -> None:
    """Have it say something else, as somebody writes it by hand: without the checksum."""
    values = json.loads(file.read_bytes())
    del values["checksum"]
    file.write_text(json.dumps({**values, **change} if isinstance(change, dict) else change))


@pytest.mark.parametrize("change", [*ODD, [], "x", None])
def test_a_volume(volume: Path, change: object) -> None:
    put(volume, change)
    with pytest.raises(volumes.BrokenVolume):
        volumes.load(volume.parents[1], "v")


@pytest.mark.parametrize("change", [*ODD, *ODD_NETWORKS, [], "x", None])
def test_a_network(network: Path, change: object) -> None:
    assert networks.load(network.parent, "red") == NETWORK
    put(network, change)
    with pytest.raises(networks.BrokenNetwork):
        networks.load(network.parent, "red")


def test_lists_in_lists(volume: Path, network: Path) -> None:
    for file in volume, network:
        file.write_text("[" * 100_000)
    with pytest.raises(volumes.BrokenVolume):
        volumes.load(volume.parents[1], "v")
    with pytest.raises(networks.BrokenNetwork):
        networks.load(network.parent, "red")


def _loaded(file: Path) -> volumes.Volume | networks.Network:
    if file.name == "volume.json":
        return volumes.load(file.parents[1], file.parent.name)
    return networks.load(file.parent, file.stem)


def test_flipped_bits(volume: Path, network: Path) -> None:
    """Any is told, but for what stands behind the checksum."""
    for file in volume, network:
        whole = file.read_bytes()
        for at in range(0, 8 * len(whole.removesuffix(b'"\n}\n')), 3):
            flipped = bytearray(whole)
            flipped[at // 8] ^= 1 << at % 8
            file.write_bytes(flipped)
            with pytest.raises((volumes.BrokenVolume, networks.BrokenNetwork)):
                _loaded(file)


def test_one_of_before_there_were_checksums(volume: Path, network: Path) -> None:
    for file in volume, network:
        put(file, {})
    assert volumes.load(volume.parents[1], "v").labels == {"stage": "test"}
    assert networks.load(network.parent, "red") == NETWORK
