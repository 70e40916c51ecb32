"""log: patches, drawings, paths that had other names, and what it costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import written_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit, Result
    from tests.support.stockgit import StockGit


class Machine:
    """A machine that is changed and committed by import, again and again."""

    def __init__(self, lxgit: Lxgit, root: Path) -> None:
        self.lxgit = lxgit
        self.root = root
        self.time = 0
        (root / "etc").mkdir(parents=True)
        for name in ("passwd", "motd"):
            self.write(f"etc/{name}", f"{name} of the machine\n" * 9)

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)
        os.utime(self.root / path, (1_700_000_000, 1_700_000_000))

    def commit(self, subject: str, branch: str = "base") -> None:
        self.time += 60
        for directory in (self.root, *(path for path in self.root.rglob("*") if path.is_dir())):
            os.utime(directory, (1_700_000_000, 1_700_000_000))
        self.lxgit("import", self.root, branch, "-m", subject, env=written_at(self.time))

    def subjects(self, *words: str | bytes) -> list[str]:
        return [line.split(" ", 1)[1] for line in self.lxgit("log", "--oneline", *words).lines]


@pytest.fixture
def machine(lxgit: Lxgit, scratch: Path) -> Machine:
    made = Machine(lxgit, scratch / "machine")
    made.commit("first")
    return made


def merged(git: StockGit, subject: str, tree: str, *parents: str, time: int) -> None:
    """Make a merge with the tree of a commit, and have HEAD's branch at it."""
    oid = git.commit(subject, *parents, tree=git.word("rev-parse", f"{tree}^{{tree}}"), time=time)
    git("update-ref", "refs/heads/base", oid)


def test_patches_stand_behind_their_commits(grown: Lxgit, git: StockGit) -> None:
    patch = grown("diff", "base", "tuned").out
    head = git("log", "-n", "1", "tuned").decode()
    assert grown("log", "-p", "-n", "1").out == f"{head}\n{patch}"
    both = grown("log", "--patch", "-n", "1", "--stat").out
    stat = "".join(f"{line}\n" for line in grown("log", "-n", "1", "--stat").lines[8:])
    assert both == f"{head}---\n{stat}\n{patch}"
    assert grown("log", "-p", "-n", "1", "--oneline").lines[1].startswith("diff --git a/etc/hosts ")
    one = grown("log", "-p", "-n", "1", "--", "/etc/motd").out
    assert one == f"{head}\n{grown('diff', 'base', 'tuned', '--', '/etc/motd').out}"
    assert grown("log", "-p", "-n", "1", "--format", "json").json[0]["patch"] == patch
    assert "rootfs/" not in grown("log", "-p").out


def test_a_path_is_content_metadata_and_links(machine: Machine) -> None:
    etc = machine.root / "etc"
    machine.write("etc/motd", "other\n")
    machine.commit("a sibling's content")
    (etc / "motd").chmod(0o600)
    machine.commit("a sibling's mode")
    (etc / "passwd").chmod(0o600)
    machine.commit("its mode")
    os.link(etc / "passwd", machine.root / "twin")
    machine.commit("its links")
    os.link(etc / "motd", machine.root / "other-twin")
    machine.commit("a sibling's links")
    os.mkfifo(etc / "fifo")
    os.utime(etc / "fifo", (0, 0))
    machine.commit("a fifo")
    os.utime(etc / "fifo", (1, 1))
    machine.commit("a fifo's time")
    (etc / "passwd").unlink()
    machine.commit("its end")
    assert machine.subjects("--", "/etc/passwd") == ["its end", "its links", "its mode", "first"]
    assert machine.subjects("--", "/etc/fifo") == ["a fifo's time", "a fifo"]
    assert machine.subjects("--", "/twin") == ["its end", "its links"]
    assert len(machine.subjects("--", "/")) == 9
    assert machine.subjects("-n", "1", "--skip", "1", "--", "/etc/passwd") == ["its links"]
    assert machine.subjects("--reverse", "--", "/etc/fifo") == ["a fifo", "a fifo's time"]


@pytest.mark.parametrize(
    "name", [b"%meta", b".git", b'q"uote', b"tab\tnew\nline", b"\xff\x01\\", b"a b", "é".encode()]
)
def test_paths_of_any_name(machine: Machine, name: bytes) -> None:
    directory = os.fsencode(machine.root) + b"/d" + name
    os.mkdir(directory)
    path = directory + b"/" + name
    with open(path, "wb") as file:
        file.write(b"x")
    os.utime(path, (0, 0))
    machine.commit("new")
    (machine.root / os.fsdecode(b"d" + name) / "sibling").write_text("")
    machine.commit("a sibling")
    os.chmod(path, 0o600)
    machine.commit("its mode")
    os.link(path, os.fsencode(machine.root) + b"/" + name)
    machine.commit("its link")
    below = b"/d" + name + b"/" + name
    assert machine.subjects("--", below) == ["its link", "its mode", "new"]
    assert machine.subjects("--", b"/" + name) == ["its link"]


def test_history_is_drawn_as_git_draws_it(machine: Machine, git: StockGit) -> None:
    machine.lxgit("branch", "side")
    machine.write("etc/motd", "one\n")
    machine.commit("on base")
    machine.write("etc/passwd", "one\n")
    machine.commit("on side", "side")
    merged(git, "merge\n", "side", "base", "side", time=300)
    machine.commit("after")
    for words in ([], ["--oneline"], ["-n", "2"], ["--all", "--skip", "1"], ["--first-parent"]):
        theirs = git("log", "--graph", "--abbrev=12", *words).decode()
        assert machine.lxgit("log", "--graph", *words).out == theirs, words
    stat = machine.lxgit("log", "--graph", "--stat", "-p").lines
    assert any(line.startswith("| | diff --git a/etc/") for line in stat)
    assert all(line[0] in "*|" for line in stat[:20])


def test_all_has_a_detached_heads_own_commit(grown: Lxgit, git: StockGit) -> None:
    """As `checkout ID` and a commit of another tool leave one that no name leads to."""
    tree, base = git.word("rev-parse", "base^{tree}"), git.word("rev-parse", "base")
    git("update-ref", "--no-deref", "HEAD", git.word("commit-tree", tree, "-p", base, "-m", "x"))
    for words in (["--all"], ["--all", "^base"], ["--graph", "--all", "--abbrev=12"]):
        ours = [word for word in words if word != "--abbrev=12"]
        assert grown("log", *ours).out == git("log", *words).decode()
    assert len(grown("log", "--oneline", "--all").lines) == 3
    git("symbolic-ref", "HEAD", "refs/heads/unborn")
    assert len(grown("log", "--oneline", "--all").lines) == 2


def test_numbers_that_git_cannot_count_to(grown: Lxgit) -> None:
    most = "9" * 18
    for words in ([], ["--graph"], ["--graph", "--", "/etc/motd"], ["--", "/etc/motd"], ["--all"]):
        assert grown("log", "-n", most, *words).out == grown("log", *words).out != ""
        assert grown("log", "--skip", most, *words).out == ""
        assert grown("log", "--skip", most, "-n", most, *words).out == ""


def test_the_drawing_of_a_path_has_its_commits_alone(machine: Machine, git: StockGit) -> None:
    machine.lxgit("branch", "side")
    machine.write("etc/motd", "one\n")
    machine.commit("motd on base")
    machine.write("etc/passwd", "one\n")
    machine.commit("both on side", "side")
    machine.write("etc/passwd", "two\n")
    machine.commit("passwd on side", "side")
    merged(git, "merge\n", "side", "base", "side", time=300)
    drawn = machine.lxgit("log", "--graph", "--oneline", "--", "/etc/passwd").lines
    assert [line.split(" ", 2)[2] for line in drawn] == ["passwd on side", "both on side", "first"]
    assert all(line.startswith("* ") for line in drawn)


def test_a_file_is_followed_through_its_names(machine: Machine) -> None:
    etc = machine.root / "etc"
    (machine.root / "srv").mkdir()
    (etc / "passwd").rename(machine.root / "srv/users")
    machine.commit("moved as it is")
    (machine.root / "srv/users").chmod(0o600)
    machine.commit("its mode")
    (machine.root / "srv/users").rename(machine.root / "srv/.git")
    machine.write("srv/.git", "passwd of the machine\n" * 9 + "and one more line\n")
    machine.commit("moved and changed")
    machine.write("etc/motd", "other\n")
    machine.commit("another file")
    expected = ["moved and changed", "its mode", "moved as it is", "first"]
    assert machine.subjects("--follow", "--", "/srv/.git") == expected
    assert machine.subjects("--", "/srv/.git") == ["moved and changed"]
    assert machine.subjects("--follow", "-n", "2", "--", "srv/.git") == expected[:2]
    names = machine.lxgit("log", "--follow", "--format", "json", "--stat", "--", "/srv/.git").json
    paths = [{change["path"] for change in entry["changes"]} for entry in names]
    assert paths[0] == {"/srv/.git", "/srv/users"}
    assert paths[2:] == [{"/etc/passwd", "/srv/users"}, {"/etc/passwd"}]
    assert machine.subjects("--follow", "--", "/etc/motd") == ["another file", "first"]


def test_a_file_is_followed_to_what_it_was_a_link_to(machine: Machine, git: StockGit) -> None:
    """As stock Git follows it, for which a link is a copy."""
    etc = machine.root / "etc"
    machine.write("etc/passwd", "passwd of the machine\n" * 9 + "and one more line\n")
    machine.commit("its content")
    (etc / "hard").hardlink_to(etc / "passwd")
    machine.commit("a link")
    (etc / "passwd").chmod(0o600)
    machine.commit("its mode")
    (etc / "passwd").unlink()
    machine.commit("the other goes")
    expected = ["the other goes", "its mode", "a link", "its content", "first"]
    assert machine.subjects("--follow", "--", "/etc/hard") == expected
    assert machine.subjects("--", "/etc/hard") == expected[:3]
    told = git("log", "--follow", "--format=%s", "--", "rootfs/etc/hard").decode().splitlines()
    assert told == ["a link", "its content", "first"]  # its mode and links are in other files


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--follow"], "--follow takes one path"),
        (["--follow", "--", "/a", "/b"], "--follow takes one path"),
        (["--graph", "--reverse"], "--graph and --reverse exclude each other"),
        (["--graph", "--follow", "--", "/a"], "--graph and --follow exclude each other"),
        (["--graph", "--format", "json"], "--graph and --format exclude each other"),
        (["--stat", "--name-only"], "--name-only and --stat exclude each other"),
        (["-p", "--name-status"], "--name-status and -p exclude each other"),
    ],
)
def test_what_does_not_go_together(based: Lxgit, words: list[str], told: str) -> None:
    refused: Result = based("log", *words, code=2)
    assert told in refused.err


def test_names_of_what_changed_stand_behind_their_commits(grown: Lxgit, git: StockGit) -> None:
    paths = ["hosts", "logo", "motd", "mtab", "profile"]
    plain = git("log", "-n", "1", "tuned").decode()
    names = "".join(f"/etc/{path}\n" for path in paths)
    assert grown("log", "-n", "1", "--name-only").out == f"{plain}\n{names}"
    lines = [f"{kind}\t/etc/{path}" for kind, path in zip("DAMAM", paths, strict=True)]
    assert grown("log", "--oneline", "-n", "1", "--name-status").lines[1:] == lines
    assert grown("log", "--name-status", "--", "/etc/logo").lines[-1] == "A\t/etc/logo"
    drawn = grown("log", "--graph", "--oneline", "-n", "1", "--name-only").lines
    assert [line.split()[-1] for line in drawn[1:]] == names.split()
    (fields,) = grown("log", "--name-only", "-n", "1", "--format", "json").json
    assert [change["path"] for change in fields["changes"]] == names.split()


def test_the_settings_of_the_store_do_not_change_the_answer(grown: Lxgit, git: StockGit) -> None:
    plain = [grown("log", *words).out for words in ([], ["--graph"], ["--", "/etc/motd"])]
    for key, value in {
        "log.follow": "true",
        "log.showSignature": "true",
        "log.date": "iso",
        "format.pretty": "oneline",
        "diff.noprefix": "false",
        "diff.mnemonicPrefix": "true",
        "diff.context": "9",
        "color.ui": "always",
        "core.quotePath": "true",
        "log.diffMerges": "off",
    }.items():
        git("config", key, value)
    assert [grown("log", *words).out for words in ([], ["--graph"], ["--", "/etc/motd"])] == plain


def test_a_commit_of_another_tools_is_shown_without_changes(based: Lxgit, git: StockGit) -> None:
    other = git.commit("foreign\n", git.word("rev-parse", "base"), time=99)
    git("update-ref", "refs/heads/foreign", other)
    assert based("log", "--oneline", "-p", "-n", "1", "foreign").out == f"{other[:12]} foreign\n"
