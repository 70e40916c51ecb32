"""The index of containers: names and ids of the host, after crashes and losses, too."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from lxgit.records import replace
from lxgit.runtime.config import Request
from lxgit.runtime.containers import (
    Container,
    all_containers,
)
from lxgit.runtime.creating import create
from lxgit.runtime.erasing import remove, settled
from lxgit.runtime.index import container_names, stands
from lxgit.runtime.registering import (
    ContainerNameTaken,
    drop_stray,
    enter,
    entries_of,
    lacking,
    rename,
    strays,
)
from tests.support.stores import find

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = Request(
    image="base", command=("/bin/sh",), commit="1" * 40, branch="base", stack=("layer",)
)


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    path = tmp_path / "containers"
    path.mkdir()
    return path


@pytest.fixture
def half_renamed(containers: Path) -> Container:
    """A container `b` that `rename b bb` has entered under that name, and no more."""
    container = create(containers, replace(REQUEST, name="b"))
    (containers / ".names/bb").symlink_to(container.id)
    return container


def test_a_rename_that_was_killed_is_done_again(containers: Path, half_renamed: Container) -> None:
    assert rename(half_renamed, "bb").config.name == "bb"
    assert container_names(containers) == {"bb": half_renamed.id}
    with pytest.raises(ContainerNameTaken):
        rename(half_renamed, "bb")


def test_a_rename_that_was_killed_is_undone(containers: Path, half_renamed: Container) -> None:
    assert rename(half_renamed, "b").config.name == "b"
    assert container_names(containers) == {"b": half_renamed.id}


def test_a_rename_that_failed_at_its_end_is_done_again(
    containers: Path, half_renamed: Container
) -> None:
    """The record is there, and was not known to be on the disk."""
    half_renamed.configured(replace(half_renamed.config, name="bb"))
    assert rename(find(containers, "b"), "bb").config.name == "bb"
    assert container_names(containers) == {"bb": half_renamed.id}


def test_the_name_that_a_killed_rename_has_entered_is_anybodys(
    containers: Path, half_renamed: Container
) -> None:
    other = create(containers, replace(REQUEST, name="bb"))
    assert container_names(containers) == {"b": half_renamed.id, "bb": other.id}
    with pytest.raises(ContainerNameTaken):
        rename(half_renamed, "bb")


def test_the_name_that_a_killed_rename_has_entered_goes(
    containers: Path, half_renamed: Container
) -> None:
    with settled(containers):
        assert container_names(containers) == {"b": half_renamed.id}


@pytest.mark.parametrize("what", ["a file", "a directory", "a link to nothing that is one"])
def test_what_is_no_entry_takes_nothing_from_anybody(containers: Path, what: str) -> None:
    """As a backup without links brings it back."""
    made = create(containers, replace(REQUEST, name="web"))
    time.sleep(0.02)  # or it is the same change, to a kernel with a coarse clock
    for path in (*containers.glob(".names/*"), *containers.glob(".ranges/*")):
        path.unlink()
        strew(path, what)
    for name in (".names/x~", ".ranges/x~"):
        strew(containers / name, what)
    (containers / ".names/\udcff").symlink_to(made.id)
    assert container_names(containers) == {"web": made.id}
    with settled(containers) as living:
        assert living == [made.id]
    other = create(containers, REQUEST)
    assert other.config.ids.extents[0].outside != made.config.ids.extents[0].outside
    assert lacking(made) == []
    assert container_names(containers) == {"web": made.id, other.config.name: other.id}
    assert {path.name for path in strays(containers)} == {"x~"}
    assert all(map(drop_stray, strays(containers)))
    assert len(os.listdir(containers / ".names")) == len(os.listdir(containers / ".ranges")) == 2
    assert strays(containers) == []


def strew(path: Path, what: str) -> None:
    """Put what is no entry of the index there."""
    if what == "a file":
        path.write_text("f" * 64)
    elif what == "a directory":
        path.mkdir()
    else:
        path.symlink_to("../" * 22)


def test_a_range_that_a_damaged_container_may_have_stays(containers: Path) -> None:
    container = create(containers, REQUEST)
    (entry,) = containers.glob(".ranges/*")
    entry.unlink()
    entry.touch()
    (container.path / "config.json").write_text("{")
    assert strays(containers) == [entry]
    assert not drop_stray(entry)
    assert create(containers, REQUEST).config.ids.extents[0].outside != int(entry.name)


def test_an_entry_of_another_container_is_left_to_it(containers: Path) -> None:
    """Two have the same name and ids, as they once could be given."""
    made, other = create(containers, REQUEST), create(containers, REQUEST)
    name, taken = entries_of(made)
    for entry in (name, taken):
        entry.unlink()
        entry.symlink_to(other.id)
    other.configured(replace(other.config, name=name.name, idmap=made.config.idmap))
    assert lacking(made) == [name, taken]
    assert not enter(made)
    remove(made)
    assert os.readlink(name) == os.readlink(taken) == other.id


def lose(containers: Path, how: str) -> Path:
    """Take all links of the index, in the place or in a copy of all; where the containers are."""
    if how == "a copy":
        copy = containers.with_name("copy")
        subprocess.run(["cp", "-a", containers, copy], check=True)
        containers = copy
    time.sleep(0.02)  # older kernels have one time for all that is changed in a tick
    for entry in (*containers.glob(".names/*"), *containers.glob(".ranges/*")):
        entry.unlink()
    return containers


@pytest.mark.parametrize("how", ["in its place", "a copy"])
def test_an_index_that_is_lost_in_one_boot_gives_nothing_twice(containers: Path, how: str) -> None:
    made = create(containers, replace(REQUEST, name="one"))
    containers = lose(containers, how)
    assert find(containers, "one").id == made.id
    assert container_names(containers) == {"one": made.id}
    assert (containers / ".names/one").is_symlink() == (how == "a copy")
    with pytest.raises(ContainerNameTaken):
        create(containers, replace(REQUEST, name="one"))
    other = create(containers, REQUEST)
    assert other.config.ids.extents[0].outside != made.config.ids.extents[0].outside
    with pytest.raises(ContainerNameTaken):
        rename(other, "one")
    assert lacking(find(containers, "one")) == []


def test_an_index_that_only_lxgit_has_changed_is_as_its_lock_says(containers: Path) -> None:
    rename(create(containers, replace(REQUEST, name="web")), "db")
    remove(create(containers, REQUEST))
    assert (containers / ".lock").read_bytes() == stands(containers)
    with settled(containers):
        pass
    assert (containers / ".lock").read_bytes() == stands(containers)


def test_a_link_of_before_a_rename_that_outlived_a_power_failure(containers: Path) -> None:
    """`rm web` deleted the other one, whose record was right."""
    old = rename(create(containers, replace(REQUEST, name="web")), "web-old")
    new = create(containers, replace(REQUEST, name="web"))
    third = create(containers, replace(REQUEST, name="third"))
    taken = entries_of(new)[1]
    for entry in (*containers.glob(".names/*"), taken):
        entry.unlink()
    for entry in (containers / ".names/web", containers / ".names/lost", taken):
        entry.symlink_to(old.id)
    given = {"web": new.id, "web-old": old.id, "third": third.id}
    for boot in ("this one, on a disk that cannot be written to", "another boot"):
        if boot == "another boot":
            (containers / ".lock").write_text(boot)
        names = container_names(containers)
        assert names == given | ({} if boot == "another boot" else {"lost": old.id})
        assert {name: find(containers, name).id for name in given} == given
    assert sorted(os.listdir(containers / ".names")) == sorted(given)
    assert [lacking(one) for one in (old, new, third)] == [[], [], []]
    remove(find(containers, "web"))
    assert set(all_containers(containers)) == {old, third}


def test_names_and_ids_that_a_power_failure_took_are_known_after_the_next_boot(
    containers: Path,
) -> None:
    containers_of_before = [create(containers, REQUEST) for _ in range(3)]
    taken = set(os.listdir(containers / ".ranges"))
    for entry in (*containers.glob(".names/*"), *containers.glob(".ranges/*")):
        entry.unlink()
    (containers / ".lock").write_text("another boot")
    assert container_names(containers) == {one.config.name: one.id for one in containers_of_before}
    assert len(os.listdir(containers / ".names")) == 3
    assert set(os.listdir(containers / ".ranges")) == taken
    new = create(containers, REQUEST)
    assert set(os.listdir(containers / ".ranges")) > taken
    assert len(os.listdir(containers / ".ranges")) == 4
    assert container_names(containers)[new.config.name] == new.id
