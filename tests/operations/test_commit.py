"""What a container changes becomes a commit, by the rules of the command line."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.commits import Commit, encode_commit
from lxgit.objects.ids import ObjectType, from_hex
from lxgit.objects.messages import trailers
from lxgit.operations import committing
from lxgit.operations.branches import checkout, create_branch
from lxgit.operations.changed import NothingChanged, SeveralChanged, status
from lxgit.operations.containers import remove_container
from lxgit.operations.destination import BranchMoved, NeedsName
from lxgit.operations.fsck import fsck
from lxgit.operations.launching import start_detached
from lxgit.operations.lookup import AlreadyRunning, find_commit, read_commit
from lxgit.operations.prune import prune
from lxgit.operations.views import compare, view_path
from lxgit.operations.worktree import open_work_tree
from lxgit.runtime.containers import BrokenContainer
from lxgit.runtime.layers import LayerStore
from lxgit.runtime.materialise import Materialiser
from tests.support import awkward
from tests.support.mounts import shown
from tests.support.stores import WHO, Listener, find_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.conftest import Lab

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def content(lab: Lab, spec: str) -> bytes:
    with view_path(lab.repository, spec) as place:
        assert place.entry.oid is not None
        return place.side.blobs.blob(place.entry.oid)


def changed(lab: Lab, name: str) -> dict[bytes, str]:
    with compare(lab.repository, [name]) as comparison:
        return {one.change.path: one.change.kind.value for one in comparison.changes}


def test_the_branch_of_the_container_advances(lab: Lab) -> None:
    before = lab.tip("base")
    assert lab.run("c", "echo new > /etc/new; rm /etc/motd; chmod 600 /etc/profile") == (0, "")
    assert changed(lab, "c") == {b"etc/profile": "M", b"etc/motd": "D", b"etc/new": "A"}
    made = lab.commit()
    assert (made.parent, made.branch, made.tag) == (before, "base", None)
    assert lab.tip("base") == made.oid
    assert content(lab, "base:/etc/new") == b"new\n"
    entry = find_image(lab.repository, "base").entry(b"etc/profile")
    assert entry is not None
    assert entry.metadata.mode == 0o600
    told = dict(trailers(read_commit(lab.repository, from_hex(made.oid)).message))
    assert told == {
        "Container": lab.container("c").id,
        "Command": "sh -c 'echo new > /etc/new; rm /etc/motd; chmod 600 /etc/profile'",
    }


def test_start_goes_on_from_the_commit(lab: Lab) -> None:
    lab.run("c", "echo $(($(cat /n 2>/dev/null) + 1)) > /n; cat /n")
    for number in (2, 3, 4):
        lab.commit("c")
        assert changed(lab, "c") == {}
        assert lab.start("c") == (0, f"{number}\n")
    assert changed(lab, "c") == {b"n": "M"}
    assert content(lab, "base:/n") == b"3\n"


def test_the_upperdir_becomes_the_layer(lab: Lab) -> None:
    lab.run("c", "echo new > /etc/new")
    upper = lab.container("c").upper.stat().st_ino
    lab.commit("c")
    stack = LayerStore(lab.repository.layers_dir).find(
        find_image(lab.repository, "base").filesystem
    )
    assert stack is not None
    assert stack.top.directory.stat().st_ino == upper
    assert not lab.container("c").upper.exists()
    assert lab.run("other", "cat /etc/new; stat -c %u:%g /etc/new") == (0, "new\n0:0\n")


def test_mount_points_do_not_hide_what_was_committed(
    lab: Lab, busybox_rootfs: Path, scratch: Path
) -> None:
    """An image without /etc/hosts gets one, in a layer that has /etc as it was then."""
    root = scratch / "root"
    shutil.copytree(busybox_rootfs, root, symlinks=True)
    (root / "etc/hosts").unlink()
    lab.take(root, "bare")
    lab.run("c", "stat -c %a /etc; chmod 700 /etc", image="bare")
    lab.commit("c")
    assert lab.start("c") == (0, "700\n")
    assert changed(lab, "c") == {}


def test_layers_may_go_at_any_time(lab: Lab) -> None:
    lab.run("c", "echo one > /one")
    lab.commit("c")
    lab.start("c")
    lab.run("d", "echo two > /two; rm /one")
    prune(lab.repository, progress=Listener())
    assert os.listdir(lab.repository.layers_dir) in (["stacks"], [])
    assert changed(lab, "d") == {b"one": "D", b"two": "A"}
    assert lab.run("e", "cat /one") == (0, "one\n")
    shutil.rmtree(lab.repository.layers_dir)
    assert lab.start("d")[0] == 1
    lab.commit("d", "new")
    assert content(lab, "new:/two") == b"two\n"
    assert list(fsck(lab.repository, progress=Listener())) == []


def test_nothing_changed(lab: Lab) -> None:
    lab.run("c", "true")
    with pytest.raises(NothingChanged):
        lab.commit("c")
    with pytest.raises(NothingChanged):
        lab.commit()
    tip = lab.tip("base")
    made = lab.commit("c", "f440/first_container")
    assert made.oid != tip
    assert lab.tip("base") == tip
    assert lab.row("c").branch == "f440/first_container"
    assert lab.commit("c", allow_empty=True).parent == made.oid


def test_the_mtime_of_a_directory_alone_is_nothing_to_commit(lab: Lab) -> None:
    """It is recorded with the next commit that has something to say."""
    lab.run("c", "touch /tmp/x; rm /tmp/x")
    with pytest.raises(NothingChanged):
        lab.commit("c")
    before = find_image(lab.repository, "base").entry(b"tmp")
    lab.start("c")
    lab.commit("c", allow_empty=True)
    after = find_image(lab.repository, "base").entry(b"tmp")
    assert before is not None
    assert after is not None
    assert before.metadata.mtime < after.metadata.mtime


def test_the_status_of_a_container_that_is_busy(lab: Lab) -> None:
    """Files come and go while it is read."""
    again = "if [ ! -e /first ]; then touch /first; exit; fi"
    lab.run("busy", f"{again}; while :; do for i in 1 2 3; do echo $i > /f$i; rm /f$i; done; done")
    start_detached(lab.repository, "busy", progress=lab.listener)
    for _ in range(20):
        (shown,) = status(lab.repository).containers
        assert shown.container.state.value == "running"
    with pytest.raises(AlreadyRunning):
        remove_container(lab.repository, "busy", force=False)
    removed = remove_container(lab.repository, "busy", force=True)
    assert removed.uncommitted >= 1
    assert status(lab.repository).containers == ()


def test_what_was_touched_back_is_no_change(lab: Lab) -> None:
    lab.run(
        "c", "chmod 600 /etc/motd; chmod 644 /etc/motd; mkdir /d; rmdir /d; chown 5 /; chown 0 /"
    )
    assert changed(lab, "c") == {}
    assert lab.container("c").upper.joinpath("etc/motd").exists()


def test_several_changed_containers(lab: Lab) -> None:
    lab.run("c", "touch /c")
    lab.run("d", "touch /d")
    with pytest.raises(SeveralChanged, match=r"\(c\)") as caught:
        lab.commit()
    assert "(d)" in caught.value.message
    assert {one.container.name for one in status(lab.repository).containers} == {"c", "d"}


def test_a_branch_that_has_moved_on(lab: Lab) -> None:
    lab.run("c", "touch /c")
    lab.run("d", "touch /d")
    lab.commit("c")
    tip = lab.tip("base")
    with pytest.raises(BranchMoved, match="moved on") as caught:
        lab.commit("d")
    assert caught.value.hint is not None
    assert "NEWNAME" in caught.value.hint
    with pytest.raises(BranchMoved):
        lab.commit("d", "base")
    assert lab.tip("base") == tip
    assert changed(lab, "d") == {b"d": "A"}
    made = lab.commit("d", "base", force=True)
    assert lab.tip("base") == made.oid
    log = lab.repository.refs.reflog("refs/heads/base")
    assert next(entry.old.hex() for entry in log if entry.old is not None) == tip


def test_another_branch(lab: Lab) -> None:
    base = lab.tip("base")
    create_branch(lab.repository, "tuned", "base", force=False, identity=WHO)
    lab.run("c", "touch /c")
    made = lab.commit("c", "tuned:latest")
    assert made.branch == "tuned"
    assert lab.tip("base") == base
    assert lab.repository.refs.head() == "refs/heads/base"
    assert lab.row("c").branch == "tuned"


def test_a_tag_alone(lab: Lab) -> None:
    base = lab.tip("base")
    lab.run("c", "touch /c")
    made = lab.commit("c", "base:v1")
    assert made.tag == "base/v1"
    assert lab.tip("base") == base
    assert find_commit(lab.repository, "base:v1").hex() == made.oid
    lab.start("c")
    lab.run("d", "touch /d")
    with pytest.raises(BranchMoved):
        lab.commit("d", "base:v1")
    assert lab.commit("c", allow_empty=True).branch == "base"


def test_a_detached_container_needs_a_name(lab: Lab) -> None:
    checkout(lab.repository, "base", detach=True, identity=WHO)
    lab.run("c", "touch /c", image=None)
    with pytest.raises(NeedsName):
        lab.commit("c")
    lab.commit("c", "named")
    assert lab.row("c").branch == "named"


def test_a_commit_that_died_is_adopted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ref has moved, and the container does not know: the next commit finds its own."""
    lab.run("c", "touch /c")
    with monkeypatch.context() as patch:
        patch.setattr(committing, "_follow", lambda *_: pytest.fail("killed", pytrace=False))
        with pytest.raises(pytest.fail.Exception):
            lab.commit("c")
    tip = lab.tip("base")
    assert lab.row("c").commit != tip
    assert lab.commit("c").oid == tip
    assert lab.row("c").commit == tip
    assert changed(lab, "c") == {}
    assert lab.start("c") == (0, "")


def test_a_commit_that_died_before_its_layer(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("c", "touch /c; rm /etc/motd")
    with monkeypatch.context() as patch:
        patch.setattr(committing, "_upper_to_layer", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            lab.commit("c")
    assert lab.row("c").commit == lab.tip("base")
    assert changed(lab, "c") == {}
    lab.run("d", "ls /c", image="base")
    assert lab.start("c")[0] == 1
    assert changed(lab, "c") == {b"c": "M"}
    lab.commit("c")
    assert changed(lab, "c") == {}


def test_sockets_are_dropped_with_a_warning(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("c", "mkdir /run/d; touch -d @5 /run/d")
    with socket.socket(socket.AF_UNIX) as made:
        monkeypatch.chdir(lab.container("c").upper / "run/d")
        made.bind("socket")
        monkeypatch.chdir("/")
    os.utime(lab.container("c").upper / "run/d", (5, 5))
    lab.commit("c")
    assert lab.listener.warnings == ["left out 1 sockets"]
    assert lab.run("d", "ls /run/d; stat -c %Y /run/d") == (0, "5\n")


@pytest.mark.scale
def test_a_session_on_the_awkward_image(lab: Lab, busybox_rootfs: Path, scratch: Path) -> None:
    """Ids outside the range, capabilities, ACLs, odd names: untouched by a session next to them."""
    root = scratch / "awkward"
    awkward.build(root)
    for directory in ("bin", "proc", "sys", "dev"):
        shutil.copytree(busybox_rootfs / directory, root / directory, symlinks=True)
    lab.take(root, "awkward")
    code, said = lab.run(
        "c",
        "stat -c %u:%g owners/* | sort -u; cd owners; for f in file-*; do"
        ' chmod u+x "$f" && mv "$f" x && mv x "$f" && ln "$f" y && rm y || exit 9; done',
        image="awkward",
    )
    assert code == 0, said
    assert "4294967294:4294967294" in said.split()
    assert {path.split(b"/")[0] for path in changed(lab, "c")} == {b"owners"}
    made = lab.commit("c")
    for entry in made.changes:
        old, new = entry.change.old, entry.change.new
        assert old is not None
        assert new is not None
        assert (old.metadata.uid, old.metadata.gid) == (new.metadata.uid, new.metadata.gid)
    image = find_image(lab.repository, "awkward")
    stack = Materialiser(lab.repository, Listener()).stack(image)
    assert len(stack.layers) == 2
    with shown(stack, scratch) as mount:
        lab.take(mount, "walked")
    walked = find_image(lab.repository, "walked")
    assert walked.filesystem == image.filesystem


def test_a_work_tree_of_another_store_is_left_alone(lab: Lab) -> None:
    """Objects of a status are hashed, not written."""
    lab.run("c", "echo unwritten > /file")
    count = lab.repository.objects.pack_count()
    with open_work_tree(lab.repository, lab.container("c")) as tree:
        entry = tree.image.entry(b"file")
        assert entry is not None
        assert entry.oid is not None
        assert entry.oid not in lab.repository.objects
    assert lab.repository.objects.pack_count() == count


def test_a_commit_of_another_tool_is_no_image(lab: Lab) -> None:
    """`git commit-tree` of something else in the store: refused by name, not with a traceback."""
    from lxgit.objects.image import NotAnImage
    from lxgit.objects.tree import encode_tree

    objects = lab.repository.objects
    with objects.writer() as writer:
        tree = writer.add(ObjectType.TREE, encode_tree([]))
        commit = Commit(tree, (), WHO.author, WHO.committer, "not an image\n")
        oid = writer.add(ObjectType.COMMIT, encode_commit(commit))
        with writer.finish():
            lab.repository.refs.update(
                "refs/heads/other", oid, old=None, message="", who=WHO.committer
            )
    with pytest.raises(NotAnImage):
        lab.run("c", "true", image="other")
    (problem,) = fsck(lab.repository, progress=Listener())
    assert problem.affected == ("other",)


def test_a_damaged_container_can_be_deleted(lab: Lab) -> None:
    lab.run("c", "touch /c")
    container = lab.container("c")
    (container.path / "config.json").write_text("{")
    with pytest.raises(BrokenContainer) as caught:
        remove_container(lab.repository, "c", force=False)
    assert str(container.upper) in (caught.value.hint or "")
    remove_container(lab.repository, container.id[:12], force=True)
    assert not container.path.exists()
    assert lab.run("c", "true") == (0, "")
