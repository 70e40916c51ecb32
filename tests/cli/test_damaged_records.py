"""Records of containers that are damaged: each is told by its name, and is in nobody's way."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.program import refused
from tests.support.rlimits import file_size

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit


@pytest.fixture
def config(based: Lxgit) -> Path:
    """The record of a container `web` that was not started."""
    based("create", "--name", "web", "base", "true")
    (record,) = based.store.glob("containers/*/config.json")
    return record


def rewrite(record: Path, **values: Any) -> None:
    """Write other values into a record, which has no checksum then, as those of before."""
    members = json.loads(record.read_bytes())
    del members["checksum"]
    record.write_text(json.dumps({**members, **values}))


@pytest.mark.parametrize(
    "damage",
    [{"commit": "u" * 40}, {"created": "yesterday"}, {"labels": [1]}, {"network": None}],
)
def test_a_value_that_is_none(based: Lxgit, config: Path, damage: dict[str, Any]) -> None:
    """What is about all containers goes on, and fsck says which it is."""
    rewrite(config, **damage)
    told = f"container {config.parent.name[:12]}"
    assert f"{told}: its files do not say what it is" in based("fsck", code=1).out
    for words in ("ps -a", "gc", "system df", "fsck --repair"):
        result = based(*words.split(), code=None)
        assert result.code == (words == "fsck --repair")
        assert "object id" not in result.err
    refused(based("rm", "web", code=1), f"{told} is damaged", "lxgit rm -f")
    based("rm", "-f", config.parent.name)
    assert based("fsck").out == "No faults found.\n"


@pytest.mark.parametrize("file", ["config.json", "state.json"])
@pytest.mark.parametrize("damage", ["a bad sector", "a directory"])
def test_a_file_that_cannot_be_read(based: Lxgit, config: Path, file: str, damage: str) -> None:
    """It stops nobody, and fsck says whose it is."""
    path = config.with_name(file)
    path.unlink(missing_ok=True)
    if damage == "a directory":
        path.mkdir()
    else:
        path.symlink_to("/proc/self/mem")  # reading its first bytes is EIO
    told = based("fsck", code=1)
    assert f"container {config.parent.name[:12]}: its " in told.out
    based("create", "--name", "other", "base", "true")
    assert len(based("ps", "-aq").lines) == 2 - (file == "config.json")
    based("fsck", "--repair", code=None)
    based("rm", "-f", config.parent.name)
    assert based("ps", "-aq").lines == [based("inspect", "-f", "{{.Id}}", "other").out[:12]]
    assert based("fsck").out == "No faults found.\n"


def test_a_state_that_is_a_directory_is_mended(based: Lxgit, config: Path) -> None:
    """It was said to be, and stayed."""
    state = config.with_name("state.json")
    state.unlink(missing_ok=True)
    state.mkdir()
    (state / "file").touch()
    assert "'lxgit fsck --repair' has it be one that has ended" in based("fsck", code=1).out
    assert "[repaired]" in based("fsck", "--repair").out
    assert based("fsck").out == "No faults found.\n"
    assert based("inspect", "-f", "{{.State.Status}}", "web").out == "exited\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_one_whose_state_is_a_directory_can_be_started(based: Lxgit, config: Path) -> None:
    state = config.with_name("state.json")
    state.unlink(missing_ok=True)
    state.mkdir()
    based("start", "-a", "web")
    assert based("fsck").out == "No faults found.\n"


@pytest.mark.parametrize("options", ["-a", "-aq", "-a --format json", "-n 5"])
def test_a_listing_says_that_some_are_damaged(based: Lxgit, config: Path, options: str) -> None:
    """Beside the answer, of which they are no part."""
    other = based("create", "--name", "other", "base", "true").out[:12]
    config.write_bytes(config.read_bytes().replace(b'"web"', b'"wea"'))
    result = based("ps", *options.split())
    first = config.parent.name[:12]
    assert result.err == f"lxgit: a container is damaged: {first}\nhint: 'lxgit fsck' says more\n"
    assert first not in result.out
    assert other in result.out
    assert based("ps").err == ""
    for number in range(6):
        config.parent.with_name(f"{number}" * 64).mkdir()
        config.parent.with_name(f"{number}" * 64).joinpath("config.json").write_text("none")
    told = based("ps", *options.split()).err
    assert "7 containers are damaged: " in told
    assert " and 2 more\n" in told


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_listing_of_those_that_run_says_that_one_is_damaged(based: Lxgit) -> None:
    based("run", "-d", "--name", "web", "base", "sleep", "100")
    (config,) = based.store.glob("containers/*/config.json")
    config.write_bytes(bytes(100))
    assert f"a container is damaged: {config.parent.name[:12]}\n" in based("ps").err
    based("rm", "-f", config.parent.name)
    assert based("ps", "-a").err == ""


def test_its_data_is_told_of_where_there_is_some(based: Lxgit, config: Path) -> None:
    config.write_bytes(bytes(100))
    deletes = f"'lxgit rm -f {config.parent.name[:12]}' deletes it"
    assert based("fsck", code=1).lines[1].strip() == f"hint: {deletes}"
    assert based("rm", "web", code=1).err.splitlines()[1] == f"hint: {deletes}"
    config.with_name("upper.other").mkdir()
    told = f"hint: its data is in {config.with_name('upper.other')}; {deletes}"
    assert based("fsck", code=1).lines[1].strip() == told
    assert based("rm", "web", code=1).err.splitlines()[1] == told


def in_place_of(path: Path, damage: str) -> None:
    """Have something else stand where a container's directory or one of its files was."""
    if path.is_dir():
        path.rename(path.with_name("before"))
    path.unlink(missing_ok=True)
    if damage == "a pipe":
        os.mkfifo(path)
    elif damage == "a socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        path.touch()


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        ("config.json", "a pipe"),
        ("config.json", "a socket"),
        ("upper", "a file"),
        (".", "a file"),
        (".", "a pipe"),
    ],
)
def test_what_is_no_file_of_a_container(
    based: Lxgit, config: Path, place: str, damage: str
) -> None:
    """It hinders nothing that is about others, and `rm -f` removes it."""
    config.rename(based.store / "config")
    in_place_of(config.parent / place, damage)
    based("create", "--name", "other", "base", "true")
    other = based("inspect", "-f", "{{.Id}}", "other").out.strip()
    told = f"container {config.parent.name[:12]}"
    assert based("ps", "-aq", timeout=60).lines == [other[:12]]
    assert f"{told}: its files do not say what it is" in based("fsck", code=1, timeout=60).out
    for words in ("prune", "gc", "system df"):
        based(*words.split(), timeout=60)
    assert told in based("system", "start-all", code=1, timeout=60).err
    refused(based("rm", "web", code=1, timeout=60), f"{told} is damaged", "lxgit rm -f")
    based("rm", "-f", config.parent.name, timeout=60)
    assert based("fsck").out == "No faults found.\n"
    assert not list(based.store.glob(f"containers/*{config.parent.name}"))


@pytest.mark.parametrize("damage", ["a directory", "a pipe"])
@pytest.mark.parametrize("note", ["known", "has-upper"])
def test_a_note_of_a_container_that_is_none_after_a_reboot(
    based: Lxgit, config: Path, note: str, damage: str
) -> None:
    """It stopped every command that makes, starts, removes or repairs a container."""
    config.with_name("upper").mkdir()
    path = config.with_name(note)
    path.unlink(missing_ok=True)
    if damage == "a pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
        path.joinpath("within").touch()
    (based.store / "containers/.lock").write_bytes(b"")
    based("create", "--name", "other", "base", "true", timeout=60)
    assert sorted(based("ps", "-a", "--format", "{{.Names}}").lines) == ["other", "web"]
    assert path.is_file() == (note == "has-upper")
    assert based("fsck", "--repair").out == "No faults found.\n"
    based("rm", "-f", "web")
    assert based("ps", "-a", "--format", "{{.Names}}").lines == ["other"]


@pytest.mark.parametrize("damage", ["a link that leads nowhere", "a pipe for a lock"])
def test_a_leftover_that_is_no_directory_of_a_container(
    based: Lxgit, config: Path, damage: str
) -> None:
    leftover = config.parent.with_name("f" * 64)
    if damage == "a pipe for a lock":
        leftover.mkdir()
        os.mkfifo(leftover / "lock")
    else:
        leftover.symlink_to("nowhere")
    assert based("ps", "-a", "--format", "{{.Names}}", timeout=60).lines == ["web"]
    based("prune", timeout=60)
    assert not list(based.store.glob(f"containers/*{leftover.name}"))
    assert based("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
@pytest.mark.parametrize("without", ["the checksum", "a bit"])
def test_a_bit_in_the_name_of_what_it_has_changed(based: Lxgit, without: str) -> None:
    """Its files were a leftover to gc, and nothing told."""
    based("run", "--name", "web", "base", "touch", "/srv/kept")
    (record,) = based.store.glob("containers/*/config.json")
    if without == "a bit":
        record.write_bytes(record.read_bytes().replace(b'"upper": "upper"', b'"upper": "uppes"'))
    else:
        rewrite(record, upper="uppes")
    told = f"container {record.parent.name[:12]}: its files do not say what it is"
    assert told in based("fsck", code=1).out
    for words in ("gc", "prune", "fsck --repair"):
        based(*words.split(), code=None)
    assert (record.parent / "upper/srv/kept").exists()


@pytest.mark.parametrize("again", ["rename web", "create --name"])
def test_a_rename_that_failed(based: Lxgit, config: Path, again: str) -> None:
    """The next try works, and so does whoever else wants that name."""
    name = "b" * 100
    with file_size(config.stat().st_size):  # there is no place for a longer one
        refused(based("rename", "web", name, code=1), "file too large")
    based(*again.split(), name, *(["base", "true"] if again == "create --name" else []))
    names = based("ps", "-a", "--format", "{{.Names}}").lines
    assert names == ([name, "web"] if again == "create --name" else [name])
    assert based("fsck").out == "No faults found.\n"


def without_links(store: Path) -> None:
    """Bring the index back as a backup without links does."""
    for entry in (*store.glob("containers/.names/*"), *store.glob("containers/.ranges/*")):
        made_for = entry.readlink().name
        entry.unlink()
        entry.write_text(made_for)


def test_an_index_of_a_backup_without_links(based: Lxgit, config: Path) -> None:
    """Commands go on, and fsck makes it again."""
    without_links(based.store)
    assert based("inspect", "-f", "{{.Id}}", "web").out == config.parent.name + "\n"
    based("ps", "-a")
    told = based("fsck", code=1).out
    assert f"container {config.parent.name[:12]}: its name 'web' is not its (harms web)" in told
    assert f"container {config.parent.name[:12]}: its host ids from " in told
    repaired = based("fsck", "--repair").out
    assert repaired.count("[repaired]") == 2
    assert based("fsck").out == "No faults found.\n"
    assert (based.store / "containers/.names/web").readlink().name == config.parent.name


@pytest.mark.parametrize("words", ["create --name web base true", "rename other web"])
def test_whoever_changes_such_an_index_makes_it_whole_first(
    based: Lxgit, config: Path, words: str
) -> None:
    """Two containers had one name, and the same ids of the host."""
    based("create", "--name", "other", "base", "true")
    without_links(based.store)
    refused(based(*words.split(), code=None), "a container is named 'web' already")
    assert based("fsck").out == "No faults found.\n"
    based("create", "--name", "third", "base", "true")
    assert len(list(based.store.glob("containers/.ranges/*"))) == 3
    assert based("inspect", "-f", "{{.Id}}", "web").out == config.parent.name + "\n"


@pytest.mark.parametrize("lock", ["another boot", None])
def test_an_index_that_a_power_failure_took(based: Lxgit, config: Path, lock: str | None) -> None:
    """Nobody waits for the disk with it: whoever looks first in a boot makes it again."""
    for entry in (
        *based.store.glob("containers/.names/*"),
        *based.store.glob("containers/.ranges/*"),
    ):
        entry.unlink()
    (based.store / "containers/.lock").unlink()
    if lock is not None:
        (based.store / "containers/.lock").write_text(lock)
    assert based("fsck").out == "No faults found.\n"
    assert based("inspect", "-f", "{{.Id}}", "web").out == config.parent.name + "\n"


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_name_that_is_lost_is_not_taken_for_an_id(
    based: Lxgit, config: Path, instead: str
) -> None:
    """`rm -f` deleted another container, whose id begins like the name."""
    name = config.parent.name[:4]
    based("create", "--name", name, "base", "true")
    based("create", "--name", "third", "base", "true")
    entry = based.store / "containers/.names" / name
    other = entry.readlink().name
    entry.unlink()
    if instead == "a file":
        entry.write_text(other)
    for kind in ([], ["--type", "container"]):
        assert based("inspect", *kind, "-f", "{{.Id}}", name).out == f"{other}\n"
    assert based("inspect", "-f", "{{.Name}}", config.parent.name[:12]).out == "web\n"
    based("rm", "-f", name)
    assert based("ps", "-a", "--format", "{{.Names}}").lines == ["third", "web"]


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_record_that_is_lost_takes_no_stash_with_it(based: Lxgit) -> None:
    """All that the container had was put away: no upper directory says that it is one."""
    based("run", "--name", "web", "base", "touch", "/srv/kept")
    based("stash", "push", "web")
    (record,) = based.store.glob("containers/*/config.json")
    record.write_bytes(bytes(2000))
    for words in ("prune", "fsck --repair"):
        based(*words.split(), code=None)
    told = based("fsck", code=1).out
    assert f"container {record.parent.name[:12]}: its files do not say what it is" in told
    (hint,) = re.findall("'lxgit branch NAME ([0-9a-f]{12})' keeps its last stash", told)
    based("branch", "rescued", hint)
    based("rm", "-f", record.parent.name)
    assert "srv/kept" in based("diff", "--name-only", "base", "rescued").out
    assert based("fsck").out == "No faults found.\n"


@pytest.mark.root
def test_a_broken_pin_hides_no_other_fault(based: Lxgit) -> None:
    for _ in range(3):
        based("create", "base", "true")
    ids = based("ps", "-aq", "--no-trunc").lines
    first, second, third = (based.store / "git/refs/lxgit/containers" / one for one in ids)
    first.write_text("garbage\n")
    second.unlink()
    third.write_text("garbage\n")
    told = based("fsck", "--repair", code=1).out
    assert f"container {second.name[:12]}: no ref keeps its commit" in told
    assert second.exists()
    for one in (first, third):
        assert f"remove '{one}': 'lxgit fsck --repair' makes it again" in told
        one.unlink()
    based("fsck", "--repair")
    assert based("fsck").out == "No faults found.\n"
