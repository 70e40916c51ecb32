"""A container's records as JSON: each comes back, and damage anywhere in one is told as such."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lxgit.fsutil import write_over
from lxgit.records import fields, replace
from lxgit.runtime.config import (
    RUNNING,
    Attachment,
    ContainerConfig,
    ContainerState,
    InvalidRecord,
    Request,
    decoded_config,
    decoded_state,
    encoded,
)
from lxgit.runtime.health import Health, HealthCheck, HealthResult
from lxgit.runtime.idmap import Extent, IdMap
from lxgit.runtime.limits import Limits
from lxgit.runtime.mounts import Mount
from lxgit.runtime.network.endpoint import Endpoint
from lxgit.runtime.restarts import RestartPolicy
from lxgit.runtime.security import Security

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUEST = Request(
    image="base",
    command=("sh",),
    commit="1" * 40,
    branch="base",
    stack=("0123456789abcdef",),
    connected=(Attachment("red", ("db",), "10.1.2.3"),),
    mounts=(
        Mount(kind="tmpfs", target="/t", size=4096, owner=(3, 4)),
        Mount(kind="volume", target="/d", source="kept"),
    ),
    limits=Limits(memory=64 << 20, cpus=0.5, cpuset="0-1"),
    security=Security(cap_add=("CAP_SYS_TIME",)),
    restart=RestartPolicy("on-failure", 3),
    health=HealthCheck(("true",), interval=5.0),
    stop_timeout=5,
    labels=("a=b",),
)
CONFIG = replace(
    REQUEST.given("a" * 64, "web", IdMap((Extent(0, 0x7000_0000, 65536),))), base="2" * 40
)
STATE = ContainerState(
    status=RUNNING,
    pid=7,
    started=5,
    health=Health("healthy", 0, (HealthResult(1, 2, 0, "well"),)),
    endpoint=Endpoint("br0", "10.1.2.3", 24, "10.1.2.1", "", 0, "", "02:00:00:00:00:01", ("80",)),
)
OTHERS: tuple[object, ...] = (7.5, 1 << 64, [7], [[]], [{}], {"x": 1}, "x" * 41, True, None)


def rewritten(record: ContainerConfig | ContainerState, **values: Any) -> bytes:
    """A record with other values, as one was written before there were checksums."""
    members = json.loads(encoded(record))
    del members["checksum"]
    return json.dumps({**members, **values}).encode()


def test_each_comes_back() -> None:
    assert decoded_config(encoded(CONFIG)) == CONFIG
    assert decoded_state(encoded(STATE)) == STATE
    assert decoded_config(rewritten(CONFIG)) == CONFIG


@pytest.mark.parametrize("name", [one.name for one in fields(ContainerConfig)])
def test_a_value_of_another_type_is_none(name: str) -> None:
    good = json.loads(encoded(CONFIG))[name]
    for bad in OTHERS:
        if fits(bad, good, name):
            continue
        with pytest.raises(InvalidRecord):
            decoded_config(rewritten(CONFIG, **{name: bad}))


def fits(bad: object, good: object, name: str) -> bool:
    """Whether a value is of the type of a good one, which is null of few."""
    empty = name in ("idmap", "branch", "base", "health", "stop_timeout", "log_size")
    text = isinstance(good, str) and name not in ("id", "commit", "base", "upper")
    return (
        (bad is None and empty)
        or (isinstance(bad, bool) and isinstance(good, bool))
        or (isinstance(bad, str) and text)
        or (isinstance(bad, dict) and name in ("limits", "restart", "security"))
    )


@pytest.mark.parametrize("name", [one.name for one in fields(ContainerState)])
def test_a_value_of_a_state_of_another_type_is_none(name: str) -> None:
    for bad in OTHERS[:5]:
        with pytest.raises(InvalidRecord):
            decoded_state(rewritten(STATE, **{name: bad}))


@pytest.mark.parametrize(
    "bad",
    [
        {"commit": "1" * 39 + "u"},
        {"base": "1" * 39},
        {"id": "a" * 63},
        {"id": "../" * 20 + "abcd"},
        {"name": "a/b"},
        {"name": ""},
        {"upper": "uppes"},
        {"upper": ""},
        {"idmap": {"extents": [{"inside": 0, "outside": 5.5, "count": 1}]}},
        {"mounts": [{"kind": "tmpfs", "target": "/t", "owner": [1, "x"]}]},
        {"connected": ["red"]},
        {"health": {"command": "true"}},
    ],
)
def test_a_text_of_another_form_is_none(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidRecord):
        decoded_config(rewritten(CONFIG, **bad))


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"1", b'"x"', b'{"status": "x"}'])
def test_bytes_that_are_no_record(content: bytes) -> None:
    for decoded in (decoded_config, decoded_state):
        with pytest.raises(InvalidRecord):
            decoded(content)


@pytest.mark.parametrize(
    ("record", "decoded"),
    [(CONFIG, decoded_config), (STATE, decoded_state)],
    ids=["config", "state"],
)
def test_one_bit_anywhere(
    record: ContainerConfig | ContainerState, decoded: Callable[[bytes], object]
) -> None:
    whole = encoded(record)
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        with pytest.raises(InvalidRecord):
            decoded(bytes(damaged))


def test_what_was_changed_by_hand_has_no_checksum() -> None:
    """Another order is as good as none, and so is a member that nobody knows, but as the last."""
    members = json.loads(encoded(CONFIG))
    with pytest.raises(InvalidRecord):
        decoded_config(json.dumps(members).encode())
    assert decoded_config(rewritten(CONFIG)) == CONFIG
    assert (
        decoded_config(json.dumps({"new": 1, **json.loads(rewritten(CONFIG))}).encode()) == CONFIG
    )
    with pytest.raises(InvalidRecord):
        decoded_config(rewritten(CONFIG, bose=None))


def test_a_state_that_was_written_over_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(encoded(STATE))
    write_over(path, encoded(ContainerState()))
    assert decoded_state(path.read_bytes()) == ContainerState()
