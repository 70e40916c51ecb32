from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lxgit.errors import FREE_SPACE
from lxgit.objects import git as module
from lxgit.objects.git import Git, GitFailed, GitNotFound, git_program
from lxgit.objects.gitdir import init
from tests.support import disks
from tests.support.processes import children
from tests.support.rlimits import descriptors_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.stockgit import StockGit


def test_a_new_repository_is_a_bare_one_that_fsck_accepts(git_dir: Path, stock: StockGit) -> None:
    assert stock.word("rev-parse", "--is-bare-repository") == "true"
    assert stock.word("symbolic-ref", "HEAD") == "refs/heads/main"
    assert b"error" not in stock.fsck()  # of an unborn HEAD it says a word
    assert [path.name for path in git_dir.parent.iterdir()] == ["git"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("core.logAllRefUpdates", "always"),
        ("core.bigFileThreshold", "32m"),
        ("gc.auto", "0"),
        ("receive.autogc", "false"),
        ("receive.fsckObjects", "true"),
        ("transfer.fsckObjects", "true"),
        ("transfer.hideRefs", "refs/lxgit"),
    ],
)
def test_stock_git_sees_the_settings_of_a_store(stock: StockGit, name: str, value: str) -> None:
    assert stock.word("config", name) == value


def test_a_repository_that_exists_is_left_alone(git_dir: Path) -> None:
    with pytest.raises(FileExistsError):
        init(git_dir)


def test_a_repository_that_cannot_be_made_leaves_nothing(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRAM_PATH", str(scratch))
    git_program.cache_clear()
    with pytest.raises(GitNotFound):
        init(scratch / "git")
    monkeypatch.undo()
    git_program.cache_clear()
    assert list(scratch.iterdir()) == []


def test_neither_environment_nor_configuration_nor_hooks_reach_git(
    git: Git, git_dir: Path, scratch: Path, stock: StockGit, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch / ".gitconfig").write_text("[user]\n\tname = outside\n")
    monkeypatch.setenv("HOME", str(scratch))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.email")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "outside")
    hook = git_dir / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {scratch}/ran\n")
    hook.chmod(0o755)

    assert b"outside" not in git.run(["config", "--list"])
    git.run(["update-ref", "refs/heads/base", stock.commit("one")])
    assert not (scratch / "ran").exists()


def test_replace_refs_do_not_change_what_git_reads(git: Git, stock: StockGit) -> None:
    real, other = stock.blob(b"real"), stock.blob(b"other")
    stock("replace", real, other)
    assert stock("cat-file", "blob", real) == b"other"
    assert git.run(["cat-file", "blob", real]) == b"real"


def test_an_error_is_what_git_said_first(git: Git) -> None:
    with pytest.raises(GitFailed, match="git rev-parse: Needed a single revision") as caught:
        git.run(["rev-parse", "--verify", "nothing"])
    assert caught.value.status == 128


def test_an_exit_status_may_be_an_answer(git: Git) -> None:
    assert git.run(["config", "no.such"], ok=(0, 1)) == b""


def test_much_may_go_in_and_come_out_at_once(git: Git) -> None:
    many = b"".join(b"%040d\n" % number for number in range(50_000))
    answer = git.run(["cat-file", "--batch-check"], stdin=many)
    assert answer.count(b" missing\n") == 50_000


def test_a_stream_can_be_left_early(git: Git, stock: StockGit) -> None:
    oid = stock.blob(bytes(10 << 20))
    before = children(os.getpid())  # other tests have some
    stream = git.stream(["cat-file", "blob", oid])
    assert next(stream).startswith(b"\0")
    stream.close()
    assert children(os.getpid()) <= before


def test_lines_come_whole_however_long_they_are(git: Git, stock: StockGit) -> None:
    lines = [b"a" * 700_000, b"", b"b", b"c" * 300_000]
    oid = stock.blob(b"\n".join(lines))
    assert list(git.lines(["cat-file", "blob", oid])) == lines


def test_feeding_streams_its_input(git: Git) -> None:
    answer = git.feed(["hash-object", "--stdin"], (b"abc" for _ in range(100_000)))
    assert answer.strip() == git.run(["hash-object", "--stdin"], stdin=b"abc" * 100_000).strip()


def test_feeding_one_that_gives_up_tells_why(git: Git) -> None:
    with pytest.raises(GitFailed, match="unknown option"):
        git.feed(["hash-object", "--no-such-option"], (bytes(1 << 16) for _ in range(100)))


@pytest.mark.root
def test_a_full_disk_is_told_with_what_to_do(scratch: Path) -> None:
    with disks.small(scratch, 8) as place:
        init(place / "git")
        with pytest.raises(GitFailed, match="No space left on device") as caught:
            Git(place / "git").run(["hash-object", "-w", "--stdin"], stdin=os.urandom(20 << 20))
    assert caught.value.hint == FREE_SPACE


def test_it_works_from_a_directory_that_is_gone(
    git: Git, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = scratch / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert git.run(["rev-parse", "--git-dir"])
    monkeypatch.chdir("/")


def test_no_file_descriptor_is_left_open(git: Git) -> None:
    before = descriptors_of(os.getpid())
    git.run(["version"])
    git.feed(["hash-object", "--stdin"], [b"x"])
    with pytest.raises(GitFailed):
        git.run(["no-such-command"])
    assert descriptors_of(os.getpid()) <= before  # some may be garbage, which goes meanwhile
