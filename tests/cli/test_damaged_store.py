"""A store that is damaged: what does not need the damage works, and a hint says what mends it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lxgit.beneath import remove_tree
from lxgit.operations.buildmounts import LABEL
from lxgit.operations.service import Result, stop_all
from lxgit.repository import open_repository
from lxgit.runtime.containers import BrokenContainer
from lxgit.runtime.index import is_locked
from tests.support.program import refused
from tests.support.stores import contents
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


@pytest.fixture
def broken(grown: Lxgit, git: StockGit) -> Lxgit:
    """A store where the content of /etc/motd of `base` is damaged on the disk."""
    blob = git.word("rev-parse", "base:rootfs/etc/motd")
    rows = (
        line.split()
        for pack in git_packs(git)
        for line in git("verify-pack", "-v", pack).splitlines()
    )
    offset = next(int(row[4]) for row in rows if row[0] == blob.encode())
    for pack in git_packs(git):
        if blob.encode() in git("verify-pack", "-v", pack):
            damage(Path(pack).with_suffix(".pack"), offset + 8)
    return grown


def git_packs(git: StockGit) -> list[str]:
    return sorted(str(path) for path in (git.git_dir / "objects/pack").glob("*.idx"))


def damage(path: Path, offset: int) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(offset)
        old = file.read(4)
        file.seek(offset)
        file.write(bytes(byte ^ 0x55 for byte in old))


def test_a_broken_object(broken: Lxgit, git: StockGit, scratch: Path) -> None:
    before = contents(broken.store)
    blob = git.word("rev-parse", "base:rootfs/etc/motd")
    refused(broken("show", "base:/etc/motd", code=1), blob[:12], "lxgit fsck")
    assert blob[:12] in broken("diff", "base", "tuned", code=1).err
    refused(broken("export", "base", "-o", scratch / "out.tar", code=1), blob[:12], "lxgit fsck")
    assert not (scratch / "out.tar").exists()
    assert broken("show", "base:/etc/hosts").out == "127.0.0.1\tlocalhost\n"
    assert broken("diff", "base", "tuned", "--name-status").lines[0] == "D\t/etc/hosts"
    verdict = broken("fsck", code=1)
    assert blob in verdict.out
    assert contents(broken.store) == before


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_broken_object_that_a_container_wants(broken: Lxgit) -> None:
    assert broken("run", "--rm", "base", "head", "-n1", "/etc/motd").out == "A small machine.\n"
    broken("prune")
    result = broken("run", "--name", "web", "base", "true", code=125)
    refused(result, "", "lxgit fsck")
    assert broken("ps", "-aq").out == ""


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_a_broken_ref(based: Lxgit, kind: str) -> None:
    """What the hint says mends it."""
    oid = based("branch", "-v").out.split()[2]
    based("tag", "old", oid)
    based("tag", "-f", "old", oid)
    name, ref = {"branch": ("base", "refs/heads/base"), "tag": ("old", "refs/tags/old")}[kind]
    path = based.store / "git" / ref
    path.write_text("garbage\n")
    refused(based("log", name, code=1), f"'{ref}' is damaged", f"remove '{path}'")
    asked = based("rev-parse", "-q", "--verify", name, code=1)  # there is one
    refused(asked, f"'{ref}' is damaged", f"remove '{path}'")
    told = based("fsck", code=1).out
    assert f"the ref '{ref}' is damaged: it holds 'garbage\\n' (harms {name})\n" in told
    assert f"; remove '{path}', then 'lxgit {kind} {name} ID'\n" in told
    assert f"hint: 'lxgit reflog {name}' says which ID it was" in told
    assert based("reflog", name).out.startswith(oid)
    path.unlink()
    based(kind, name, oid)
    assert based("fsck").out == "No faults found.\n"


def test_a_lost_branch(based: Lxgit) -> None:
    """What the hint says brings it back; until then nothing of it goes, and gc says so."""
    oid = based("branch", "-v").out.split()[2]
    (based.store / "git/refs/heads/base").unlink()
    back = f"'lxgit branch base {oid}' brings it back"
    told = based("fsck", code=1).out
    assert f"the branch 'base' is gone, and nobody deleted it (harms base)\n  hint: {back}" in told
    for words in (["gc", "-n"], ["gc", "--now"]):
        result = based(*words)
        assert f"the branch 'base' is gone, and nobody deleted it: {back}" in result.err
        assert " 0 objects, " in result.lines[0]
    based("system", "df")
    assert based("gc", "--now").err == ""
    assert based("reflog", "base").lines == [
        f"{oid} base@{{0}}: no longer there",
        f"{oid} base@{{1}}: import: A small machine",
    ]
    based("branch", "base", oid)
    assert based("fsck").out == "No faults found.\n"
    based("gc", "--now")
    assert based("show", "base:/etc/hosts").out == "127.0.0.1\tlocalhost\n"


@pytest.mark.parametrize("content", ["", "garbage\n", None])
def test_a_broken_head(based: Lxgit, content: str | None) -> None:
    based("branch", "other")
    head = based.store / "git/HEAD"
    if content is None:
        head.unlink()
    else:
        head.write_text(content)
    for words in (["branch"], ["log"], ["status"]):
        assert "lxgit checkout BRANCH" in based(*words, code=1).err
    told = based("fsck", code=1).out
    assert "(harms HEAD)\n  hint: 'lxgit checkout BRANCH'" in told
    assert "clone" not in told
    assert based("reflog").out.endswith("HEAD@{0}: import: A small machine\n")
    assert based("checkout", "base").out == "Switched to branch 'base'\n"
    assert based("fsck").out == "No faults found.\n"
    assert based("undo").out.startswith("Undid 'branch: Created from HEAD'")


def test_broken_packed_refs(based: Lxgit) -> None:
    packed = based.store / "git/packed-refs"
    packed.write_text("garbage\n")
    refused(based("log", code=1), "packed-refs is damaged", "take the line out")
    told = based("fsck", code=1).out
    assert (
        f"packed-refs is damaged: it holds 'garbage\\n'\n  hint: take the line out of '{packed}'"
        in told
    )
    assert "clone" not in told
    for name in ("base", "base:latest"):
        assert f"{name}@{{0}}: import" in based("reflog", name).out
    packed.write_text("")
    assert based("fsck").out == "No faults found.\n"


SLEEPS = ("run", "-d", "--network", "none", "--name")


def process_of(lxgit: Lxgit, name: str) -> Path:
    """Where /proc has the first process of a container."""
    return Path("/proc", lxgit("inspect", "--format", "{{.State.Pid}}", name).out.strip())


def layers_of(lxgit: Lxgit) -> list[str]:
    """All files of the layers in the cache, which one that is compressed has others of."""
    return sorted(str(path) for path in (lxgit.store / "layers").rglob("*"))


def config_of(lxgit: Lxgit, name: str) -> Path:
    """Where the store has what a container is."""
    identity = lxgit("inspect", "--format", "{{.Id}}", name).out.strip()
    return lxgit.store / "containers" / identity / "config.json"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_container_with_a_damaged_state(emptied: Lxgit) -> None:
    """It is in nobody's way, it can be stopped, and what it was is told as not known."""
    emptied(*SLEEPS, "web", "base", "sleep", "600")
    emptied(*SLEEPS, "other", "base", "sleep", "600")
    identity = emptied("inspect", "--format", "{{.Id}}", "web").out.strip()
    state = emptied.store / "containers" / identity / "state.json"
    state.write_text('{"status":')
    emptied("branch", "-f", "topic", "base")
    for words in ("ps", "ps -a", "ps -s", "status web", "system df", "info", "checkout topic"):
        emptied(*words.split())
    assert len(emptied("ps", "-q").lines) == 2
    assert emptied("inspect", "--format", "{{.State.Error}}", "web").out.startswith("state.json is")
    assert f"container {identity[:12]}: its state.json is damaged" in emptied("fsck", code=1).out
    refused(emptied("rm", "web", code=1), "container 'web' is running", "-f kills it first")
    emptied("stop", "-t", "0", "web")
    assert emptied("fsck").out == "No faults found.\n"
    wait_until(lambda: not is_locked(state.parent))  # of a damaged state the lock tells
    state.write_text("[]")
    assert len(emptied("ps", "-q").lines) == 1
    assert emptied("ps", "-a", "--format", "{{.Status}}", "--filter", "name=web").out == "Lost\n"
    refused(emptied("wait", "web", code=1), "container 'web': state.json is", "lxgit logs web")
    emptied("fsck", "--repair", code=None)
    assert emptied("fsck").out == "No faults found.\n"
    state.write_text("[]")
    emptied("start", "web")
    state.write_text("[]")
    emptied("rm", "-f", "web")
    emptied("checkout", "base")
    assert emptied("system", "stop-all", "-t", "0").out == "other\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
@pytest.mark.parametrize("content", [b"", bytes(300), None])
def test_a_container_that_runs_and_whose_state_is_lost(
    emptied: Lxgit, content: bytes | None
) -> None:
    """Its layers stay under it, whatever its state says."""
    emptied("run", "--name", "box", "base", "touch", "/dd")
    emptied("commit", "-m", "more", "box", "topic")
    emptied(*SLEEPS, "web", "topic", "sleep", "600")
    state = config_of(emptied, "web").with_name("state.json")
    whole = state.read_bytes()
    if content is None:
        state.unlink()
    else:
        state.write_bytes(content)
        assert (
            f"container {state.parent.name[:12]}: its state.json is" in emptied("fsck", code=1).out
        )
        assert emptied("ps", "--format", "{{.Names}}").out == "web\n"
    before = layers_of(emptied)
    assert emptied("prune").out == "Dropped 0 layers, 0 B.\n"
    assert layers_of(emptied) == before
    state.write_bytes(whole)
    assert emptied("exec", "web", "ls", "/dd").out == "/dd\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_what_a_damaged_state_forgets(lx: Lxgit) -> None:
    """That a user had stopped the container, and emptied its volume: neither is undone."""
    mine = ("--restart", "unless-stopped", "-v", "kept:/data")
    lx(*SLEEPS, "web", *mine, "data", "sleep", "600")
    lx("exec", "web", "sh", "-c", "rm -r /data/*")
    lx("stop", "-t", "0", "web")
    state = config_of(lx, "web").with_name("state.json")
    wait_until(lambda: not is_locked(state.parent))  # else it is taken for one that runs
    state.write_text("[]")
    assert lx("system", "start-all").out == ""
    assert lx("ps", "-q").out == ""
    lx("start", "web")
    assert lx("exec", "web", "ls", "/data").out == ""


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_damaged_container_that_runs(emptied: Lxgit) -> None:
    """Its layers and its host ids stay its own until it has ended."""
    emptied(*SLEEPS, "web", "--restart", "always", "base", "sleep", "600")
    identity = emptied("inspect", "--format", "{{.Id}}", "web").out.strip()
    process = process_of(emptied, "web")
    assert process.exists()
    (emptied.store / "containers" / identity / "config.json").write_text("{")
    fault = f"container {identity[:12]} is damaged"
    refused(emptied("prune", code=1), fault, f"'lxgit rm -f {identity[:12]}' deletes it")
    before = layers_of(emptied)
    for words in ("prune -n", "gc -n", "gc", "gc --now", "system df"):
        result = emptied(*words.split())
        assert f"lxgit: warning: every layer counts as in use: {fault}" in result.err
        assert result.out
    assert layers_of(emptied) == before
    refused(emptied("rm", identity, code=1), fault)
    assert process.exists()
    emptied("rm", "-f", identity)
    assert not process.exists()
    assert emptied("ps", "-aq").out == ""
    emptied("prune")
    assert emptied("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_damaged_container_when_the_machine_stops_and_boots(emptied: Lxgit) -> None:
    """It is asked to end as the others are; what should become of it is told to be unknown."""
    script = "trap 'touch /srv/asked; exit' TERM; touch /srv/ready; sleep 600 & wait"
    options = ("--restart", "always", "-v", "kept:/srv")
    emptied(*SLEEPS, "web", *options, "base", "sh", "-c", script)
    emptied(*SLEEPS, "other", *options, "base", "sleep", "600")
    srv = emptied.store / "volumes/kept/data"
    wait_until((srv / "ready").exists)
    process = process_of(emptied, "web")
    config = config_of(emptied, "web")
    config.write_text("{")
    fault = f"container {config.parent.name[:12]} is damaged"
    assert emptied("stop", "-t", "0", "other").out == "other\n"
    refused(emptied("system", "stop-all", "-t", "60", code=1), fault, "lxgit rm -f")
    assert (srv / "asked").exists()
    assert not process.exists()
    refused(emptied("system", "start-all", code=1), fault, "lxgit rm -f", out="other\n")
    emptied("rm", "-f", config.parent.name)
    assert emptied("system", "stop-all", "-t", "0").out == "other\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_damaged_containers_hold_up_no_sound_one_at_the_end(emptied: Lxgit) -> None:
    """All are asked first, and what is sound is seen to its end while they have their time."""
    script = "trap 'touch /srv/asked' TERM; touch /srv/ready; while :; do sleep 600 & wait; done"
    processes, places = [], []
    for name in ("one", "two"):
        options = ("-v", f"{name}:/srv", "base", "sh", "-c", script)
        emptied(*SLEEPS, name, *options)
        places.append(emptied.store / f"volumes/{name}/data")
        processes.append(process_of(emptied, name))
    emptied(*SLEEPS, "sound", "--stop-timeout", "0", "base", "sleep", "600")
    wait_until(lambda: all((place / "ready").exists() for place in places))
    for name in ("one", "two"):
        config_of(emptied, name).write_text("{")
    told = stop_all(open_repository(emptied.store), None)
    assert next(told) == Result("sound")
    wait_until(lambda: all((place / "asked").exists() for place in places))
    assert all(process.exists() for process in processes)
    for process in processes:
        os.kill(int(process.name), signal.SIGKILL)
    assert [type(one.fault) for one in told] == [BrokenContainer, BrokenContainer]


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_damaged_layer_under_a_damaged_container(emptied: Lxgit) -> None:
    """It is dropped when nobody can be mounted on it any more."""
    emptied(*SLEEPS, "web", "base", "sleep", "600")
    config = config_of(emptied, "web")
    config.write_text("{")
    (record,) = (emptied.store / "layers").glob("*/layer.json")
    record.write_text("{")
    told = emptied("fsck", "--repair", code=1).out
    assert f"layer {record.parent.name}: " in told
    assert "hint: end the containers that run on it first" in told
    assert record.exists()
    emptied("rm", "-f", config.parent.name)
    emptied("fsck", "--repair")
    assert not record.exists()
    assert emptied("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
@pytest.mark.parametrize("content", [None, b""])
def test_layers_that_count_as_none_under_a_container_that_runs(
    emptied: Lxgit, content: bytes | None
) -> None:
    """They stay while others are made: other ids of the user's make an earlier boot of this one."""
    emptied("run", "--name", "box", "base", "touch", "/dd")
    emptied("commit", "-m", "more", "box", "topic")
    emptied(*SLEEPS, "web", "topic", "sleep", "600")
    records = sorted((emptied.store / "layers").glob("*/layer.json"))
    assert len(records) == 2
    for record in records:
        values = {**json.loads(record.read_bytes()), "boot": "another"}
        record.write_bytes(json.dumps(values).encode() if content is None else content)
    emptied("create", "base")
    assert emptied("exec", "web", "ls", "/dd").out == "/dd\n"
    assert len(list((emptied.store / "layers").glob("*/layer.json"))) == 3
    emptied("stop", "-t", "0", "web")
    emptied("gc")
    assert len(list((emptied.store / "layers").glob("*/layer.json"))) == 1


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_volumes_that_a_damaged_container_may_have(emptied: Lxgit) -> None:
    """They stay until it has gone, whoever else had them."""
    emptied("run", "--name", "a", "-v", "kept:/srv", "-v", "/data", "base", "touch", "/data/x")
    emptied("volume", "create", "cache", "--label", LABEL)
    volumes = emptied("volume", "ls", "-q").lines
    config = config_of(emptied, "a")
    config.write_text("{")
    fault, hint = f"container {config.parent.name[:12]} is damaged", "deletes it"
    refused(emptied("volume", "rm", "kept", code=1), fault, hint)
    refused(emptied("volume", "prune", "-f", code=1), fault, hint)
    refused(emptied("volume", "prune", "-f", "-a", code=1), fault, hint)
    refused(emptied("builder", "prune", "-af", code=1), fault, hint)
    emptied("volume", "rm", "-f", "nosuch")
    emptied("volume", "prune", "-f", "-a", "--filter", "name=nosuch")
    assert emptied("volume", "ls", "-q").lines == volumes
    emptied("rm", "-f", config.parent.name)
    assert emptied("volume", "ls", "-q").lines == volumes
    emptied("volume", "prune", "-f", "-a")
    assert emptied("volume", "ls", "-q").lines == []


def test_networks_that_a_damaged_container_may_have(based: Lxgit) -> None:
    """They stay until it has gone; what nobody knows, or nobody asks for, is no matter."""
    based("network", "create", "red")
    based("create", "--name", "a", "--network", "red", "base", "true")
    config = config_of(based, "a")
    config.write_text("{")
    fault, hint = f"container {config.parent.name[:12]} is damaged", "deletes it"
    refused(based("network", "rm", "red", code=1), fault, hint)
    refused(based("network", "prune", "-f", code=1), fault, hint)
    based("network", "rm", "-f", "nosuch")
    based("network", "prune", "-f", "--filter", "label=nosuch")
    assert len(based("network", "ls", "-q", "--filter", "type=custom").lines) == 1
    based("rm", "-f", config.parent.name)
    assert based("network", "prune", "-f").out == "red\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
@pytest.mark.parametrize("record", [b"", bytes(900), None])
def test_a_container_that_runs_and_whose_record_is_lost(
    emptied: Lxgit, record: bytes | None
) -> None:
    """It has written nothing, and is no leftover all the same."""
    emptied(*SLEEPS, "web", "base", "sleep", "600")
    process, config = process_of(emptied, "web"), config_of(emptied, "web")
    if record is None:
        config.unlink()
    else:
        config.write_bytes(record)
    identity = config.parent.name
    emptied("gc", "--now")
    emptied("fsck", "--repair", code=None)
    refused(emptied("rm", identity, code=1), f"container {identity[:12]} is damaged", "rm -f")
    assert process.exists()
    emptied("rm", "-f", identity)
    assert not process.exists()
    assert emptied("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_damaged_container_whose_volumes_another_has(emptied: Lxgit) -> None:
    """What nobody named goes with the last one, and who that is nobody can tell."""
    emptied("create", "--name", "a", "-v", "/data", "base", "true")
    emptied("create", "--name", "b", "--volumes-from", "a", "base", "true")
    config = config_of(emptied, "a")
    whole = config.read_bytes()
    config.write_text("{")
    emptied("rm", "-v", "b")
    assert len(emptied("volume", "ls", "-q").lines) == 1
    config.write_bytes(whole)
    emptied("rm", "-v", "a")
    assert emptied("volume", "ls", "-q").lines == []


@pytest.mark.root
@pytest.mark.lxc
@pytest.mark.overlay
def test_a_container_whose_changes_are_lost(emptied: Lxgit) -> None:
    """Nobody takes it for one that has changed nothing, but who has said so."""
    emptied("create", "--network", "none", "--name", "new", "base", "true")
    emptied("run", "--network", "none", "--name", "box", "base", "touch", "/dd")
    emptied("commit", "-m", "more", "box")
    assert emptied("fsck").out == "No faults found.\n"
    emptied("start", "box")
    emptied("wait", "box")
    emptied("reset", "--hard", "box")
    assert emptied("fsck").out == "No faults found.\n"
    emptied("run", "--network", "none", "--name", "web", "base", "touch", "/ee")
    remove_tree(config_of(emptied, "web").with_name("upper"))
    told = emptied("fsck", code=1).out
    assert "its upper directory is gone, with what it had changed (harms web)" in told
    for words in ("status", "status web"):
        assert "  its changes are lost: see 'lxgit fsck'\n" in emptied(*words.split()).out
    for words in ("commit -m lost web", "diff web", "start web", "commit -m lost"):
        refused(emptied(*words.split(), code=1), "its upper directory is gone", "--repair")
    emptied("fsck", "--repair")
    assert emptied("fsck").out == "No faults found.\n"
    emptied("start", "web")
    emptied("wait", "web")
    assert emptied("diff", "--name-only", "web").out == "/ee\n"
