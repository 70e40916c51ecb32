"""checkout REV CONTAINER, reset, restore, pause and the options of commit, as they are typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

KEPT = (
    r"lxgit: what it was is kept as ([0-9a-f]{12})\n"
    r"hint: 'lxgit restore --source \1 web:/' brings all of it back\n"
)


@pytest.fixture
def web(grown: Lxgit) -> Lxgit:
    """A container `web` of HEAD's branch, which has added /srv/index."""
    grown("run", "--network", "none", "--name", "web", "HEAD", "sh", "-c", "echo hi >/srv/index")
    return grown


def paths(lxgit: Lxgit) -> list[str]:
    """What the container has changed."""
    return [line.split()[1] for line in lxgit("diff", "web", "--name-status").lines]


def test_checkout_of_a_container(web: Lxgit) -> None:
    refused = web("checkout", "base", "web", code=1)
    assert refused.err == (
        "lxgit: container 'web' has changes\nhint: '--merge' carries them over,"
        " '--stash' puts them away; or 'lxgit commit' or 'lxgit reset --hard' first\n"
    )
    moved = web("checkout", "--merge", "base", "web")
    assert re.fullmatch(
        r"Container web \(\w{12}\): \w{12} -> \w{12}, on branch 'base'\n"
        r"Carried the changes of 1 path over\n",
        moved.out,
    )
    assert re.fullmatch(KEPT, moved.err)
    assert paths(web) == ["/srv/index"]
    assert web("branch", "--show-current").out == "tuned\n"
    assert web("checkout", "-q", "--merge", "tuned", "web").out == ""


def test_conflicts_are_named(web: Lxgit) -> None:
    web("run", "--network", "none", "--name", "other", "base", "sh", "-c", "echo x >/etc/motd")
    refused = web("checkout", "-m", "tuned", "other", code=1)
    assert refused.err.startswith("lxgit: both have changed /etc/motd\nhint: ")


def test_reset_and_back(web: Lxgit) -> None:
    assert "hint: lxgit reset --hard web\n" in web("reset", "web", code=2).err
    done = web("reset", "--hard", "web")
    assert re.fullmatch(r"Container web \(\w{12}\): dropped 1 path\n", done.out)
    kept = re.fullmatch(KEPT, done.err)
    assert kept is not None
    assert paths(web) == []
    assert web("reset", "--hard", "web").err == ""
    web("restore", "--source", kept[1], "web:/")
    assert paths(web) == ["/srv/index"]


@pytest.mark.parametrize("words", [["HEAD~1"], ["--hard", "HEAD~1"], ["--hard", "base"]])
def test_reset_of_a_commit_says_what_moves_a_branch(web: Lxgit, words: list[str]) -> None:
    refused = web("reset", *words, code=1).err
    assert refused.startswith(f"lxgit: no container '{words[-1]}'\n")
    said = re.search(r"'lxgit (branch -f) NAME (\S+)' moves a branch there", refused)
    assert said is not None
    web(*said[1].split(), "tuned", said[2])
    assert web("rev-parse", "tuned").out == web("rev-parse", "base").out
    assert "'lxgit ps -a' lists" in web("reset", "nope", code=1).err


def test_restore(web: Lxgit) -> None:
    done = web("restore", "-s", "base", "/etc/motd", "/etc/logo")
    assert done.out.endswith(": restored 2 paths\n")
    assert paths(web) == ["/etc/logo", "/etc/motd", "/srv/index"]
    assert web("restore", "web:/etc").out.endswith(": restored 2 paths\n")
    assert web("restore", "web:/etc").out.endswith(": restored 0 paths\n")
    assert paths(web) == ["/srv/index"]


def test_restore_names_the_links_that_have_changed(web: Lxgit) -> None:
    web("run", "--network", "none", "--name", "l", "HEAD", "sh", "-c", "ln /etc/motd /srv/m")
    web("commit", "-m", "Link it", "l")
    script = "cd /srv; echo x >x; mv x m; echo y >y; mv y /etc/motd"
    web("run", "--network", "none", "--name", "o", "HEAD", "sh", "-c", script)
    told = (
        "lxgit: changed, and so not linked again: /srv/m\n"
        "hint: 'lxgit restore' of these links them, too\n"
    )
    assert web("restore", "o:/etc/motd").err.endswith(told)
    assert web("restore", "o:/etc/motd").err == told
    assert "not linked" not in web("restore", "o:/srv").err
    assert web("status", "o").lines[-1] == "  no changes"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["/etc/motd"], "CONTAINER:/etc/motd"),
        (["/etc/motd", "/etc/logo"], "CONTAINER:/etc/motd CONTAINER:/etc/logo"),
        (["base", "/etc/motd"], "--source base CONTAINER:/etc/motd"),
        (["base", "web:/etc/motd"], "--source base web:/etc/motd"),
    ],
)
def test_checkout_of_paths_is_restore(web: Lxgit, words: list[str], meant: str) -> None:
    refused = web("checkout", words[0], "--", *words[1:], code=2).err
    path = words[1 if words[0] == "base" else 0]
    assert refused == (
        f"lxgit: '{path}' is a path, not a commit or a container\nhint: lxgit restore {meant}\n"
    )
    web("restore", *meant.replace("CONTAINER", "web").split())


def test_stash_and_back(web: Lxgit) -> None:
    saved = web("stash").out  # as `stash push`, of the only changed one
    assert re.fullmatch(r"Container web \(\w{12}\): Saved WIP on tuned: \w{12} Tune it\n", saved)
    assert paths(web) == []
    assert web("stash", "push", "web", code=1).err == "lxgit: container 'web' has not changed\n"
    web("restore", "--source", "base", "web:/etc/motd")
    web("stash", "push", "-m", "the old\nmotd")
    lines = web("stash", "list", "web").lines
    assert [line.split()[:2] for line in lines] == [
        ["CONTAINER", "STASH"], ["web", "stash@{0}"], ["web", "stash@{1}"],
    ]  # fmt: skip
    assert lines[1].endswith(" On tuned: the old motd")
    young, old = web("stash", "list", "--format", "json").json
    assert (young["name"], old["message"]) == ("stash@{0}", saved.partition("Saved ")[2][:-1])
    assert web("stash", "list", "-q", "--no-trunc").lines == [young["id"], old["id"]]
    assert web("stash", "show", "web").out.startswith(" /etc/motd")
    assert "+hi\n" in web("stash", "show", "-p", "web", "stash@{1}").out
    popped = web("stash", "pop", "web", "1")
    assert re.fullmatch(
        rf"Container web \(\w{{12}}\): brought 1 path back\n"
        rf"Dropped stash@\{{1\}} of web \({old['id'][:12]}\)\n",
        popped.out,
    )
    assert paths(web) == ["/srv/index"]
    assert web("stash", "drop", "web").out == f"Dropped stash@{{0}} of web ({young['id'][:12]})\n"
    assert web("stash", "list", "-q").out == ""
    web("restore", "--source", "base", "web:/etc/motd")
    assert "Saved On tuned: as Git has it" in web("stash", "-m", "as Git has it", "web").out


def test_stash_of_the_only_container_that_has_one(web: Lxgit) -> None:
    assert web("stash", "pop", code=1).err.startswith("lxgit: no container has a stash\nhint: ")
    web("stash")
    web("restore", "--source", "base", "web:/etc/motd")
    web("stash")
    assert web("stash", "show").out.startswith(" /etc/motd")
    assert web("stash", "show", "stash@{1}").out.startswith(" /srv/index")
    assert "Dropped stash@{1} of web" in web("stash", "pop", "1").out
    assert paths(web) == ["/srv/index"]
    web("stash")
    assert "Dropped stash@{1} of web" in web("stash", "drop", "stash@{1}").out
    web("run", "--name", "1", "base", "sh", "-c", "echo x >/x")
    assert web("stash", "pop", "1", code=1).err.startswith("lxgit: container '1' has no stash\n")
    web("stash", "push", "1")
    refused = web("stash", "pop", code=1).err
    assert refused.startswith("lxgit: several containers have stashes: 1, web\nhint: 'lxgit stash")
    assert "Dropped stash@{0} of 1 " in web("stash", "drop", "1").out
    assert "Dropped stash@{0} of web " in web("stash", "pop").out
    assert paths(web) == ["/srv/index"]


def test_a_stash_is_no_container_whose_id_begins_so(web: Lxgit) -> None:
    web("stash")
    ids = (web("create", "base").out for _ in range(30))
    digit = next(oid[0] for oid in ids if oid[0] in "123456789")
    for verb in ("show", "drop", "pop"):
        told = web("stash", verb, digit, code=1).err
        assert told.startswith(f"lxgit: container 'web' has no stash@{{{digit}}}\n")


def test_reset_of_the_only_changed_container(web: Lxgit) -> None:
    assert "hint: lxgit reset --hard [CONTAINER]\n" in web("reset", code=2).err
    assert web("reset", "--hard").out.endswith(": dropped 1 path\n")
    assert paths(web) == []
    assert web("reset", "--hard", code=1).err.startswith("lxgit: no container of tuned has changed")
    web("run", "--name", "one", "tuned", "touch", "/a")
    web("run", "--name", "two", "tuned", "touch", "/a")
    refused = web("reset", "--hard", code=1).err
    assert refused.startswith("lxgit: several containers have changed: ")
    assert refused.endswith("hint: 'lxgit reset --hard CONTAINER' names one\n")
    assert web("diff", "one", "--name-only").lines == ["/a"]


def test_help_after_a_mistyped_stash_puts_nothing_away(web: Lxgit) -> None:
    hint = web("stash", "branch", "it", code=2).err.rpartition("hint: ")[2]
    said = re.match(r"'lxgit (help stash)' lists", hint)
    assert said is not None
    assert "  push " in web(*said[1].split()).out
    assert paths(web) == ["/srv/index"]


def test_checkout_with_a_stash(web: Lxgit) -> None:
    moved = web("checkout", "--stash", "base", "web")
    assert re.fullmatch(
        r"Container web \(\w{12}\): \w{12} -> \w{12}, on branch 'base'\n"
        r"Saved WIP on tuned: \w{12} .*\n",
        moved.out,
    )
    assert moved.err == (
        "lxgit: its changes are put away\nhint: 'lxgit stash pop web' has them back\n"
    )
    assert paths(web) == []
    web("stash", "pop", "web")
    assert paths(web) == ["/srv/index"]
    assert web("checkout", "-q", "--stash", "tuned", "web").out == ""
    web("restore", "--source", "base", "web:/etc/motd")
    gone = web("rm", "web").out
    assert gone.endswith(", with 1 uncommitted path and 1 stash.\n")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["restore", "web:etc"], 2, "'web:etc' is no path"),
        (["restore", "web:/etc", "/etc"], 2, "these are paths of several containers"),
        (["restore", "web:/nowhere"], 1, "there is no '/nowhere' in the commit, nor here"),
        (["restore", "--source", "web", "web:/etc"], 1, "'web' is a container"),
        (["checkout", "-b", "new", "base", "web"], 2, "a container is moved to a commit"),
        (["checkout", "--merge", "base"], 2, "a container is moved to a commit"),
        (["checkout", "--stash", "base"], 2, "a container is moved to a commit"),
        (["checkout", "--stash", "--merge", "base", "web"], 2, "--merge and --stash exclude each"),
        (["stash", "pop", "web"], 1, "container 'web' has no stash"),
        (["stash", "drop", "web", "stash@{1}"], 1, "container 'web' has no stash"),
        (["stash", "show", "web", "first"], 2, "'first' is no stash"),
        (["checkout", "nothing", "web"], 1, "there is no 'nothing'"),
        (["checkout", "-b", "new", "/etc"], 1, "'/etc' is a path, not a commit\n"),
        (["commit", "-m", "x", "--change", "RUN x", "web"], 1, "line 1, RUN: there is no such"),
        (["commit", "-m", "x", "--run", "[]", "web"], 1, "this is no JSON object"),
        (["unpause", "web"], 1, "container 'web' is not running"),
        (["stash", "push", ""], 1, "no container ''"),
        (["restore", ":/srv"], 1, "no container ''"),
        (["commit", "-m", "x", ""], 1, "no container ''"),
        (["commit", "-m", "x", "web", ""], 1, "a name cannot be empty"),
        (["commit", "-m", "x", "web", "new", ""], 1, "'new/' is not a valid name"),
    ],
)
def test_faults(web: Lxgit, words: list[str], code: int, error: str) -> None:
    assert web(*words, code=code).err.startswith(f"lxgit: {error}")


def test_an_empty_word_names_no_stash(web: Lxgit) -> None:
    """As a script has one of a variable that is not set."""
    web("stash", "push", "web")
    for verb in ("pop", "drop", "show"):
        assert web("stash", verb, "", code=1).err.startswith("lxgit: no container ''\n")
        assert web("stash", verb, "web", "", code=2).err.startswith("lxgit: '' is no stash\n")
    assert len(web("stash", "list").lines) == 2


@pytest.fixture
def running(web: Lxgit) -> Iterator[Lxgit]:
    """The same with a container `up`, which runs."""
    web("run", "-d", "--network", "none", "--name", "up", "HEAD", "sleep", "600")
    yield web
    web("rm", "-f", "up", code=None)


def test_pause(running: Lxgit) -> None:
    assert running("pause", "up").out == "up\n"
    assert re.search(r"  Up \w[\w ]* \(Paused\)  ", running("ps").lines[1])
    (row,) = running("ps", "--format", "json").json
    assert row["status"] == "paused"
    refused = running("exec", "up", "true", code=1)
    assert refused.err == "lxgit: container 'up' is paused\nhint: 'lxgit unpause up' first\n"
    assert running("pause", "up", code=1).err == (
        "lxgit: container 'up' is paused already\nhint: 'lxgit unpause up' has it go on\n"
    )
    assert running("unpause", "up").out == "up\n"
    running("exec", "up", "true")


@pytest.mark.parametrize("pause", ["--pause", "--pause=false"])
def test_commit_of_a_running_one(running: Lxgit, pause: str) -> None:
    running("exec", "up", "sh", "-c", "echo x >/srv/x")
    config = ("--change", 'CMD ["cat", "/srv/x"]', "--run", '{"User": "nobody", "Dns": ["::1"]}')
    made = running("commit", "-m", "It runs", pause, *config, "up", "new")
    assert made.err == "lxgit: warning: an image has no place for Dns: left out\n"
    assert running("status", "up").lines[-1] == "  no changes"
    assert running("run", "--rm", "--network", "none", "new").out == "x\n"
    for words in (
        ["reset", "--hard", "up"],
        ["restore", "up:/srv"],
        ["checkout", "base", "up"],
        ["stash", "push", "up"],
    ):
        refused = running(*words, code=1)
        assert refused.err == "lxgit: container 'up' is running\nhint: 'lxgit stop up' first\n"
