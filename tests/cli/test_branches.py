"""branch, checkout, switch, tag: Git's words, and the same refs in stock Git's eyes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.cli.conftest import row
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit


def test_branches_are_listed_as_git_does(grown: Lxgit, git: StockGit) -> None:
    assert grown("branch").out == git("branch").decode()
    assert grown("branch", "-v").out == git("branch", "-v", "--abbrev=12").decode()
    assert grown("branch", "--show-current").out == "tuned\n"
    base, tuned = git.word("rev-parse", "base"), git.word("rev-parse", "tuned")
    assert grown("branch", "-q").lines == [base[:12], tuned[:12]]
    assert grown("branch", "-q", "--no-trunc").lines == [base, tuned]
    assert grown("branch", "--format", "json").json == [
        {"name": "base", "id": base, "current": False, "subject": "A small machine"},
        {"name": "tuned", "id": tuned, "current": True, "subject": "Tune it"},
    ]


def test_a_commit_has_one_subject(grown: Lxgit, git: StockGit) -> None:
    message = "one\N{LINE SEPARATOR}two\nthree\n\nfour"
    git("branch", "odd", git.word("commit-tree", "tuned^{tree}", "-p", "tuned", "-m", message))
    subject = git.word("log", "-1", "--format=%s", "odd")
    assert subject == "one\N{LINE SEPARATOR}two three"
    assert grown("branch", "-l", "odd", "--format", "json").json[0]["subject"] == subject
    assert grown("inspect", "odd").json[0]["Comment"] == subject
    assert grown("history", "odd", "--format", "json").json[0]["comment"] == subject
    assert grown("branch", "-v").lines[1].endswith(" one\\u2028two three")
    assert grown("log", "--oneline", "-n1", "odd").lines[0].endswith(" one\\u2028two three")
    grown("tag", "t", "odd", "-m", message)
    assert grown("tag", "-n", "-l", "t").lines == ["t               one\\u2028two three"]


def test_branches_that_match(grown: Lxgit, git: StockGit) -> None:
    grown("branch", "tools/one")
    for words in (["-l", "t*"], ["--list", "base", "*/one"], ["-l"], ["--list", "nothing*"]):
        assert grown("branch", *words).out == git("branch", *words).decode(), words
    assert grown("branch", "--list", "b*", "--format", "json").json[0]["name"] == "base"
    grown("checkout", "base~0")
    assert grown("branch", "-l", "b*").lines == ["  base"]


def test_a_detached_head_is_listed(grown: Lxgit, git: StockGit) -> None:
    base = git.word("rev-parse", "base")[:12]
    result = grown("checkout", "base~0")
    assert result.out == f"HEAD is now at {base} A small machine\n"
    assert result.err.startswith("lxgit: HEAD is on no branch now\nhint: ")
    assert grown("branch").lines == [f"* (HEAD detached at {base})", "  base", "  tuned"]
    assert grown("branch", "--show-current").out == ""
    assert grown("checkout", "-").out == (
        f"Previous HEAD position was {base}\nSwitched to branch 'tuned'\n"
    )


def test_a_branch_that_is_moved_away_from_commits_tells_them(grown: Lxgit, git: StockGit) -> None:
    """As `branch -D` does, where no other name has them."""
    grown("checkout", "-q", "base")
    tuned = git.word("rev-parse", "tuned")
    grown("branch", "kept", "tuned")
    assert grown("branch", "-f", "tuned", "base").err == ""  # 'kept' has them
    told = grown("branch", "-f", "kept", "base")
    assert told.out == ""
    assert told.err == (
        f"lxgit: the branch 'kept' was {tuned[:12]}, which no name leads to now\n"
        f"hint: 'lxgit branch NEW {tuned[:12]}' gives it one\n"
    )
    grown("branch", "again", tuned[:12])
    assert grown("branch", "-f", "kept", "again").err == ""  # it has moved on
    grown("branch", "-D", "again")
    assert f"'kept' was {tuned[:12]}" in grown("checkout", "-B", "kept", "base").err


def test_commits_that_a_detached_head_has_are_told_when_it_leaves(
    grown: Lxgit, git: StockGit
) -> None:
    tuned = git.word("rev-parse", "tuned")
    grown("checkout", "-q", tuned)
    assert grown("branch", "-f", "tuned", "base").err == ""
    grown("branch", "kept", tuned)
    assert f"'kept' was {tuned[:12]}" in grown("checkout", "-B", "kept", "base").err


def test_what_a_rename_or_a_tag_moves_away_from_is_told(grown: Lxgit, git: StockGit) -> None:
    tuned = git.word("rev-parse", "tuned")
    lost = (
        f"was {tuned[:12]}, which no name leads to now\nhint: 'lxgit branch NEW {tuned[:12]}' gives"
    )
    grown("checkout", "-q", "base")
    grown("branch", "other")
    grown("tag", "-a", "-m", "text", "base:v1", "tuned")
    assert grown("branch", "-M", "other", "tuned").err == ""  # the tag has them
    told = grown("tag", "-f", "base:v1", "base")
    assert told.out == ""
    assert told.err.startswith(f"lxgit: the tag 'base:v1' {lost}")
    assert grown("tag", "-f", "base:v1", tuned).err == ""
    grown("branch", "-f", "tuned", tuned)
    grown("tag", "-d", "base:v1")
    grown("branch", "other")
    assert grown("branch", "-M", "other", "tuned").err.startswith(
        f"lxgit: the branch 'tuned' {lost}"
    )


def test_create_move_rename_delete(grown: Lxgit, git: StockGit) -> None:
    base, tuned = git.word("rev-parse", "base"), git.word("rev-parse", "tuned")
    assert grown("branch", "new").out == ""
    assert git.word("rev-parse", "new") == tuned
    result = grown("branch", "new", "base", code=1)
    assert result.err == "lxgit: the branch 'new' is there already\nhint: -f moves it\n"
    grown("branch", "-f", "new", "base")
    assert git.word("rev-parse", "new") == base
    grown("branch", "-m", "new", "newer")
    assert git.word("rev-parse", "newer") == base
    assert grown("branch", "-d", "newer").out == f"Deleted branch newer (was {base[:12]}).\n"
    assert git.attempt("rev-parse", "newer").returncode != 0
    assert git.fsck() == b""


@pytest.mark.parametrize("words", [["base", "base"], ["base", "base:latest"], ["tuned"]])
def test_a_branch_that_is_renamed_to_its_own_name_stays(
    grown: Lxgit, git: StockGit, words: list[str]
) -> None:
    before = git("for-each-ref")
    for option in ("-m", "-M"):
        result = grown("branch", option, *words)
        assert result.out + result.err == ""
        assert git("for-each-ref") == before
    assert "no branch 'none'" in grown("branch", "-M", "none", "none", code=1).err


def test_what_is_renamed_has_its_reflog_as_in_git(
    grown: Lxgit, git: StockGit, scratch: Path
) -> None:
    grown("branch", "other", "base")
    grown("branch", "-f", "other", "tuned")
    theirs = StockGit(scratch / "theirs")
    shutil.copytree(git.git_dir, theirs.git_dir)
    theirs("branch", "-m", "other", "another")
    grown("branch", "-m", "other", "another")
    told = theirs("reflog", "show", "--abbrev=12", "another").decode()
    assert len(told.splitlines()) == 3
    assert grown("reflog", "another").out == told
    assert git("reflog", "show", "--abbrev=12", "another").decode() == told
    fields = grown("reflog", "another", "--format", "json").json
    assert [one["old"] for one in fields] == [*(one["id"] for one in fields[1:]), None]


def test_deleting_what_is_not_merged_or_head(grown: Lxgit) -> None:
    grown("checkout", "-q", "base")
    assert "is not merged into HEAD" in grown("branch", "-d", "tuned", code=1).err
    assert "is HEAD's branch" in grown("branch", "-D", "base", code=1).err
    assert grown("branch").lines == ["* base", "  tuned"]
    grown("branch", "-D", "tuned")
    assert grown("branch").lines == ["* base"]


def test_renaming_heads_branch(grown: Lxgit, git: StockGit) -> None:
    grown("branch", "-m", "f440/first")
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/f440/first"
    assert "-M replaces it" in grown("branch", "-m", "base", code=1).err
    grown("branch", "-M", "base")
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"
    assert git.word("log", "--format=%s", "-n1", "base") == "Tune it"


@pytest.mark.root
def test_docker_s_name_of_a_branch_is_the_branch(grown: Lxgit, git: StockGit) -> None:
    """Its containers are seen by that name too, and none is left on a branch that is gone."""
    grown("checkout", "-q", "base")
    grown("branch", "web", "base")
    grown("create", "--name", "one", "web")
    refused = grown("branch", "-d", "web:latest", code=1)
    assert refused.err == (
        "lxgit: the branch 'web' has containers: one\nhint: 'lxgit branch -D web' detaches\n"
    )
    grown("branch", "-m", "web:latest", "new:latest")
    assert grown("branch").lines == ["* base", "  new", "  tuned"]
    assert row(grown, "one")["branch"] == "new"
    deleted = grown("branch", "-D", "new:latest").lines
    assert deleted[0].startswith("Deleted branch new (was ")
    assert row(grown, "one")["branch"] is None
    grown("branch", "made:latest", "tuned")
    assert git.word("rev-parse", "made") == git.word("rev-parse", "tuned")
    assert "the branch 'made' is there already" in grown("branch", "made:latest", code=1).err
    grown("branch", "-f", "made:latest", "base")
    assert git.word("rev-parse", "made") == git.word("rev-parse", "base")
    moved = grown("checkout", "-b", "other:latest")
    assert moved.out == "Switched to a new branch 'other'\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["branch", "-d"], "lxgit branch -d NAME..."),
        (["branch", "-m"], "lxgit branch -m [OLD] NEW"),
        (["branch", "a", "base", "c"], "lxgit branch NAME [REV]"),
        (["tag", "-d"], "lxgit tag -d NAME..."),
        (["tag", "a", "b", "c", "d"], "lxgit tag NAME [REV]"),
        (["tag", "-l", "a", "b"], "lxgit tag -l [PATTERN]"),
        (["checkout"], "lxgit checkout BRANCH, or -b NEW [REV]"),
        (["switch"], "lxgit switch BRANCH, or -c NEW [REV]"),
    ],
)
def test_usage(grown: Lxgit, words: list[str], hint: str) -> None:
    assert grown(*words, code=2).err.endswith(f"hint: {hint}\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["branch", "new", ""], "there is no ''"),
        (["branch", "-f", "base", ""], "there is no ''"),
        (["tag", "new", ""], "there is no ''"),
        (["checkout", "-b", "new", ""], "there is no ''"),
        (["checkout", "-b", "", "base"], "a name cannot be empty"),
        (["checkout", "-B", "", "base"], "a name cannot be empty"),
        (["switch", "-c", "", "base"], "a name cannot be empty"),
        (["switch", "-C", "", "base"], "a name cannot be empty"),
    ],
)
def test_an_empty_word_is_none_that_was_left_out(
    grown: Lxgit, git: StockGit, words: list[str], told: str
) -> None:
    """As a script has one of a variable that is not set."""
    before = git("for-each-ref"), git.word("symbolic-ref", "HEAD")
    assert grown(*words, code=1).err.startswith(f"lxgit: {told}\n")
    assert (git("for-each-ref"), git.word("symbolic-ref", "HEAD")) == before


@pytest.mark.parametrize("name", ["-x", "a..b", "HEAD", "a b", "a~1", "x.lock", "0" * 40, ""])
def test_names_that_git_refuses(grown: Lxgit, name: str) -> None:
    assert grown("branch", "--", name, "base", code=1).err.startswith("lxgit: ")
    assert grown("branch").lines == ["  base", "* tuned"]


@pytest.mark.parametrize(
    "words",
    [
        "diff ^base tuned",
        "diff base ^tuned",
        "show ^base",
        "show base..tuned",
        "branch x ^base",
        "tag x base...tuned",
        "checkout base^!",
        "export ^base -o /dev/null",
        "ls ^base",
        "inspect base..tuned",
        "log base..^tuned",
    ],
)
def test_a_range_where_one_commit_is_wanted(grown: Lxgit, words: str) -> None:
    named = next(word for word in words.split()[::-1] if "^" in word or ".." in word)
    named = named.removeprefix("base..") if words.startswith("log") else named
    said, hint = grown(*words.split(), code=1).err.splitlines()
    assert said == f"lxgit: '{named}' is a range, and one commit is wanted"
    assert f"'lxgit log {'' if named[0] == '^' else '-p '}{named}" in hint


@pytest.mark.parametrize(
    "words",
    [
        ["tag", "HOST/base:v1", "base"],
        ["branch", "HOST/base:v1", "base"],
        ["import", "/etc/hostname", "HOST/base:v1"],
    ],
)
def test_a_registry_is_for_push(grown: Lxgit, words: list[str]) -> None:
    words = [word.replace("HOST", "localhost:5000") for word in words]
    assert grown(*words, code=1).err == (
        "lxgit: 'localhost:5000/base:v1' is not a valid name\n"
        "hint: a registry is named to 'push': take 'base:v1', then"
        " 'lxgit push base:v1 localhost:5000/base'\n"
    )


@pytest.mark.root
def test_a_commit_s_or_a_build_s_name_with_a_registry(grown: Lxgit, scratch: Path) -> None:
    grown("create", "--name", "w", "base")
    (scratch / "Dockerfile").write_text("FROM base\n")
    name = "localhost:5000/base:v1"
    for words in (["commit", "-m", "x", "w", name], ["build", "-t", name, scratch]):
        assert "take 'base:v1', then 'lxgit push base:v1 l" in grown(*words, code=1).err, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["branch", "a\nhint: b\x1b"], "'a\\nhint: b\\x1b' is not a valid name"),
        (["show", "base:/no\nhint: x"], "'base' has no '/no\\nhint: x'"),
        (["checkout", "a\tb\n\n"], "there is no 'a\\tb\\n\\n'"),
        (["a\nb"], "'a\\nb' is not a command"),
    ],
)
def test_a_name_begins_no_line(grown: Lxgit, words: list[str], said: str) -> None:
    told = grown(*words, code=None).err.splitlines()
    assert told[0] == f"lxgit: {said}"
    assert len(told) == 2
    assert told[1].startswith("hint: ")


def test_a_name_that_is_given_to_none_can_be_had_already(grown: Lxgit, git: StockGit) -> None:
    """Stock Git gives such, and an older version did."""
    git("branch", "remotes/o", "base")
    grown("branch", "-f", "remotes/o", "tuned")
    assert git.word("rev-parse", "refs/heads/remotes/o") == git.word("rev-parse", "tuned")
    assert "is not a valid name" in grown("branch", "remotes/other", code=1).err


@pytest.mark.parametrize("name", ["HEAD", "@"])
def test_checkout_of_head_stays_where_it_is(grown: Lxgit, git: StockGit, name: str) -> None:
    """And where `checkout -` goes."""
    grown("checkout", "base")
    told = grown("reflog").out
    assert grown("checkout", name).out == "Already on 'base'\n"
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"
    assert grown("reflog").out == told
    assert grown("checkout", "-").out == "Switched to branch 'tuned'\n"
    grown("checkout", "-b", "new", name)
    grown("checkout", "--detach", name)
    told = grown("reflog").out
    assert git.attempt("symbolic-ref", "-q", "HEAD").returncode == 1
    assert grown("checkout", name).out.startswith("HEAD is now at ")
    assert grown("reflog").out == told
    assert f"'{name}' is no branch" in grown("switch", name, code=1).err


def test_checkout(grown: Lxgit, git: StockGit) -> None:
    assert grown("checkout", "base").out == "Switched to branch 'base'\n"
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"
    assert grown("checkout", "base").out == "Already on 'base'\n"
    assert grown("checkout", "-b", "new", "tuned").out == "Switched to a new branch 'new'\n"
    assert git.word("rev-parse", "HEAD") == git.word("rev-parse", "tuned")
    assert grown("checkout", "-b", "new", "base", code=1).err == (
        "lxgit: the branch 'new' is there already\n"
        "hint: 'lxgit checkout new' goes to it, -B moves it\n"
    )
    assert grown("checkout", "-B", "new", "base").out == "Reset branch 'new'\n"
    assert git.word("rev-parse", "HEAD") == git.word("rev-parse", "base")
    grown("checkout", "--detach", "tuned", "-q")
    assert git.attempt("symbolic-ref", "-q", "HEAD").returncode == 1
    assert git.word("reflog", "-n1", "--format=%gs", "HEAD") == "checkout: moving from new to tuned"
    assert git.word("rev-parse", "@{-1}") == git.word("rev-parse", "new")


def test_switch(grown: Lxgit, git: StockGit) -> None:
    grown("tag", "v1", "base")
    result = grown("switch", "v1", code=1)
    assert result.err == ("lxgit: 'v1' is no branch\nhint: 'lxgit switch --detach v1' goes there\n")
    assert grown("switch", "base").out == "Switched to branch 'base'\n"
    assert grown("switch", "-c", "new", "tuned").out == "Switched to a new branch 'new'\n"
    assert "goes to it, -C moves it\n" in grown("switch", "-c", "new", "base", code=1).err
    grown("switch", "base")
    assert grown("switch", "-C", "new", "base").out == "Switched to and reset branch 'new'\n"
    assert git.word("rev-parse", "new") == git.word("rev-parse", "base")
    assert grown("switch", "-C", "newer", "base").out == "Switched to a new branch 'newer'\n"
    grown("switch", "-q", "new")
    grown("switch", "base")
    assert grown("switch", "-").out == "Switched to branch 'new'\n"
    assert "HEAD is now at" in grown("switch", "--detach", "v1").out


def test_tags(grown: Lxgit, git: StockGit) -> None:
    base = git.word("rev-parse", "base")
    grown("tag", "v1")
    grown("tag", "base:v1", "base")
    grown("tag", "base", "registry/base", "v2")
    grown("tag", "-m", "The first release", "-m", "of many", "r1", "base")
    assert grown("tag").out == git("tag").decode()
    assert grown("tag", "-l", "*/v*").lines == ["base/v1", "registry/base/v2"]
    assert grown("tag", "-n", "-l", "r1").lines == ["r1              The first release"]
    assert grown("tag", "--format", "json").json[1] == {
        "name": "r1",
        "id": base,
        "message": "The first release\n\nof many\n",
    }
    assert git.word("cat-file", "-t", "r1") == "tag"
    assert git.word("tag", "-l", "--format=%(contents:body)", "r1") == "of many"
    assert git.word("rev-parse", "refs/tags/registry/base/v2") == base
    assert grown("tag", "-q", "-l", "r1").lines == [base[:12]]
    assert git.fsck() == b""


def test_the_id_of_an_annotated_tag_has_that_back(grown: Lxgit, git: StockGit) -> None:
    """As fsck says of one that is lost. Of another name it stands for the commit alone."""
    grown("tag", "-a", "-m", "The first release", "base:r1", "base")
    oid, commit = git.word("rev-parse", "base/r1"), git.word("rev-parse", "base")
    (git.git_dir / "refs/tags/base/r1").unlink()
    told = grown("fsck", code=1)
    words = f"tag base/r1 {oid[:12]}"
    assert f"'lxgit {words}' brings it back" in told.out + told.err
    grown("tag", "other", oid[:12])
    assert git.word("rev-parse", "other") == commit
    grown(*words.split())
    assert git.word("rev-parse", "base/r1") == oid
    assert grown("tag", "-n", "-l", "base/r1").lines == ["base/r1         The first release"]
    assert grown("fsck").code == 0
    grown("tag", "-f", "-m", "The same again", "base:r1", oid)
    assert git.word("rev-parse", "base/r1") != oid
    grown("tag", "-f", "base:r1", oid)
    assert git.word("rev-parse", "base/r1") == oid
    grown("tag", "-f", "base:r1", "base/r1")
    assert git.word("rev-parse", "base/r1") == commit


def test_tags_move_by_force_and_go(grown: Lxgit, git: StockGit) -> None:
    grown("tag", "v1", "base")
    assert grown("tag", "v1", "tuned", code=1).err == (
        "lxgit: the tag 'v1' is there already\nhint: -f moves it\n"
    )
    grown("tag", "-f", "v1", "tuned")
    tuned = git.word("rev-parse", "tuned")
    assert git.word("rev-parse", "v1") == tuned
    assert "there is no tag 'v2'" in grown("tag", "-d", "v2", code=1).err
    grown("tag", "v2", "base")
    assert "hint: 'v2' is a tag: see 'lxgit tag'" in grown("branch", "-d", "v2", code=1).err
    assert "hint: 'base' is a branch: see" in grown("tag", "-d", "base", code=1).err
    grown("tag", "-d", "v2")
    assert grown("tag", "-d", "v1").out == f"Deleted tag v1 (was {tuned[:12]}).\n"
    assert git("tag") == b""


def test_a_branch_and_a_tag_never_share_a_name(grown: Lxgit) -> None:
    assert grown("tag", "base", "v1", code=1).err == (
        "lxgit: 'base' is a branch\nhint: 'lxgit tag v1 base' tags it;"
        " 'lxgit branch v1 base' is what Docker calls v1:latest\n"
    )
    assert grown("tag", "base", "new:v7", code=1).err == (
        "lxgit: 'base' is a branch\nhint: 'lxgit tag new:v7 base' tags it\n"
    )
    assert grown("tag", "base", "new:latest", code=1).err == (
        "lxgit: 'base' is a branch\nhint: 'lxgit branch new base' is what Docker calls new:latest\n"
    )
    for words in (["base"], ["base", "base~1"]):
        assert "hint: a branch and a tag never share a name" in grown("tag", *words, code=1).err
    grown("tag", "v1")
    assert "'v1' is a tag" in grown("branch", "v1", code=1).err


@pytest.mark.parametrize(
    "words",
    [
        ["new:latest"],
        ["new/latest", "base"],
        ["-f", "new:latest", "base"],
        ["base", "new", "latest"],
    ],
)
def test_latest_is_a_branch_and_no_tag(grown: Lxgit, git: StockGit, words: list[str]) -> None:
    refused = grown("tag", *words, code=1).err
    assert refused == (
        "lxgit: 'new:latest' is the branch 'new', and no tag\n"
        "hint: 'lxgit branch new REV' makes it, -f moves it\n"
    )
    assert git("tag") == b""


def test_latest_never_means_a_tag_of_others(grown: Lxgit, git: StockGit) -> None:
    git("tag", "base/latest", "tuned")
    git("tag", "gone/latest", "base")
    rows = [line.split()[:2] for line in grown("images").lines[1:]]
    assert ["<none>", "base/latest"] in rows
    assert rows.count(["base", "latest"]) == 1
    assert grown("inspect", "tuned").json[0]["RepoTags"] == ["tuned:latest", "base/latest"]
    assert "there is no 'gone:latest'" in grown("rmi", "gone:latest", code=1).err
    assert grown("rmi", "base:latest").out.startswith("Deleted branch base ")
    assert "there is no 'base:latest'" in grown("rmi", "base:latest", code=1).err
    assert grown("rmi", "base/latest").out.startswith("Deleted tag base/latest ")
    assert git("tag") == b"gone/latest\n"


def test_a_tags_message_comes_from_the_editor(grown: Lxgit, git: StockGit) -> None:
    with grown.terminal("tag", "-a", "r1", env={"GIT_EDITOR": "sed -i '1s/^/By hand/'"}) as shell:
        shell.expect(pexpect.EOF)
    assert git.word("tag", "-l", "--format=%(contents:subject)", "r1") == "By hand"
    assert "an editor needs a terminal" in grown("tag", "-a", "r2", code=1).err


def test_stock_git_and_lxgit_take_turns(grown: Lxgit, git: StockGit) -> None:
    git("branch", "theirs", "base")
    git("pack-refs", "--all")
    assert grown("branch").lines == ["  base", "  theirs", "* tuned"]
    grown("branch", "-d", "theirs")
    assert "theirs" not in git("branch").decode()
    git("tag", "-a", "-m", "Theirs", "t1", "base")
    assert grown("tag", "-n").lines == ["t1              Theirs"]
