"""prune and fsck, and where the store is."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.mounts import unmount
from tests.support.ordinary import USER, OrdinaryUser
from tests.support.program import PROGRAM, refused
from tests.support.stockgit import StockGit
from tests.support.stores import contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit


@pytest.mark.root
def test_prune(grown: Lxgit) -> None:
    would = grown("prune", "-n").out
    assert would.startswith("Would drop 2 layers, ")
    assert grown("prune").out == would.replace("Would drop", "Dropped")
    assert grown("prune").out == "Dropped 0 layers, 0 B.\n"
    assert grown("fsck").out == "No faults found.\n"


def test_fsck(grown: Lxgit, git: StockGit) -> None:
    assert grown("fsck").out == "No faults found.\n"
    assert grown("fsck", "--format", "json").json == []
    blob = git.blob(b"garbage\n")
    listing = git("ls-tree", "base").decode()
    old = next(line for line in listing.splitlines() if line.endswith("\tlinks"))
    tree = git.word("mktree", stdin=listing.replace(old.split()[2], blob).encode())
    commit = git.commit("Broken\n", git.word("rev-parse", "base"), tree=tree)
    git("update-ref", "refs/heads/broken", commit)
    result = grown("fsck", code=1)
    assert result.err == ""
    assert f"commit {commit[:12]}: " in result.out
    assert "(harms broken)" in result.out
    problems = grown("fsck", "--format", "json", code=1).json
    assert problems[0]["affected"] == ["broken"]


def test_a_hint_stands_with_the_first_that_needs_it(grown: Lxgit, git: StockGit) -> None:
    """What is repaired has none, so none has been told there."""
    packs = sorted((git.git_dir / "objects/pack").glob("*.pack"))
    damaged = [pack.with_suffix(".idx") for pack in packs] + packs[-1:]
    for path in damaged:
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"\0")
    lines = grown("fsck", "--repair", code=1).lines
    assert len(packs) > 1
    assert lines[: len(packs) - 1] == [f"{p.stem}.idx is damaged [repaired]" for p in packs[:-1]]
    fault, hint = lines[len(packs) - 1 :][:2]
    assert fault == f"{packs[-1].stem}.idx is damaged"
    assert hint.startswith("  hint: 'lxgit fsck --repair'")


EMPTY = ["locks", "containers", "tmp", "layers", "volumes", "networks"]


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("command", ["fsck --repair", "import", "branch", "create", "gc", "prune"])
def test_directories_that_a_backup_has_left_out(
    grown: Lxgit, busybox_tar: Path, command: str
) -> None:
    """There was nothing in them, or what needs no backup."""
    for name in EMPTY:
        shutil.rmtree(grown.store / name, ignore_errors=True)
    words: dict[str, list[str]] = {
        "import": [str(busybox_tar), "new"],
        "branch": ["new"],
        "create": ["base"],
    }
    grown(*command.split(), *words.get(command, []))
    assert grown("fsck").out == "No faults found.\n"


def test_a_store_whose_packs_are_gone(grown: Lxgit, git: StockGit) -> None:
    packs = git.git_dir / "objects/pack"
    aside = git.git_dir / "aside"
    packs.rename(aside)
    fault, hint = grown("fsck", code=1).lines
    assert fault == "git/objects/pack is missing"
    assert hint.startswith("  hint: 'lxgit fsck --repair' makes it")
    assert grown("fsck", "--repair", code=1).lines[0] == f"{fault} [repaired]"
    assert "the ref 'refs/heads/base'" in grown("fsck", code=1).out
    packs.rmdir()
    packs.touch()
    for words in (("fsck",), ("fsck", "--repair")):
        fault, hint = grown(*words, code=1).lines
        assert fault == "git/objects/pack is no directory"
        assert hint.startswith(f"  hint: move '{packs}' away, and 'lxgit fsck --repair' makes it")
    packs.unlink()
    aside.rename(packs)
    assert grown("fsck").out == "No faults found.\n"


def test_a_store_whose_objects_are_gone(grown: Lxgit, git: StockGit) -> None:
    objects = git.git_dir / "objects"
    aside = git.git_dir / "aside"
    objects.rename(aside)
    objects.touch()
    assert grown("fsck", "--repair", code=1).lines[0] == "git/objects is no directory"
    objects.unlink()
    lines = grown("fsck", "--repair", code=1).lines
    assert lines[0] == "git/objects/pack is missing [repaired]"
    assert any("the ref 'refs/heads/base'" in line for line in lines)
    shutil.rmtree(objects)
    aside.rename(objects)
    assert grown("fsck").out == "No faults found.\n"


def test_a_directory_instead_of_the_log_of_operations(grown: Lxgit) -> None:
    log = grown.store / "operations"
    log.unlink()
    log.mkdir()
    fault, hint = grown("fsck", code=1).lines
    assert fault == "operations is a directory"
    assert hint == f"  hint: remove '{log}': 'lxgit undo' knows what is done from then on"
    log.rmdir()
    grown("branch", "new")
    assert grown("undo").out.startswith("Undid 'branch: Created from HEAD'")


def test_the_store_can_be_named(based: Lxgit) -> None:
    elsewhere = based.environment({"LXGIT_STORE": "/nowhere"})
    command = [str(PROGRAM), "--store", str(based.store), "branch"]
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=True)
    assert done.stdout == "* base\n"


def test_a_store_is_for_its_owner_alone(based: Lxgit) -> None:
    assert based.store.stat().st_mode & 0o777 == 0o700


@pytest.mark.root
def test_an_ordinary_user_is_told_of_roots_store(based: Lxgit, passage: Path) -> None:
    """Root's store in its usual place, which here is a mount over /var/lib."""
    in_place = f"mount --bind {based.store.parent} /var/lib; ln -sfn {based.store} /var/lib/lxgit"
    path = based.environment()["PATH"]
    as_user = OrdinaryUser(passage, {"HOME": "/nonexistent", "PATH": path}, before=in_place)
    listed = as_user("images")
    told = "hint: root has a store in /var/lib/lxgit: sudo lxgit …\n"
    assert listed.code == 0
    assert listed.out.startswith("REPOSITORY ")
    assert listed.err == (f"lxgit: there is no store at '/nonexistent/.local/share/lxgit'\n{told}")
    assert as_user("images", "--format", "json").json == []
    asked = as_user("log")
    assert (asked.code, asked.out) == (1, "")
    assert asked.err == listed.err
    denied = as_user("--store", "/var/lib/lxgit", "branch")
    assert denied.code == 1
    assert denied.err == ("lxgit: the store at '/var/lib/lxgit' is not yours\nhint: sudo lxgit …\n")


def given_away(store: Path, owner: int) -> None:
    """Have it be another user's who has run no container in it, nor will."""
    subprocess.run(["rm", "-r", store / "layers", store / "containers"], check=True)
    subprocess.run(["chown", "-hR", f"{owner}:{owner}", store], check=True)


@pytest.mark.root
@pytest.mark.parametrize("command", ["log", "tag base:v1", "gc", "fsck", "info", "ps", "undo"])
def test_roots_commands_obey_nothing_of_anothers_store(based: Lxgit, command: str) -> None:
    """Git runs what its configuration names, and records are written where links lead."""
    proof, program = (based.home / name for name in ("proof", "program"))
    program.write_text(f"#!/bin/sh\ntouch {proof}\n")
    program.chmod(0o755)
    git = StockGit(based.store / "git")
    git.blob(b"nothing reaches this\n")
    git("config", "gc.recentObjectsHook", str(program))
    for name in ("events", "operations"):
        (based.store / name).unlink(missing_ok=True)
        (based.store / name).symlink_to(proof)
    given_away(based.store, USER)
    before = contents(based.store)
    done = based(*command.split(), code=1)
    assert not proof.exists()
    assert contents(based.store) == before
    assert done.err == (
        f"lxgit: the store at '{based.store}' is not yours, but user {USER}'s\n"
        f"hint: sudo -u '#{USER}' lxgit …; or another --store\n"
    )
    based.store.joinpath("format").unlink()
    os.mkfifo(based.store / "format")  # whoever read it would wait
    assert based(*command.split(), code=1).err == done.err


@pytest.mark.root
def test_a_store_is_not_made_in_anothers_directory(lxgit: Lxgit, busybox_tar: Path) -> None:
    """Who could read the image, and swap what is in it."""
    lxgit.store.mkdir(mode=0o750)
    os.chown(lxgit.store, USER, USER)
    refused(lxgit("import", busybox_tar, "base", code=1), f"user {USER}'s", "another --store")
    assert list(lxgit.store.iterdir()) == []
    assert lxgit.store.stat().st_mode & 0o7777 == 0o750
    os.chown(lxgit.store, 0, 0)
    lxgit("import", busybox_tar, "base")


@pytest.mark.root
@pytest.mark.parametrize("mode", [0o1777, 0o2775])
@pytest.mark.parametrize("planted", [["git"], ["git", "format"], ["locks"], ["else"]])
def test_what_others_can_write_to_is_no_store(
    based: Lxgit, busybox_tar: Path, planted: list[str], mode: int
) -> None:
    """As /dev/shm itself, whose mode stays."""
    shared = based.home / "shared"
    shared.mkdir()
    for name in planted:
        if (based.store / name).exists():
            subprocess.run(["cp", "-a", based.store / name, shared], check=True)
        else:
            (shared / name).touch()
    shared.chmod(mode)
    before = contents(shared)
    made = replace(based, store=shared)("import", busybox_tar, "other", code=1)
    hint = (
        f"'chmod go-w {shared}' closes it" if "format" in planted else "one that is empty will do"
    )
    refused(made, f"others can write to '{shared}'", hint)
    assert contents(shared) == before
    assert shared.stat().st_mode & 0o7777 == mode


@pytest.mark.root
def test_ones_own_store_that_others_can_write_to_can_be_closed(based: Lxgit) -> None:
    opened = replace(based, store=based.store.with_name("my own"))
    based.store.rename(opened.store)
    opened.store.chmod(0o770)
    close = f"chmod go-w '{opened.store}'"
    hint = f"'{close}' closes it, if you trust what is in it"
    refused(opened("images", code=1), f"others can write to '{opened.store}'", hint)
    subprocess.run(close, shell=True, check=True)
    assert opened("branch").out == "* base\n"
    opened.store.chmod(0o1777)
    os.chown(opened.store / "format", USER, USER)
    refused(opened("images", code=1), "others can write", "one that is empty will do")
    os.chown(opened.store / "format", 0, 0)
    (opened.store / "format").write_text("of something else\n")
    refused(opened("images", code=1), "others can write", "one that is empty will do")


@pytest.mark.root
def test_an_empty_directory_becomes_a_store_that_is_closed(lxgit: Lxgit, busybox_tar: Path) -> None:
    """As a tmpfs is that was just mounted."""
    lxgit.store.mkdir()
    lxgit.store.chmod(0o1777)
    lxgit("import", busybox_tar, "base")
    assert lxgit.store.stat().st_mode & 0o7777 == 0o700
    assert lxgit("branch").out == "* base\n"


@pytest.mark.root
@pytest.mark.parametrize("begun", [False, True])
def test_who_was_given_the_directory_alone_is_refused_what_is_in_it(
    based: Lxgit, busybox_tar: Path, *, begun: bool
) -> None:
    given_away(based.store, USER)
    os.chown(based.store, 0, 0)
    if begun:
        (based.store / "format").unlink()
    before = contents(based.store)
    fault = "is not a store of lxgit's" if begun else "is not yours"
    assert fault in based("import", busybox_tar, "base", code=1).err
    assert contents(based.store) == before


@pytest.mark.root
def test_one_whose_directory_is_among_anothers(lxgit: Lxgit, busybox_tar: Path) -> None:
    """As in /tmp, or with sudo in the home of whoever may."""
    os.chown(lxgit.home, USER, USER)
    for mode in (0o700, 0o1777):
        lxgit.home.chmod(mode)
        roots = replace(lxgit, store=lxgit.home / f"{mode:o}")
        roots("import", busybox_tar, "base")
        assert roots("branch").out == "* base\n"


@pytest.mark.root
def test_users_obey_nothing_of_each_others_stores(based: Lxgit, passage: Path) -> None:
    given_away(based.store, 1234)
    subprocess.run(["chmod", "-R", "a+rX", based.store], check=True)
    as_user = OrdinaryUser(passage, based.environment())
    assert as_user("log", code=1).err == (
        f"lxgit: the store at '{based.store}' is not yours, but user 1234's\n"
        "hint: sudo -u '#1234' lxgit …; or another --store\n"
    )
    closed = passage / "closed"
    closed.mkdir(mode=0o700)
    assert as_user("--store", str(closed / "store"), "log", code=1).err == (
        f"lxgit: the store at '{closed}/store' is not yours\n"
        "hint: sudo lxgit …, if it is root's; or another --store\n"
    )


@contextmanager
def read_only(store: Path) -> Iterator[None]:
    """The store as a file system has it that was mounted to be read alone."""
    subprocess.run(["mount", "--bind", store, store], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", store], check=True)
        yield
    finally:
        unmount(store)


READING = (
    ["fsck"],
    ["gc", "--dry-run"],
    ["prune", "--dry-run"],
    ["system", "df"],
    ["status"],
    ["log"],
)


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
@pytest.mark.parametrize("lost", ["every name", "every name but a former one"])
def test_one_mounted_read_only_whose_index_a_power_failure_took(based: Lxgit, lost: str) -> None:
    """Containers are found by what their records say, and fsck has nothing to say."""
    based("run", "--name", "web", "base", "sh", "-c", "echo seen; echo mine >/kept")
    based("create", "--name", "former", "base", "true")
    based("rename", "former", "other")
    (web,) = based("ps", "-aq", "--filter", "name=web").lines
    index = based.store / "containers/.names"
    other = (index / "other").readlink()
    for entry in index.iterdir():
        entry.unlink()
    if lost == "every name but a former one":
        (index / "web").symlink_to(other)
    (based.store / "containers/.lock").write_text("another boot")
    with read_only(based.store):
        assert based("logs", "web").out == "seen\n"
        assert "\nmine\n" in based("cp", "web:/kept", "-").out.replace("\0", "\n")
        assert based("diff", "--name-only", "web").out == "/kept\n"
        for kind in ([], ["--type", "container"]):
            assert based("inspect", *kind, "-f", "{{.Id}}", "web").out.startswith(web)
        told = based("fsck", code=1 if "former" in lost else 0)
        if "former" in lost:
            assert told.lines[0].endswith("its name 'web' is not its (harms web)")
        else:
            assert told.out == "No faults found.\n"
    assert based("fsck").out == "No faults found.\n"
    assert based("ps", "-a", "--format", "{{.Names}}").lines == ["other", "web"]
    assert {path.name for path in index.iterdir()} == {"other", "web"}


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.parametrize("locks", ["taken before", "never taken"])
def test_one_that_is_mounted_read_only(based: Lxgit, locks: str) -> None:
    """A disk that fails is often all that is left: it is looked at as any other."""
    if locks == "never taken":
        for path in (based.store / "locks").iterdir():
            path.unlink()
    with read_only(based.store):
        for words in READING:
            assert based(*words).code == 0
        assert "remount it for writing" in based("tag", "new", code=1).err
    assert based("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.overlay
def test_a_dead_lock_in_one_that_is_mounted_read_only(based: Lxgit, git: StockGit) -> None:
    """It hides no branch that is lost."""
    git("branch", "two", "base")
    (based.store / "git/refs/heads/two").unlink()
    (based.store / "git/refs/heads/two.lock").write_text("lxgit 1\n")
    with read_only(based.store):
        lines = based("fsck", code=1).lines
        assert lines[0].startswith("the branch 'two' is gone, and nobody deleted it")


@pytest.mark.root
@pytest.mark.overlay
def test_a_name_of_two_things_in_one_that_is_mounted_read_only(based: Lxgit, git: StockGit) -> None:
    git("tag", "base", "base")
    with read_only(based.store):
        assert based("fsck", code=1).lines[0] == "'base' is a branch and a tag (harms base)"
