"""Containers on disk: names, ids, ranges, and what is true after a crash."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxgit.beneath import drop
from lxgit.locks import LockHeld, locked
from lxgit.records import replace
from lxgit.runtime import idranges, index, rundir
from lxgit.runtime.config import EXITED, RUNNING, ContainerState, Request
from lxgit.runtime.containers import (
    BrokenContainer,
    Container,
    all_containers,
    broken,
)
from lxgit.runtime.creating import create
from lxgit.runtime.erasing import drop_gone, gone, remove, settled
from lxgit.runtime.holders import is_starting
from lxgit.runtime.idmap import Extent, InvalidIdMap
from lxgit.runtime.index import AmbiguousContainer, NoSuchContainer, container_names
from lxgit.runtime.names import InvalidContainerName
from lxgit.runtime.registering import (
    ContainerNameTaken,
)
from lxgit.runtime.runplace import socket_path
from tests.support.stores import find

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

REQUEST = Request(
    image="base", command=("/bin/sh",), commit="1" * 40, branch="base", stack=("layer",)
)


@pytest.fixture
def containers(tmp_path: Path) -> Path:
    path = tmp_path / "containers"
    path.mkdir()
    return path


def test_a_container_is_found_by_name_and_by_the_beginning_of_its_id(containers: Path) -> None:
    one = create(containers, replace(REQUEST, name="one"))
    other = create(containers, REQUEST)
    assert find(containers, "one") == one
    assert find(containers, one.id) == one
    assert find(containers, other.id[:12]) == other
    assert all_containers(containers) == [other, one]
    assert container_names(containers) == {"one": one.id, other.config.name: other.id}
    with pytest.raises(NoSuchContainer):
        find(containers, "xyz")
    with pytest.raises(NoSuchContainer):
        find(containers, "")


def test_an_ambiguous_id_names_the_candidates(containers: Path) -> None:
    ids = [create(containers, REQUEST).id for _ in range(20)]  # some two begin alike
    twice = next(i[0] for i in ids if sum(j[0] == i[0] for j in ids) > 1)
    with pytest.raises(AmbiguousContainer) as caught:
        find(containers, twice)
    assert all(i[:12] in str(caught.value.hint) for i in ids if i[0] == twice)


def test_a_drawn_name_that_is_refused_is_drawn_anew(containers: Path) -> None:
    """A branch may have it; whoever asks for a name that one has is told."""
    asked: list[str] = []

    def check(name: str) -> None:
        asked.append(name)
        if name == asked[0]:
            raise InvalidContainerName(f"'{name}' is a branch")

    given = create(containers, REQUEST, check=check).config.name
    # Each once, as that reads the names of all branches; the same may be drawn again.
    assert asked == [asked[0]] * (len(asked) - 1) + [given]
    with pytest.raises(InvalidContainerName, match="is a branch"):
        create(containers, replace(REQUEST, name=asked[0]), check=check)


def test_where_every_name_is_refused_it_is_told_why(containers: Path) -> None:
    """As where the names of branches cannot be read."""
    asked: list[str] = []

    def check(name: str) -> None:
        asked.append(name)
        raise InvalidContainerName("no name will do")

    with pytest.raises(InvalidContainerName, match="no name will do"):
        create(containers, REQUEST, check=check)
    assert len(asked) == 9
    assert all_containers(containers) == []


def test_names_are_unique_until_the_container_goes(containers: Path) -> None:
    container = create(containers, replace(REQUEST, name="web"))
    with pytest.raises(ContainerNameTaken):
        create(containers, replace(REQUEST, name="web"))
    remove(container)
    assert container_names(containers) == {}
    create(containers, replace(REQUEST, name="web"))
    assert sorted(os.listdir(containers / ".ranges")) != []


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "a\n", "ä", "x" * 129, "f" * 64])
def test_impossible_names(containers: Path, name: str) -> None:
    with pytest.raises(InvalidContainerName):
        create(containers, replace(REQUEST, name=name))
    assert all_containers(containers) == []


@settings(deadline=None)
@given(st.lists(st.text(alphabet=st.characters(codec=None), max_size=8), max_size=4))
def test_any_command_comes_back(
    tmp_path_factory: pytest.TempPathFactory, command: list[str]
) -> None:
    path = tmp_path_factory.mktemp("containers")
    container = create(path, replace(REQUEST, command=tuple(command)))
    assert find(path, container.id).config == container.config


def test_ranges_do_not_overlap_and_are_given_back(containers: Path) -> None:
    made = [
        create(containers, replace(REQUEST, outside_range=(70000, 70001, 2**32 - 2)))
        for _ in range(3)
    ]
    firsts = [e.outside for c in made for e in c.config.ids.extents if e.count == 65536]
    assert len(set(firsts)) == 3
    ids = made[0].config.ids
    assert ids.outside(70001) == ids.outside(70000) + 1
    assert ids.inside(ids.outside(2**32 - 2)) == 2**32 - 2
    assert len(os.listdir(containers / ".ranges")) == 6
    remove(made[0])
    assert len(os.listdir(containers / ".ranges")) == 4


def test_a_range_of_a_container_that_a_crash_took_is_free_again(containers: Path) -> None:
    (containers / ".ranges").mkdir()
    (containers / ".ranges" / str(0x7000_0000)).symlink_to("f" * 64)
    create(containers, REQUEST)
    assert len(os.listdir(containers / ".ranges")) == 1


def test_too_many_ids_outside_the_range(containers: Path) -> None:
    with pytest.raises(InvalidIdMap, match="340"):
        create(containers, replace(REQUEST, outside_range=tuple(range(70000, 72000, 2))))
    assert os.listdir(containers / ".ranges") == []
    assert all_containers(containers) == []


def test_roots_own_lines_come_first_and_nobody_elses_is_touched(
    containers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "alice:100000:65536\nroot:165536:131072\nroot:1000000:65535\nnonsense\n"
    lines += "bob:1879048192:65536\n"
    for name in ("uid", "gid"):
        (tmp_path / name).write_text(lines)
    monkeypatch.setattr(idranges, "_SUBIDS", (str(tmp_path / "uid"), str(tmp_path / "gid")))
    firsts = [create(containers, REQUEST).config.ids.extents[0].outside for _ in range(5)]
    assert sorted(firsts[:2]) == [165536, 231072]
    assert all(first >= 0x7001_0000 for first in firsts[2:])


def test_ids_of_the_host(containers: Path) -> None:
    container = create(containers, replace(REQUEST, host_ids=True))
    assert container.config.idmap is None
    assert container.config.ids.outside(4711) == 4711
    assert os.listdir(containers / ".ranges") == []


def test_ids_run_out(containers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idranges, "_HIGH", range(0x7000_0000, 0x7002_0000, 65536))
    monkeypatch.setattr(idranges, "_SUBIDS", ("/nowhere", "/nowhere"))
    made = [create(containers, REQUEST) for _ in range(2)]
    with pytest.raises(idranges.IdsExhausted):
        create(containers, REQUEST)
    remove(made[0])
    create(containers, REQUEST)


def test_running_is_what_the_lock_says(containers: Path) -> None:
    container = create(containers, REQUEST)
    container.record(ContainerState(status=RUNNING, pid=1, started=5))
    assert container.state.status == EXITED
    assert container.state.started == 5
    assert "killed" in str(container.state.error)
    assert container.recorded_state().exit_code == 137  # by whom looked first
    container.record(ContainerState(status=RUNNING))
    child = hold(container)
    assert find(containers, container.id).is_running
    with pytest.raises(LockHeld):
        remove(container)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not find(containers, container.id).is_running
    remove(container)


def test_being_started_is_what_was_written_last(containers: Path) -> None:
    """A supervisor writes to the lock when it begins, and the state when all has ended."""
    container = create(containers, REQUEST)
    seen = []
    with container.lock() as lock:
        seen.append(is_starting(container))
        os.pwrite(lock, b"1\n", 0)
        container.record(ContainerState(status=EXITED, exit_code=0))
        os.utime(container.path / "lock", ns=(1, 1))
        seen.append(is_starting(container))
    with container.lock() as lock:
        os.pwrite(lock, b"2\n", 0)
        seen.append(is_starting(container))
    assert [*seen, is_starting(container)] == [True, False, True, False]


def test_who_only_looks_is_in_nobodys_way(containers: Path) -> None:
    """The lock is tried to see whether it runs: by one who was stopped at that very moment."""
    container = create(containers, REQUEST)
    container.record(ContainerState(status=RUNNING))
    with contextlib.ExitStack() as looking:
        looking.enter_context(locked(container.path / "lock", shared=True, what="it"))
        threading.Timer(0.2, looking.close).start()
        with container.lock():
            assert container.recorded_state().status == EXITED


def hold(container: Container) -> int:
    """A process that holds the container's lock until it is killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with container.lock():
            os.write(write, b"x")
            signal.pause()
    os.read(read, 1)
    os.close(read)
    os.close(write)
    return child


@pytest.mark.parametrize("begins", [True, False])
def test_an_upper_directory_that_comes_or_goes_as_it_is_looked_for(
    containers: Path, monkeypatch: pytest.MonkeyPatch, *, begins: bool
) -> None:
    """A start makes it before the note, a commit takes the note away before it: none is lost."""
    container = create(containers, REQUEST)
    if not begins:
        container.upper.mkdir()
        container.note_upper()
    read = index.content

    def content(file: Path) -> bytes | None:
        if begins:
            container.upper.mkdir()
            container.note_upper()
            return read(file)
        found = read(file)
        container.forget_upper()
        container.upper.rmdir()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(index, "content", content)
        assert not container.has_lost_upper
    drop(container.upper)
    assert container.has_lost_upper


def test_a_change_of_the_configuration(containers: Path) -> None:
    container = create(containers, REQUEST)
    changed = container.configured(replace(container.config, commit="2" * 40, stack=("a", "b")))
    assert find(containers, container.id) == changed
    assert changed.config.stack == ("a", "b")


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"id": 1, "idmap": 5}'])
def test_damage_is_told_and_harms_no_other(containers: Path, content: bytes) -> None:
    container = create(containers, REQUEST)
    other = create(containers, REQUEST)
    (container.path / "config.json").write_bytes(content)
    assert all_containers(containers) == [other]
    assert broken(containers) == [container.id]
    with pytest.raises(BrokenContainer, match=container.id[:12]):
        find(containers, container.id)


def test_a_record_of_another_id_is_not_the_containers(containers: Path) -> None:
    """A flipped digit, or a directory that was copied."""
    container = create(containers, replace(REQUEST, name="web"))
    other = f"{int(container.id[0], 16) ^ 1:x}{container.id[1:]}"
    container.configured(replace(container.config, id=other))
    assert broken(containers) == [container.id]
    assert all_containers(containers) == []
    with pytest.raises(BrokenContainer, match=container.id[:12]):
        find(containers, "web")


def test_a_deletion_is_known_until_what_is_left_goes(containers: Path) -> None:
    container = create(containers, REQUEST)
    (containers / ".gone-0123").mkdir()  # no container's
    remove(container)
    assert container_names(containers) == {}
    assert all_containers(containers) == []
    assert gone(containers) == [container.id]
    drop_gone(containers, container.id)
    assert gone(containers) == []


def test_extents_are_kept_as_they_are(containers: Path) -> None:
    container = create(containers, replace(REQUEST, outside_range=(70000,)))
    assert find(containers, container.id).config.ids.extents[1].inside == 70000
    assert Extent(0, container.config.ids.outside(0), 65536) in container.config.ids.extents


@pytest.mark.parametrize("content", [b"", bytes(900)])
def test_a_record_that_did_not_reach_the_disk_is_none(containers: Path, content: bytes) -> None:
    """Nobody was told of the container, or it was to go with the boot (--rm)."""
    lost = create(containers, replace(REQUEST, name="web"))
    (lost.path / "config.json").write_bytes(content)
    assert all_containers(containers) == []
    assert broken(containers) == []
    assert container_names(containers) == {}
    with pytest.raises(NoSuchContainer):
        find(containers, lost.id)
    made = create(containers, replace(REQUEST, name="web"))
    with settled(containers) as living:
        assert living == [made.id]
    assert not lost.path.exists()


@pytest.mark.parametrize("content", [b"", bytes(900)])
def test_what_was_written_in_a_container_stays_whatever_becomes_of_its_record(
    containers: Path, content: bytes
) -> None:
    container = create(containers, REQUEST)
    (container.path / "upper").mkdir()
    (container.path / "upper/written").touch()
    (container.path / "config.json").write_bytes(content)
    with settled(containers) as living:
        assert living == [container.id]
    assert broken(containers) == [container.id]
    with pytest.raises(BrokenContainer, match=container.id[:12]):
        find(containers, container.config.name)


@pytest.mark.parametrize("content", [b"", bytes(900), None])
@pytest.mark.parametrize("goes", [{"remove": True}, {"owner": "of-a-build"}])
def test_what_was_to_go_with_its_command_goes_with_its_record(
    containers: Path, content: bytes | None, goes: dict[str, Any]
) -> None:
    container = create(containers, replace(REQUEST, **goes))
    container.upper.mkdir()
    (container.upper / "written").touch()
    with settled(containers) as living:
        assert living == [container.id]
    if content is None:
        (container.path / "config.json").unlink()
    else:
        (container.path / "config.json").write_bytes(content)
    with container.lock(), settled(containers) as living:
        assert living == [container.id]
    assert broken(containers) == []
    with settled(containers) as living:
        assert living == []


@pytest.mark.parametrize("content", [b"", bytes(900), None])
@pytest.mark.parametrize("known", ["somebody was told", "it has come through a boot"])
def test_a_record_that_was_on_the_disk_is_lost(
    containers: Path, content: bytes | None, known: str
) -> None:
    container = create(containers, REQUEST)
    if known == "somebody was told":
        container.settle()
    else:
        (containers / ".lock").write_text("another boot")
        create(containers, REQUEST)
    if content is None:
        (container.path / "config.json").unlink()
    else:
        (container.path / "config.json").write_bytes(content)
    with settled(containers) as living:
        assert container.id in living
    assert broken(containers) == [container.id]


@pytest.mark.parametrize("content", [b"", bytes(300)])
def test_a_state_that_did_not_reach_the_disk_is_none(containers: Path, content: bytes) -> None:
    container = create(containers, REQUEST)
    container.record(ContainerState(status=EXITED, exit_code=3))
    (container.path / "state.json").write_bytes(content)
    assert container.state == ContainerState()


@pytest.mark.root
def test_a_copy_in_another_store_that_runs_is_told_of(containers: Path) -> None:
    """Its supervisor has the place under /run, and this container's lock is free."""
    container = create(containers, REQUEST)
    rundir.prepare()
    with (
        rundir.claimed(container.id),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener,
    ):
        listener.bind(socket_path(container.id))
        listener.listen()
        with pytest.raises(LockHeld, match="another store"), container.lock():
            pass
    with container.lock():
        pass


@pytest.mark.root
def test_a_supervisor_on_its_way_out_is_waited_for(containers: Path) -> None:
    """It has let go of the container's lock and listens no more, and may be slow at the rest."""
    container = create(containers, REQUEST)
    rundir.prepare()
    leaving = contextlib.ExitStack()
    leaving.enter_context(rundir.claimed(container.id))
    timer = threading.Timer(3, leaving.close)
    timer.start()
    with container.lock():
        assert not (rundir.CONTAINERS / container.id).exists()
    timer.join()
