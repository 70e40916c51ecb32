"""Id maps: pure laws by Hypothesis, and the kernel's own view of a user namespace."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxgit.runtime import kernel
from lxgit.runtime.idmap import (
    ID_COUNT,
    Extent,
    IdMap,
    InvalidIdMap,
    UnmappedId,
    acl_to_disk,
    acl_to_image,
    capability_to_disk,
    capability_to_image,
    disk_to_host,
    user_namespace,
)
from tests.support.rlimits import descriptors_of

CONTAINER = IdMap((Extent(0, 500_000_000, 65536), Extent(3_000_000_000, 500_065_536, 1)))


@st.composite
def id_maps(draw: st.DrawFn) -> IdMap:
    """A few extents: inside in order with gaps, outside in a shuffled order with gaps."""
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    order = draw(st.permutations(range(len(counts))))
    inside: list[int] = []
    outside = [0] * len(counts)
    at = 0
    for count in counts:
        at += draw(st.integers(0, 3))
        inside.append(at)
        at += count
    at = 0
    for index in order:
        at += draw(st.integers(0, 3))
        outside[index] = at
        at += counts[index]
    return IdMap(tuple(map(Extent, inside, outside, counts)))


@given(id_maps(), st.integers(0, 60))
def test_outside_and_inside_are_inverse(idmap: IdMap, identity: int) -> None:
    try:
        there = idmap.outside(identity)
    except UnmappedId:
        return
    assert idmap.inside(there) == identity


@given(id_maps(), id_maps())
def test_composed_map_goes_from_disk_through_the_container_to_the_host(
    layer: IdMap, container: IdMap
) -> None:
    composed = disk_to_host(layer, container)
    for disk in range(60):
        try:
            expected = container.outside(layer.inside(disk))
        except UnmappedId:
            with pytest.raises(UnmappedId):
                composed.outside(disk)
        else:
            assert composed.outside(disk) == expected


@given(id_maps())
def test_composition_with_itself_is_identity_on_disk_ids(idmap: IdMap) -> None:
    assert all(e.inside == e.outside for e in disk_to_host(idmap, idmap).extents)


def test_identity() -> None:
    assert IdMap.identity().outside(2**32 - 2) == 2**32 - 2
    assert disk_to_host(IdMap.identity(), CONTAINER) == CONTAINER
    assert disk_to_host(IdMap.identity(), IdMap.identity()) == IdMap.identity()
    with pytest.raises(UnmappedId):
        IdMap.identity().outside(2**32 - 1)


@pytest.mark.parametrize(
    "extents",
    [
        (Extent(0, 0, 10), Extent(9, 100, 1)),
        (Extent(0, 0, 10), Extent(50, 9, 1)),
        (Extent(0, 0, 0),),
        (Extent(-1, 0, 1),),
        (Extent(ID_COUNT, 0, 1),),
        (Extent(0, ID_COUNT, 1),),
        tuple(Extent(2 * n, 2 * n, 1) for n in range(341)),
    ],
)
def test_impossible_maps_are_refused(extents: tuple[Extent, ...]) -> None:
    with pytest.raises(InvalidIdMap):
        IdMap(extents)


def test_340_extents_are_taken() -> None:
    assert len(IdMap(tuple(Extent(2 * n, 2 * n, 1) for n in range(340))).extents) == 340


def capability(revision: int, *, root: int | None = None) -> bytes:
    value = struct.pack("<5I", revision << 24 | 1, 1 << 13, 0, 0, 0)
    return value if root is None else value + struct.pack("<I", root)


def test_capabilities_of_the_containers_root_are_v2_in_the_image() -> None:
    assert capability_to_image(capability(3, root=500_000_000), CONTAINER) == capability(2)
    assert capability_to_disk(capability(2), CONTAINER) == capability(3, root=500_000_000)


def test_capabilities_of_a_nested_root_stay_v3() -> None:
    assert capability_to_image(capability(3, root=500_001_000), CONTAINER) == capability(
        3, root=1000
    )
    assert capability_to_disk(capability(3, root=1000), CONTAINER) == capability(
        3, root=500_001_000
    )


def test_capabilities_on_the_host_itself_stay_v2() -> None:
    assert capability_to_disk(capability(2), IdMap.identity()) == capability(2)
    assert capability_to_image(capability(2), IdMap.identity()) == capability(2)
    with pytest.raises(UnmappedId):
        capability_to_image(capability(2), CONTAINER)


@given(st.integers(0, 65535))
def test_capabilities_round_trip(root: int) -> None:
    value = capability(3, root=root) if root else capability(2)
    assert capability_to_image(capability_to_disk(value, CONTAINER), CONTAINER) == value


@given(st.binary(max_size=40))
def test_malformed_attributes_do_not_crash(value: bytes) -> None:
    if len(value) not in (20, 24):
        assert capability_to_disk(value, CONTAINER) == value
    permissive = IdMap((Extent(0, 0, ID_COUNT),))
    if b"\xff\xff\xff\xff" not in value:
        assert acl_to_disk(value, permissive) == value


def test_acl_ids_are_mapped_and_the_rest_left_alone() -> None:
    def acl(user: int, group: int) -> bytes:
        none = 0xFFFF_FFFF
        entries = [(1, 7, none), (2, 4, user), (4, 5, none), (8, 6, group), (16, 7, none)]
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    assert acl_to_disk(acl(1000, 3_000_000_000), CONTAINER) == acl(500_001_000, 500_065_536)
    assert acl_to_image(acl(500_001_000, 500_065_536), CONTAINER) == acl(1000, 3_000_000_000)


@pytest.mark.root
def test_user_namespace_holds_the_map_and_leaves_nothing() -> None:
    before = descriptors_of(os.getpid())  # some may be garbage, which goes meanwhile
    with user_namespace(CONTAINER) as fd:
        assert os.readlink(f"/proc/self/fd/{fd}").startswith("user:[")
        assert _map_seen_inside(fd) == [
            [0, 500_000_000, 65536],
            [3_000_000_000, 500_065_536, 1],
        ]
    assert descriptors_of(os.getpid()) <= before


def _map_seen_inside(namespace: int) -> list[list[int]]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.setns(namespace, kernel.CLONE_NEWUSER)
            with open("/proc/self/uid_map", "rb") as stream:
                os.write(write, stream.read())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return [[int(word) for word in line.split()] for line in text.splitlines()]
