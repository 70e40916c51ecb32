"""Stopped containers are put on other commits, and back."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from lxgit.operations import moving, placing
from lxgit.operations.branches import create_branch
from lxgit.operations.containers import remove_container
from lxgit.operations.destination import NeedsName
from lxgit.operations.fsck import fsck
from lxgit.operations.launching import start_detached
from lxgit.operations.moving import (
    ContainerChanged,
    NotThere,
    checkout_container,
    reset,
    restore,
)
from lxgit.operations.placing import Conflicts, ContainerRuns
from lxgit.operations.prune import prune
from tests.operations.conftest import killed_behind
from tests.operations.test_commit import changed, content
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.operations.values import ContainerMoved, ContainerReset
    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

CHANGE = (
    "echo mine > /etc/mine; rm /etc/profile; chmod 700 /srv; mkdir -p /d; echo x > /d/x; "
    "ln /d/x /d/y"
)
CHANGED = {
    b"etc/mine": "A", b"etc/profile": "D", b"srv": "M", b"d": "A", b"d/x": "A", b"d/y": "A",
}  # fmt: skip


@pytest.fixture
def two(lab: Lab) -> Lab:
    """A branch `new` with a commit more than `base`, and a container `c` of `base` with changes."""
    create_branch(lab.repository, "new", "base", force=False, identity=WHO)
    script = "echo new > /etc/motd; rm -r /var/log; echo n > /etc/n; ln /etc/n /n; echo h > /home/h"
    lab.run("n", script, image="new")
    lab.commit("n")
    lab.run("c", f"[ -e /etc/mine ] || {{ {CHANGE}; }}; cat /etc/motd /etc/mine")
    return lab


def move(lab: Lab, revision: str, *, merge: bool = False) -> ContainerMoved:
    return checkout_container(
        lab.repository, revision, "c", merge=merge, identity=WHO, progress=lab.listener
    )


def drop(lab: Lab) -> ContainerReset:
    return reset(lab.repository, "c", identity=WHO, progress=lab.listener)


def put_back(lab: Lab, *paths: bytes, source: str | None = None) -> ContainerReset:
    return restore(lab.repository, "c", paths, source, identity=WHO, progress=lab.listener)


def test_a_changed_one_refuses(two: Lab) -> None:
    with pytest.raises(ContainerChanged) as caught:
        move(two, "new")
    assert "--merge" in (caught.value.hint or "")
    assert changed(two, "c") == CHANGED
    assert two.row("c").branch == "base"


def test_a_clean_one_moves_there_and_back(two: Lab) -> None:
    lab = two
    drop(lab)
    moved = move(lab, "new")
    assert (moved.old, moved.new) == (lab.tip("base"), lab.tip("new"))
    assert (moved.branch, moved.kept, moved.carried) == ("new", None, 0)
    assert (lab.row("c").branch, lab.row("c").image) == ("new", "new:latest")
    assert changed(lab, "c") == {}
    assert lab.start("c") == (0, "new\nmine\n")
    assert changed(lab, "c") == CHANGED
    drop(lab)
    assert move(lab, "base").branch == "base"
    assert lab.start("c") == (0, "A small machine.\nIt has busybox.\nmine\n")


def test_a_commit_of_no_branch(two: Lab) -> None:
    lab = two
    drop(lab)
    assert move(lab, "new~1").branch is None
    lab.start("c")
    with pytest.raises(NeedsName):
        lab.commit("c")


def test_merge_carries_the_changes_over(two: Lab) -> None:
    lab = two
    moved = move(lab, "new", merge=True)
    assert (moved.branch, moved.carried) == ("new", len(CHANGED))
    assert changed(lab, "c") == CHANGED
    assert lab.start("c") == (0, "new\nmine\n")
    assert changed(lab, "c") == CHANGED
    inode = {name: (lab.container("c").upper / name).stat().st_ino for name in ("d/x", "d/y")}
    assert inode["d/x"] == inode["d/y"]
    owner = (lab.container("c").upper / "d/x").stat().st_uid
    assert owner == lab.container("c").config.ids.outside(0)
    made = lab.commit("c")
    assert made.parent == moved.new
    assert find_image(lab.repository, "new").entry(b"etc/profile") is None
    assert content(lab, "new:/etc/motd") == b"new\n"
    assert lab.run("e", "cat /etc/motd /d/y /n; ls /var", image="new") == (0, "new\nx\nn\ntmp\n")
    assert moved.kept is not None
    assert content(lab, f"{moved.kept}:/d/x") == b"x\n"


CONFLICTS = {
    "echo other > /etc/motd": "/etc/motd",
    "rm /etc/motd": "/etc/motd",
    "chmod 600 /etc/motd": "/etc/motd",
    "echo x > /var/log/x": "/var/log/x",
    "rm -r /home": "/home",
    "rm -r /home; ln -s /srv /home": "/home",
    "chmod 700 /var/log": "/var/log",
    "echo n > /etc/n": "/etc/n",
}


def test_conflicts_change_nothing(two: Lab) -> None:
    lab = two
    for number, (ours, path) in enumerate(CONFLICTS.items()):
        name = f"o{number}"
        lab.run(name, ours)
        before, upper = changed(lab, name), lab.container(name).upper.stat().st_ino
        with pytest.raises(Conflicts) as caught:
            checkout_container(
                lab.repository, "new", name, merge=True, identity=WHO, progress=lab.listener
            )
        assert os.fsencode(path)[1:] in caught.value.paths, ours
        assert path in caught.value.message
        assert changed(lab, name) == before
        assert lab.container(name).upper.stat().st_ino == upper
        assert lab.row(name).branch == "base"


def test_the_same_on_both_sides_is_no_conflict(two: Lab) -> None:
    lab = two
    lab.run("o", "rm -r /var/log; mkdir /o")
    checkout_container(lab.repository, "new", "o", merge=True, identity=WHO, progress=Listener())
    assert changed(lab, "o") == {b"o": "A"}


def test_reset_says_how_much_and_keeps_it(two: Lab) -> None:
    lab = two
    done = drop(lab)
    assert done.paths == len(CHANGED)
    assert changed(lab, "c") == {}
    assert drop(lab).kept is None
    assert done.kept is not None

    assert put_back(lab, b"/", source=done.kept).paths == len(CHANGED)
    assert changed(lab, "c") == CHANGED
    assert lab.start("c") == (0, "A small machine.\nIt has busybox.\nmine\n")


def test_restore_of_paths(two: Lab) -> None:
    lab = two
    assert put_back(lab, b"/etc/profile", b"/d/y").paths == 3  # the link is no link any more
    assert changed(lab, "c") == {b"etc/mine": "A", b"srv": "M", b"d": "A", b"d/x": "A"}
    assert put_back(lab, b"/etc/motd", source="new").paths == 1
    assert changed(lab, "c")[b"etc/motd"] == "M"
    assert put_back(lab, b"/etc/motd").paths == 1
    assert put_back(lab, b"/etc/motd").paths == 0
    assert put_back(lab, b"etc//").paths == 1
    assert put_back(lab, b"/n", b"/etc/n", source="new").paths == 2
    assert lab.start("c") == (0, "A small machine.\nIt has busybox.\nmine\n")
    inodes = {(lab.container("c").upper / name).stat().st_ino for name in ("n", "etc/n")}
    assert len(inodes) == 1
    with pytest.raises(NotThere):
        put_back(lab, b"/nowhere")


def test_restore_of_one_name_links_the_others_again(two: Lab) -> None:
    """It was put back on its own, and no restore of it made the container clean."""
    lab = two
    lab.run("o", "echo x > /etc/x; ln /etc/x /x; ln /etc/x /srv/x", image="new")
    lab.commit("o")
    lab.run("p", "rm /etc/x; echo y > /etc/x", image="new")

    def back(path: bytes) -> ContainerReset:
        return restore(lab.repository, "p", [path], None, identity=WHO, progress=Listener())

    done = back(b"/etc/x")
    assert (changed(lab, "p"), done.apart) == ({}, [])
    assert lab.start("p")[0] == 0
    before = changed(lab, "p")
    done = back(b"/srv/x")
    assert (done.paths, done.apart, changed(lab, "p")) == (0, [b"etc/x"], before)
    assert back(b"/etc/x").apart == []
    assert changed(lab, "p") == {}


def test_restore_below_what_was_removed(two: Lab) -> None:
    lab = two
    lab.run("o", "rm -r /var; echo x > /var")
    done = restore(lab.repository, "o", [b"/var/log"], None, identity=WHO, progress=Listener())
    assert done.paths == 2
    assert changed(lab, "o") == {b"var/tmp": "D"}


def test_restore_below_what_is_a_link_now(two: Lab) -> None:
    """A directory was written down as a link of the file."""
    lab = two
    lab.run("o", "rm -r /var; ln /etc/motd /var")
    restore(lab.repository, "o", [b"/var/log"], None, identity=WHO, progress=Listener())
    assert changed(lab, "o") == {b"var/tmp": "D"}


def test_one_that_runs_refuses(two: Lab) -> None:
    lab = two
    lab.run("r", "[ -e /go ] || { touch /go; exit; }; exec sleep 60")
    start_detached(lab.repository, "r", progress=lab.listener)
    try:
        with pytest.raises(ContainerRuns) as caught:
            reset(lab.repository, "r", identity=WHO, progress=Listener())
        assert caught.value.hint == "'lxgit stop r' first"
        with pytest.raises(ContainerRuns):
            restore(lab.repository, "r", [b"/go"], None, identity=WHO, progress=Listener())
        with pytest.raises(ContainerRuns):
            checkout_container(
                lab.repository, "new", "r", merge=True, identity=WHO, progress=Listener()
            )
    finally:
        remove_container(lab.repository, "r", force=True)


@pytest.mark.parametrize("step", ["keep", "write_upper", "remove_tree", "remove_others"])
def test_a_crash_leaves_the_old_or_the_new(
    two: Lab, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = two
    with killed_behind(monkeypatch, moving if step == "keep" else placing, step):
        move(lab, "new", merge=True)
    new = step == "remove_others"
    assert lab.row("c").branch == ("new" if new else "base")
    assert changed(lab, "c") == CHANGED
    prune(lab.repository, progress=Listener())
    assert [name for name in os.listdir(lab.container("c").path) if name.startswith("upper")] == [
        lab.container("c").config.upper
    ]
    assert list(fsck(lab.repository, progress=Listener())) == []
    if not new:
        move(lab, "new", merge=True)
    assert lab.start("c") == (0, "new\nmine\n")


def test_an_image_with_ids_out_of_the_containers_range(
    two: Lab, scratch: Path, busybox_rootfs: Path
) -> None:
    lab = two
    root = scratch / "root"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    (root / "far").write_text("far")
    os.chown(root / "far", 70_000, 70_000)
    lab.take(root, "far")
    drop(lab)
    before = lab.container("c").config.ids
    move(lab, "far")
    assert lab.container("c").config.ids != before
    assert lab.start("c")[0] == 0
    stat = restore(lab.repository, "c", [b"/etc/mine"], None, identity=WHO, progress=Listener())
    assert stat.paths == 1
    lab.start("c")
    assert changed(lab, "c") == CHANGED
    ranges = os.listdir(lab.repository.containers_dir / ".ranges")
    assert len(ranges) == len(set(ranges)) == 3  # n, and two of c


def test_what_is_kept_goes_with_the_container(two: Lab) -> None:
    lab = two
    drop(lab)
    assert kept(lab)
    remove_container(lab.repository, "c", force=False)
    assert not kept(lab)


def kept(lab: Lab) -> list[str]:
    return [ref for ref in lab.repository.refs.list("refs/lxgit/") if ref.endswith("-kept")]


@pytest.fixture(autouse=True)
def _sound(lab: Lab) -> Iterator[None]:
    """Each test leaves a sound store."""
    yield
    assert list(fsck(lab.repository, progress=Listener())) == []
