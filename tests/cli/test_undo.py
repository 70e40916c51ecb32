"""undo: a mistake in names never costs an image."""

from __future__ import annotations

import re
from binascii import crc32
from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


def refs(git: StockGit) -> str:
    """Every branch, every tag, and HEAD."""
    told = git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
    return told.decode() + (git.git_dir / "HEAD").read_text()


COMMANDS = {
    "a new branch": [["branch", "new"]],
    "a branch moved": [["branch", "-f", "base", "tuned"]],
    "branches deleted": [["branch", "-D", "base", "third"]],
    "a branch renamed": [["branch", "-m", "tuned", "better"]],
    "renamed over another": [["branch", "-M", "tuned", "base"]],
    "a tag": [["tag", "r1"]],
    "a tag with a message": [["tag", "-a", "-m", "text", "r1"]],
    "a tag deleted": [["tag", "-d", "noted"]],
    "rmi of several": [["rmi", "noted", "base"]],
    "checkout": [["checkout", "base"]],
    "checkout of a new branch": [["checkout", "-b", "new", "base"]],
    "a detached HEAD": [["checkout", "base~0"]],
    "switch": [["switch", "-c", "new"]],
}


@pytest.mark.parametrize("commands", COMMANDS.values(), ids=COMMANDS)
def test_every_command_is_undone_and_redone_whole(
    full: Lxgit, git: StockGit, commands: list[list[str]]
) -> None:
    before = refs(git)
    for words in commands:
        full(*words)
    after = refs(git)
    assert after != before
    told = full("undo", "-n").out
    assert refs(git) == after
    git("gc", "-q", "--prune=now")
    assert full("undo").out == told.replace("Would undo", "Undid")
    assert refs(git) == before
    assert len(told.splitlines()) == 1
    assert full("undo", "--redo").out.startswith("Redid '")
    assert refs(git) == after
    full("undo")
    assert refs(git) == before
    assert git.fsck() == b""


def test_undo_goes_back_one_by_one(full: Lxgit, git: StockGit) -> None:
    states = [refs(git)]
    for words in (["branch", "one"], ["checkout", "one"], ["branch", "-D", "third"], ["tag", "t"]):
        full(*words)
        states.append(refs(git))
    for state in reversed(states[:-1]):
        full("undo")
        assert refs(git) == state
    for state in states[1:]:
        full("undo", "--redo")
        assert refs(git) == state
    assert "nothing to do again" in full("undo", "--redo", code=1).err
    full("undo")
    full("tag", "other")
    assert "nothing to do again" in full("undo", "--redo", code=1).err


def test_import_is_undone(based: Lxgit, git: StockGit) -> None:
    tip = git.word("rev-parse", "base")
    told = based("undo").out
    gone = f"base is gone (was {tip[:12]}), HEAD base -> main"
    assert told == f"Undid 'import: A small machine': {gone}\n"
    assert based("branch").out == ""
    assert "nothing to undo" in based("undo", code=1).err
    assert "'lxgit undo --redo' does again" in based("log", code=1).err
    assert "\nhint: 'lxgit undo --redo'" in based("reflog", "base@{0}", code=1).err
    assert based("reflog").out == f"{tip[:12]} HEAD@{{1}}: import: A small machine\n"
    assert based("reflog", "--deleted").out.startswith(f"{tip[:12]} base: undo: ")
    assert based("undo", "--redo").out.startswith("Redid 'import: A small machine'")
    assert git.word("rev-parse", "HEAD") == tip


def test_a_checkout_of_a_tag_is_told_by_its_name(full: Lxgit, git: StockGit) -> None:
    """As it was typed, before the id; a commit that was checked out by its id has no other name."""
    full("tag", "base:v1", "base")
    full("checkout", "base:v1")
    oid = git.word("rev-parse", "HEAD")
    there = f"base:v1 ({oid[:12]})"
    told = full("undo", "-n").out
    assert told == f"Would undo 'checkout: moving from tuned to base:v1': HEAD {there} -> tuned\n"
    full("checkout", "tuned")
    told = full("undo").out
    assert told == f"Undid 'checkout: moving from base:v1 to tuned': HEAD tuned -> {there}\n"
    assert git.word("rev-parse", "HEAD") == oid
    full("checkout", "tuned")
    full("tag", "-d", "base:v1")
    full("checkout", "base")
    full("checkout", tip := git.word("rev-parse", "tuned"))
    assert full("undo").out.endswith(f"to {tip}': HEAD {tip[:12]} -> base\n")


def test_a_checkout_of_an_id_is_not_told_by_an_older_name(full: Lxgit, git: StockGit) -> None:
    full("tag", "base:v1", "base")
    oid = git.word("rev-parse", "base")
    for name in ("base:v1", "base", oid):
        full("checkout", name)
    assert (
        full("undo").out
        == f"Undid 'checkout: moving from base to {oid}': HEAD {oid[:12]} -> base\n"
    )


def test_what_git_has_moved_is_not_undone(full: Lxgit, git: StockGit) -> None:
    full("branch", "-f", "third", "tuned")
    git("update-ref", "refs/heads/third", git.commit("by Git", git.word("rev-parse", "tuned")))
    before = refs(git)
    fault = "'third' has moved since 'branch: Reset to tuned'"
    refused(full("undo", code=1), fault, "lxgit reflog third")
    assert refs(git) == before
    assert f"passed over: {fault}" in full("undo", "-n", "--force", code=None).err


def test_what_gc_took_is_passed_over_once(full: Lxgit, git: StockGit) -> None:
    """All that had moved the same name stood in the way, whatever was forced."""
    states = []
    for words in (["tag", "r1"], ["tag", "r2"], ["branch", "mine"]):
        states.append(refs(git))
        full(*words)
    lost = git.commit("lost", "base", tree=git.word("rev-parse", "base^{tree}"))
    full("branch", "-f", "mine", lost)
    full("branch", "-D", "mine")
    full("gc", "--now")
    full("undo", "-n", "--force")
    refused(full("undo", code=1), f"is not in the store: {lost[:12]}", "'lxgit undo --force' goes")
    told = full("undo", "--force").err
    assert "passed over: what was before 'branch: deleted'" in told
    assert f"passed over: 'mine' has moved since 'branch: Reset to {lost}'" in told
    assert refs(git) == states[1]
    full("undo")
    assert refs(git) == states[0]
    for state in (states[1], states[2]):
        full("undo", "--redo")
        assert refs(git) == state


def test_what_is_passed_over_for_nothing_can_still_be_undone(full: Lxgit, git: StockGit) -> None:
    full("branch", "new", "base")
    git("symbolic-ref", "HEAD", "refs/heads/new")
    full("branch", "x", "base")
    full("branch", "-f", "x", "tuned")
    moved = git.word("rev-parse", "x")
    git("update-ref", "refs/heads/x", git.commit("mine", "base"))
    assert "HEAD is on the branch 'new'" in full("undo", "--force", code=1).err
    git("update-ref", "refs/heads/x", moved)
    full("undo")
    assert git.word("rev-parse", "x") == git.word("rev-parse", "base")


@pytest.mark.parametrize("above", [False, True])
def test_branches_without_room_do_not_come_back(full: Lxgit, git: StockGit, *, above: bool) -> None:
    """None does before all have it; what is done about it by stock Git is not undone first."""
    mine, theirs = ("first/sub", "first") if above else ("first", "first/sub")
    full("branch", mine, "base")
    full("branch", "-D", mine, "third")
    git("branch", theirs, "tuned")
    before = refs(git)
    for words in (["undo"], ["undo", "-n"]):
        told = f"'{mine}' cannot be back beside '{theirs}'"
        refused(full(*words, code=1), told, f"git --git-dir {git.git_dir} branch -m {theirs} OTHER")
        assert refs(git) == before
    git("branch", "-m", theirs, "other")
    full("undo")
    assert full("branch").lines == ["  base", f"  {mine}", "  other", "  third", "* tuned"]


def test_a_tag_without_room_does_not_come_back(full: Lxgit, git: StockGit) -> None:
    full("tag", "extra", "base")
    full("undo")
    git("tag", "extra/sub", "tuned")
    told = full("undo", "--redo", code=1)
    refused(told, "'extra' cannot be back beside 'extra/sub'", "tag OTHER extra/sub'")
    git("tag", "-d", "extra/sub")
    git("branch", "extra/sub", "tuned")  # a branch leaves it room
    full("undo", "--redo")
    assert git.word("rev-parse", "refs/tags/extra") == git.word("rev-parse", "base")


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_a_branch_whose_name_a_container_has_does_not_come_back(full: Lxgit) -> None:
    full("branch", "-D", "third")
    full("create", "--name", "third", "base")
    told = "'third' cannot be back: that is a container now"
    refused(full("undo", code=1), told, "'lxgit rename third OTHER' makes room")
    full("rename", "third", "other")
    full("undo")
    assert full("fsck").out == "No faults found.\n"


def test_a_branch_whose_name_is_a_tags_by_now_does_not_come_back(
    full: Lxgit, git: StockGit
) -> None:
    full("branch", "-D", "third")
    git("tag", "third", "base")
    refused(full("undo", code=1), "that is a tag now", f"'git --git-dir {git.git_dir} tag OTHER")
    git("tag", "other", "third")
    git("tag", "-d", "third")
    full("undo")
    assert full("fsck").out == "No faults found.\n"


def put_down(lxgit: Lxgit, *fields: str) -> None:
    """Have a line in the log of operations."""
    line = "\t".join(fields).encode()
    with (lxgit.store / "operations").open("ab") as file:
        file.write(b"%b\t%08x\n" % (line, crc32(line)))


def test_half_of_an_operation_is_not_undone(full: Lxgit, git: StockGit) -> None:
    """Its other line is damaged, which said that the old name goes."""
    full("tag", "r1")
    full("branch", "-m", "tuned", "better")
    after, log = refs(git), full.store / "operations"
    lines = log.read_bytes().splitlines(keepends=True)
    (at,) = (at for at, line in enumerate(lines) if re.search(rb"/tuned\t[0-9a-f]+\t-\t", line))
    lines[at] = lines[at].replace(b"/tuned", b"/tunes", 1)
    log.write_bytes(b"".join(lines))
    refused(full("undo", code=1), "is damaged at 'Branch: renamed", "'lxgit undo --force'")
    assert refs(git) == after
    assert "passed over: the log of operations is damaged" in full("undo", "--force").err
    assert "refs/heads/better" in refs(git)
    assert "refs/tags/r1" not in refs(git)


def test_an_operation_that_a_crash_prevented_is_passed_over(full: Lxgit, git: StockGit) -> None:
    before = refs(git)
    full("branch", "one")
    oid = git.word("rev-parse", "tuned")
    # On disk, and then the power went.
    put_down(full, "7" * 16, "1", "refs/heads/never", "-", oid, "branch: Created from HEAD")
    full("undo")
    assert refs(git) == before


def test_an_undo_that_a_crash_cut_short_is_completed(full: Lxgit, git: StockGit) -> None:
    before = refs(git)
    full("branch", "-D", "base", "third")
    operation = (full.store / "operations").read_text().splitlines()[-1].split("\t")[0]
    oid = git.word("rev-parse", "tuned~1")
    put_down(full, f"{'7' * 16}:undo:{operation}", "1", "refs/heads/third", "-", oid, "undo")
    git("update-ref", "refs/heads/third", oid)
    full("undo")
    assert refs(git) == before


def cut_short(lxgit: Lxgit) -> None:
    """Have the log of operations as a kill leaves it that comes before its last line."""
    path = lxgit.store / "operations"
    *lines, last = path.read_bytes().splitlines(keepends=True)
    assert last.split(b"\t")[2] == b"-"
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("redo", [False, True])
def test_an_undo_that_lacks_nothing_but_its_end_is_not_undone_over_again(
    full: Lxgit, git: StockGit, *, redo: bool
) -> None:
    """Nor a redo. It is told as if it had come to its end, and then the way leads on."""
    states = [refs(git)]
    for words in (["branch", "one"], ["branch", "-D", "third"], ["tag", "t"]):
        full(*words)
        states.append(refs(git))
    there, back = ["undo", "--redo"], ["undo"]
    if redo:
        for _ in range(3):
            full("undo")
        states.reverse()
        there, back = back, there
    told = full(*back).out
    assert refs(git) == states[-2]
    cut_short(full)
    for _ in range(2):
        assert full(*back, "-n").out.split("'", 1)[1] == told.split("'", 1)[1]
    assert full(*back).out == told
    assert refs(git) == states[-2]
    for state in (*states[-3::-1],):
        full(*back)
        assert refs(git) == state
    for state in states[1:]:
        full(*there)
        assert refs(git) == state


@pytest.mark.parametrize("redo", [False, True])
def test_an_undo_that_lacks_nothing_but_its_end_is_done_again(
    full: Lxgit, git: StockGit, *, redo: bool
) -> None:
    there, back = ["undo", "--redo"], ["undo"]
    full("branch", "one")
    full("branch", "two")
    if redo:
        full("undo")
        there, back = back, there
    before = refs(git)
    full(*back)
    cut_short(full)
    after = refs(git)
    full(*there)
    assert refs(git) == before
    full(*back)
    assert refs(git) == after


def test_what_was_done_of_an_undo_can_be_taken_back(full: Lxgit, git: StockGit) -> None:
    full("branch", "-D", "base", "third")
    before = refs(git)
    operation = (full.store / "operations").read_text().splitlines()[-1].split("\t")[0]
    oid = git.word("rev-parse", "tuned~1")
    put_down(full, f"{'7' * 16}:undo:{operation}", "1", "refs/heads/third", "-", oid, "undo")
    git("update-ref", "refs/heads/third", oid)
    full("undo", "--redo")
    assert refs(git) == before
    assert "nothing to do again" in full("undo", "--redo", code=1).err


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
class TestContainers:
    @pytest.fixture
    def changed(self, based: Lxgit) -> Lxgit:
        based("run", "--name", "web", "base", "sh", "-c", "echo one >/one")
        return based

    def test_a_container_has_its_changes_again(self, changed: Lxgit, git: StockGit) -> None:
        before, status = refs(git), changed("status").out
        changed("commit", "-m", "One", "web")
        after = refs(git)
        told = changed("undo").out
        assert told.startswith("Undid 'commit: One': base ")
        assert refs(git) == before
        assert changed("status").out == status
        assert changed("show", "web:/one").out == "one\n"
        assert changed("start", "-a", "web").code == 0
        changed("prune")
        git("gc", "-q", "--prune=now")
        assert "A\t/one" in changed("diff", "--name-status", "web").out
        changed("undo", "--redo")
        assert refs(git) == after
        assert "A  /one" not in changed("status").out

    def test_and_they_can_be_committed_elsewhere(self, changed: Lxgit) -> None:
        changed("commit", "-m", "One", "web")
        changed("undo")
        changed("commit", "-m", "Elsewhere", "web", "other")
        assert changed("show", "other:/one").out == "one\n"
        assert changed("log", "--oneline", "base").lines[0].endswith("A small machine")
        assert changed("run", "--rm", "other", "cat", "/one").out == "one\n"
        assert changed("fsck").code == 0

    def test_a_new_branch_of_a_commit_goes(self, changed: Lxgit, git: StockGit) -> None:
        before = refs(git)
        changed("commit", "-m", "One", "web", "new")
        changed("undo")
        assert refs(git) == before
        assert changed("ps", "-a", "--format", "json").json[0]["branch"] == "base"

    @pytest.mark.parametrize(
        "words",
        [["branch", "-D", "other"], ["branch", "-m", "other", "third"], ["rmi", "-f", "other"]],
    )
    def test_containers_are_put_back_on_their_branch(
        self, changed: Lxgit, words: list[str]
    ) -> None:
        changed("commit", "-m", "One", "web", "other")
        changed(*words)

        def branch() -> object:
            return changed("ps", "-a", "--format", "json").json[0]["branch"]

        assert branch() != "other"
        changed("undo")
        assert branch() == "other"

    def test_a_branch_that_containers_are_on_stays(self, based: Lxgit, git: StockGit) -> None:
        based("branch", "new")
        based("create", "--name", "web", "new", "true")
        before = refs(git)
        for words in (["undo"], ["undo", "-n"]):
            refused(based(*words, code=1), "'new' has containers: web", "--force detaches")
        assert refs(git) == before
        web = f"Container web ({based('ps', '-aq').lines[0]})"
        assert based("undo", "-n", "--force").lines[1:] == [f"{web} would be on no branch."]
        assert refs(git) == before
        assert based("undo", "--force").lines[1:] == [f"{web} is on no branch now."]
        assert based("ps", "-a", "--format", "json").json[0]["branch"] is None
        assert based("branch").lines == ["* base"]
        told = f"new is back at {based('rev-parse', '--short=12', 'base').out.strip()}, {web}\n"
        assert based("undo", "--redo").out.endswith(told.replace(", C", ", c"))
        assert based("ps", "-a", "--format", "json").json[0]["branch"] == "new"
        refused(based("undo", code=1), "'new' has containers: web", "--force detaches")

    def test_containers_that_a_redo_detached_are_put_back(self, based: Lxgit) -> None:
        def branches() -> dict[str, str]:
            rows = based("ps", "-a", "--format", "json").json
            return {row["name"]: row["branch"] for row in rows}

        based("branch", "old")
        based("branch", "-d", "old")
        based("undo")
        for name in ("one", "two", "three"):
            based("create", "--name", name, "old", "true")
        on_it = branches()
        based("undo", "--redo", "--force")
        assert branches() == dict.fromkeys(on_it)
        based("commit", "--allow-empty", "-m", "Another", "two", "new")
        based("rm", "three")
        based("undo")
        assert branches() == {"one": None, "two": None}
        based("undo")
        assert branches() == {"one": "old", "two": "old"}

    def test_a_container_that_has_gone_is_no_obstacle(self, changed: Lxgit, git: StockGit) -> None:
        before = refs(git)
        changed("commit", "-m", "One", "web")
        changed("rm", "web")
        changed("undo")
        assert refs(git) == before

    def test_what_moved_only_a_container_that_has_gone_is_told(self, changed: Lxgit) -> None:
        changed("branch", "keep")
        changed("restore", "web:/one")
        gone = changed("ps", "-aq").lines[0]
        changed("rm", "web")
        told = changed("undo")
        passed = f"passed over 'restore: web': container {gone} is gone"
        assert told.err == f"lxgit: warning: {passed}\n"
        assert told.out.startswith("Undid 'branch: Created from HEAD': keep is gone")
