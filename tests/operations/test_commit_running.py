"""Commits of running containers: whole files, an upperdir that stays, and the truth afterwards."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lxgit.objects.dockerlines import BadInstruction
from lxgit.operations import committing, standing
from lxgit.operations.changed import NothingChanged
from lxgit.operations.committing import CommitRequest, commit, prepare_commit
from lxgit.operations.containers import remove_container
from lxgit.operations.copying import Place, copy_out
from lxgit.operations.executing import Streams, WantedCommand, execute
from lxgit.operations.fsck import fsck
from lxgit.operations.launching import start_detached
from lxgit.operations.pausing import held, pause
from lxgit.operations.pins import pin_commit
from lxgit.operations.running import Stop, stop
from lxgit.operations.undo import undo
from lxgit.operations.views import compare
from lxgit.operations.worktree import ChangingTooFast
from lxgit.repository import open_repository
from lxgit.runtime import statcache
from lxgit.runtime.containers import LostUpper
from lxgit.runtime.freezer import is_frozen
from tests.operations.conftest import Lab, killed_behind
from tests.operations.test_commit import changed, content
from tests.support.stores import WHO, Listener, find_image
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.operations.values import Committed
    from lxgit.runtime.containers import Container

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

# Lines of one letter, as long as a file: a torn file has two letters, or half a line.
WRITE = """
trap 'exit 0' TERM
lines=$(printf '%s' 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0)
while :; do for letter in a b c d e f; do
  text=$(printf '%s' "$lines$lines$lines$lines" | tr '0-9' "$letter")
  printf '%s\\n%s\\n%s\\n%s' "$text" "$text" "$text" "$text" 1<> /file
  echo $letter > /dir-$letter; rm -f /dir-$letter
done; done
"""
ONCE = "[ -e /go ] || { touch /go; exit; }; "


@pytest.fixture
def busy(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A container `c` that rewrites a file in place all the time, of which what can be is noted."""
    monkeypatch.setattr(statcache, "_WORTH", 0)
    lab.run("c", ONCE + WRITE)
    start_detached(lab.repository, "c", progress=lab.listener)
    wait_until(lambda: is_written(lab.container("c").upper / "file"))
    yield lab
    remove_container(lab.repository, "c", force=True)


def make(lab: Lab, **more: object) -> Committed:
    request = CommitRequest("c", **more)  # type: ignore[arg-type]
    return commit(lab.repository, request, "a change\n", identity=WHO, progress=lab.listener)


def test_the_upperdir_stays_where_it_is(busy: Lab) -> None:
    lab = busy
    container = lab.container("c")
    upper = container.upper.stat().st_ino
    for _ in range(5):
        made = make(lab, allow_empty=True)
        assert not is_frozen(container.id)
        assert lab.row("c").commit == made.oid == lab.tip("base")
        assert lab.row("c").runs
        assert container.upper.stat().st_ino == upper
    assert list(fsck(lab.repository, progress=Listener())) == []


@pytest.mark.parametrize("act", ["commit", "undo", "redo"])
def test_who_is_killed_leaves_what_it_stood_on_kept(
    busy: Lab, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record does not name yet what its refs do."""
    for _ in range(2):
        busy.repository.operations.next_operation()
        make(busy, allow_empty=True)

    def go_back(*, redo: bool) -> None:
        fresh = open_repository(busy.repository.path)
        undo(fresh, redo=redo, identity=WHO, progress=busy.listener)

    if act == "redo":
        go_back(redo=False)
    with killed_behind(monkeypatch, committing if act == "commit" else standing, "pin_commit"):
        make(busy, allow_empty=True) if act == "commit" else go_back(redo=act == "redo")
    assert list(fsck(busy.repository, progress=Listener())) == []


def test_no_file_is_torn_while_it_stands_still(busy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed is what is there before and after all has been read."""
    lab = busy
    seen: dict[str, bytes] = {}
    path = lab.container("c").upper / "file"
    still = held

    @contextmanager
    def looking(container: Container) -> Iterator[None]:
        with still(container):
            seen["first"] = path.read_bytes()
            yield
            seen["last"] = path.read_bytes()

    monkeypatch.setattr(committing, "held", looking)
    for _ in range(5):
        make(lab, allow_empty=True)
        assert seen["first"] == seen["last"] == content(lab, "base:/file")


def test_status_and_commits_in_a_row(lab: Lab) -> None:
    """Against the new parent, over the old stack: while it runs, stopped, started, stopped."""
    step = "for i in 1 2 3; do while [ ! -e /s$i ]; do sleep 0.02; done; rm /s$i; "
    lab.run("c", ONCE + "trap 'exit 0' TERM; " + step + "echo $i > /n; echo $i > /n$i; done;"
            " rm -f /etc/motd; touch /ready; while :; do sleep 0.05; done")  # fmt: skip
    start_detached(lab.repository, "c", progress=lab.listener)
    base = lab.container("c").config.commit
    upper = lab.container("c").upper
    try:
        assert changed(lab, "c") == {b"go": "A"}
        make(lab)
        for number in "123":
            assert changed(lab, "c") == {}
            with pytest.raises(NothingChanged):
                make(lab)
            before = lab.row("c").commit
            go_on(lab, f"s{number}")
            wait_until(partial(is_written, upper / f"n{number}"))  # the last of this step
            if number == "3":
                wait_until((upper / "ready").exists)
            assert changed(lab, "c")[b"n"] == ("A" if number == "1" else "M")
            made = make(lab)
            assert made.parent == before
            assert content(lab, "base:/n") == f"{number}\n".encode()
        assert lab.container("c").config.base == base
        stop(lab.repository, "c", Stop(30))
        assert changed(lab, "c") == {}
        assert lab.container("c").mounted == base
    finally:
        remove_container(lab.repository, "c", force=True)
    assert find_image(lab.repository, "base").entry(b"etc/motd") is None
    assert lab.run("d", "cat /n /n1 /n2 /n3; ls /go") == (0, "3\n1\n2\n3\n/go\n")


def is_written(file: Path) -> bool:
    """Whether a file of a container has come to have something in it."""
    return file.exists() and file.stat().st_size > 0


def go_on(lab: Lab, name: str) -> None:
    """Make a file in the running container."""
    wanted = WantedCommand(("touch", f"/{name}"), detached=True)
    execute(lab.repository, "c", wanted, Streams(None, 1, 2, tty=False))


def test_stopped_started_and_committed_again(busy: Lab) -> None:
    lab = busy
    make(lab)
    make(lab, allow_empty=True)
    stop(lab.repository, "c", Stop(30))
    left = changed(lab, "c")
    assert set(left) <= {b"file", *(b"dir-" + bytes([letter]) for letter in b"abcdef")}
    start_detached(lab.repository, "c", progress=lab.listener)
    made = make(lab, allow_empty=True)
    stop(lab.repository, "c", Stop(30))
    last = make(lab, allow_empty=True)
    assert last.parent == made.oid
    assert changed(lab, "c") == {}
    assert not lab.container("c").upper.exists()
    assert lab.container("c").config.base is None
    start_detached(lab.repository, "c", progress=lab.listener)
    assert set(changed(lab, "c")) <= {b"file", *(b"dir-" + bytes([one]) for one in b"abcdef")}
    assert list(fsck(lab.repository, progress=Listener())) == []


def test_an_upper_directory_that_was_away(busy: Lab, scratch: Path) -> None:
    """What is refused meanwhile leaves the record as it is: it tells what that lies over."""
    lab = busy
    make(lab)
    stop(lab.repository, "c", Stop(30))
    container = lab.container("c")
    before = container.mounted, changed(lab, "c")
    container.upper.rename(scratch / "away")
    with pytest.raises(LostUpper):
        start_detached(lab.repository, "c", progress=lab.listener)
    with pytest.raises(LostUpper), open(os.devnull, "wb") as output:
        copy_out(lab.repository, Place("c", b"/file"), output, progress=lab.listener)
    (scratch / "away").rename(container.upper)
    assert (lab.container("c").mounted, changed(lab, "c")) == before


def test_undo_of_a_commit_of_a_running_one(busy: Lab) -> None:
    lab = busy
    before = lab.tip("base")
    make(Lab(open_repository(lab.repository.path)))  # operations are parted by process
    undo(open_repository(lab.repository.path), identity=WHO, progress=Listener())
    assert (lab.tip("base"), lab.row("c").commit) == (before, before)
    assert {b"go", b"file"} <= set(changed(lab, "c"))
    assert make(lab).parent == before


def test_without_a_pause_a_file_is_whole_or_told(busy: Lab) -> None:
    lab = busy
    for _ in range(3):
        with suppress(ChangingTooFast):
            make(lab, pause=False, allow_empty=True)
            letters = set(content(lab, "base:/file")) - {ord("\n")}
            assert len(letters) == 1


def test_without_a_pause_quiet_files_are_committed(lab: Lab) -> None:
    lab.run("c", ONCE + "trap 'exit 0' TERM; echo x > /x; while :; do sleep 0.05; done")
    start_detached(lab.repository, "c", progress=lab.listener)
    wait_until(lambda: is_written(lab.container("c").upper / "x"))
    try:
        make(lab, pause=False)
        assert content(lab, "base:/x") == b"x\n"
        assert changed(lab, "c") == {}
    finally:
        remove_container(lab.repository, "c", force=True)


def test_a_commit_that_died_is_gone_on_with(busy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ref has moved, the record does not know, and the container has changed since."""
    lab = busy
    with monkeypatch.context() as patch:
        patch.setattr(committing, "_follow", lambda *_: pytest.fail("killed", pytrace=False))
        with pytest.raises(pytest.fail.Exception):
            make(lab)
    tip = lab.tip("base")
    assert lab.row("c").commit != tip
    go_on(lab, "later")
    wait_until((lab.container("c").upper / "later").exists)
    assert tip is not None
    pin_commit(lab.repository, lab.container("c"), tip, WHO, base=lab.container("c").mounted)
    made = make(lab)
    assert made.parent == tip
    assert lab.row("c").commit == lab.tip("base") == made.oid


def test_a_killed_commit_lets_the_container_go_on(
    busy: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = busy
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(committing, "open_work_tree", lambda *_, **__: time.sleep(60))
        make(lab)
        os._exit(0)
    identity = lab.container("c").id
    wait_until(lambda: is_frozen(identity))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until(lambda: not is_frozen(identity))
    make(lab)


def test_a_paused_one_stays_paused(busy: Lab) -> None:
    lab = busy
    pause(lab.repository, "c")
    make(lab)
    assert lab.row("c").state.value == "paused"
    assert changed(lab, "c") == {}


def test_the_config_of_a_commit(lab: Lab) -> None:
    lab.run("c", "echo hi > /hi")
    changes = ('CMD ["cat", "/hi"]', "ENV A=1\nLABEL b=2")
    made = make(lab, changes=changes, run='{"User": "nobody", "Memory": 5}')
    assert lab.listener.warnings == ["an image has no place for Memory: left out"]
    config = find_image(lab.repository, made.oid).config
    assert (config.cmd, config.user, config.labels) == (("cat", "/hi"), "nobody", (("b", "2"),))
    assert "A=1" in config.env
    lab.start("c")
    again = make(lab, changes=("USER 0",), name="other")
    assert find_image(lab.repository, again.oid).config.cmd == ("cat", "/hi")
    with pytest.raises(NothingChanged):
        make(lab, changes=("USER 0",))


def test_a_config_alone_is_a_change(lab: Lab) -> None:
    lab.run("c", "true")
    before = lab.tip("base")
    made = make(lab, changes=("EXPOSE 80",))
    assert made.parent == before
    assert lab.tip("base") == made.oid
    assert find_image(lab.repository, "base").config.exposed_ports == ("80/tcp",)


def test_a_config_that_is_refused_changes_nothing(lab: Lab) -> None:
    lab.run("c", "echo hi > /hi")
    before = lab.tip("base")
    for request in (
        CommitRequest("c", changes=("USER a", "RUN x")),
        CommitRequest("c", run="{"),
    ):
        with pytest.raises(BadInstruction):
            prepare_commit(lab.repository, request)
        with pytest.raises(BadInstruction):
            commit(lab.repository, request, "x", identity=WHO, progress=lab.listener)
    assert lab.tip("base") == before
    with compare(lab.repository, ["c"]) as comparison:
        assert [one.change.path for one in comparison.changes] == [b"hi"]
