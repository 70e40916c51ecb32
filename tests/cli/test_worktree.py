"""status, diff and commit of containers: a change becomes history."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.cli.conftest import written_at
from tests.support.program import PROGRAM, refused

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

CHANGE = (
    "echo tuned >>/etc/motd; rm -f /etc/passwd; chmod 600 /etc/profile;"
    " mkdir -p /srv/w; echo hi >/srv/w/i"
)


@pytest.fixture
def changed(based: Lxgit) -> Lxgit:
    """A store where the container `web` of `base` has changed five paths."""
    based("run", "--name", "web", "base", "sh", "-c", CHANGE)
    return based


def identity_of(lxgit: Lxgit, name: str) -> str:
    return str(
        next(row["id"] for row in lxgit("ps", "-a", "--format", "json").json if row["name"] == name)
    )


def test_status(changed: Lxgit) -> None:
    identity = identity_of(changed, "web")
    body = [
        f"Container web ({identity[:12]}), exited, on base:",
        "  M  /etc/motd  (33 B -> 39 B)",
        "  D  /etc/passwd  (71 B)",
        "  M  /etc/profile  (metadata: mode 0644 -> 0600)",
        "  A  /srv/w/",
        "  A  /srv/w/i  (3 B)",
        "  5 paths changed: 2 added, 2 modified, 1 deleted; -62 B",
    ]
    assert changed("status").lines == ["On branch base", "", *body]
    assert changed("status", "web").lines == body
    assert changed("status", identity[:5]).lines == body
    changed("checkout", "-q", "-b", "other")
    nothing = "Nothing to commit: no container of it has changed or is running"
    assert changed("status").lines == ["On branch other", nothing]
    fields = changed("status", "web", "--format", "json").json
    assert fields["branch"] == "other"
    assert fields["containers"][0]["name"] == "web"
    assert [change["path"] for change in fields["containers"][0]["changes"]] == [
        "/etc/motd", "/etc/passwd", "/etc/profile", "/srv/w", "/srv/w/i",
    ]  # fmt: skip


def test_status_tells_no_id_of_what_it_has_not_read(based: Lxgit) -> None:
    """`diff` reads everything: where both tell an id it is the same."""
    script = "chmod 700 /srv; mkdir /srv/w /new; echo hi >/srv/w/i; ln -s i /srv/w/l; \
        chmod 600 /etc/profile"
    based("run", "--name", "web", "base", "sh", "-c", script)
    (container,) = based("status", "--format", "json").json["containers"]
    shown = {change["path"]: change["new"]["id"] for change in container["changes"]}
    read = {row["path"]: row["new"]["id"] for row in based("diff", "--format", "json").json}
    unread = dict.fromkeys(["/srv", "/srv/w", "/srv/w/i"])
    assert shown == {**read, **unread}
    assert set(read) - set(unread) == {"/etc/profile", "/new", "/srv/w/l"}


def test_diff(changed: Lxgit) -> None:
    diff = changed("diff").out
    assert diff == changed("diff", "web").out == changed("diff", "base", "web").out
    assert "@@ -1,2 +1,3 @@\n A small machine.\n It has busybox.\n+tuned\n" in diff
    assert "deleted file mode 100644\n" in diff
    assert "old mode 100644\nnew mode 100600\n" in diff
    assert "new directory mode 040755\n" in diff
    assert changed("diff", "--name-status").lines == [
        "M\t/etc/motd",
        "D\t/etc/passwd",
        "M\t/etc/profile",
        "A\t/srv/w",
        "A\t/srv/w/i",
    ]
    assert changed("diff", "--name-only", "web", "--", "/srv").lines == ["/srv/w", "/srv/w/i"]
    for words, told in (
        (("--stat", "--name-only"), "lxgit: --name-only and --stat exclude each other\n"),
        (("--name-status", "--name-only"), "lxgit: --name-status and --name-only exclude each"),
        (("-U-1",), "lxgit: -U-1: there are no fewer than 0 lines around a change\n"),
    ):
        assert changed("diff", *words, code=2).err.startswith(told)
    assert changed("diff", "-U0", "--", "etc/motd").lines[4:] == [
        "@@ -2,0 +3 @@ It has busybox.",
        "+tuned",
    ]
    assert changed("diff", "web", "base", "--name-status").lines[0] == "M\t/etc/motd"
    assert changed("diff", "base").out == ""
    assert changed("diff", "--exit-code", "--stat", code=1).lines[-1].startswith(" 5 paths")
    assert changed("diff", "--quiet", code=1).out == changed("diff", "-q", "base", "base").out == ""
    assert changed("diff", "--exit-code", "base", "HEAD").out == ""
    kinds = {row["path"]: row["status"] for row in changed("diff", "--format", "json").json}
    assert kinds["/etc/passwd"] == "D"
    assert changed("diff", "base", "--format", "json").json == []


def test_exit_codes_of_diff(changed: Lxgit) -> None:
    """Those of diff(1): a script can tell that nothing has changed from a fault."""
    for option in ("--quiet", "--exit-code"):
        assert changed("diff", option, "web", code=1).err == ""
        refused(changed("diff", option, "nope", code=2), "there is no 'nope'")
        refused(changed("diff", option, "base", "web", "base", code=2), "two at a time")
    refused(changed("diff", "nope", code=1), "there is no 'nope'")
    script = f"{PROGRAM} diff --quiet $0 || [ $? -ne 1 ] || {PROGRAM} commit -m Tuned"
    for of, commits in (("nope", 1), ("web", 2), ("web", 2)):
        subprocess.run(
            ["sh", "-c", script, of], env=changed.environment(), check=True, capture_output=True
        )
        assert len(changed("log", "--oneline").lines) == commits
    for option in ("--quiet", "--exit-code"):
        told = changed("diff", option)
        assert told.out == told.err == ""
    assert changed("diff", "--exit-code", "--format", "json").json == []
    refused(changed("diff", code=1), "no container of base has changed")
    changed("run", "--name", "a", "base", "touch", "/a")
    changed("run", "--name", "b", "base", "touch", "/b")
    refused(changed("diff", "--quiet", code=2), "several containers have changed")


@pytest.mark.parametrize("revisions", ["base base", "base tuned"])
def test_that_the_answer_cannot_be_written_is_no_difference(grown: Lxgit, revisions: str) -> None:
    line = f"{PROGRAM} diff --exit-code --format json {revisions} >/dev/full"
    done = subprocess.run(
        ["sh", "-c", line], env=grown.environment(), capture_output=True, check=False, text=True
    )
    assert done.stderr == "lxgit: cannot write the output: no space left on device\n"
    assert done.returncode == 2


def test_a_container_reads_like_an_image(changed: Lxgit, git: StockGit) -> None:
    assert changed("show", "web:/etc/motd").lines[-1] == "tuned"
    assert changed("ls", "web:/srv/w").lines == ["i"]
    assert "there is no" not in changed("ls", "-l", "web:/etc").out
    tar = changed("export", "web").stdout
    changed("import", "-", "copy", stdin=tar)
    changed("commit", "-m", "Tune it")
    assert git.word("rev-parse", "copy^{tree}") == git.word("rev-parse", "base^{tree}")


def test_commit(changed: Lxgit, git: StockGit) -> None:
    before = git.word("rev-parse", "base")
    result = changed("commit", "-a", "-m", "Tune it", "-m", "For speed.", env=written_at(0))
    assert result.out == f"{git.word('rev-parse', 'base')[:12]}\n"
    assert result.err == ""
    assert git.word("rev-parse", "base~1") == before
    assert git.word("log", "-n1", "--format=%an <%ae>%n%cn%n%B").splitlines() == [
        "Ada <ada@example.org>",
        "Bo",
        "Tune it",
        "",
        "For speed.",
        "",
        f"Container: {identity_of(changed, 'web')}",
        f"Command: sh -c '{CHANGE}'",
    ]
    assert git("show", "base:rootfs/srv/w/i") == b"hi\n"
    assert git.fsck() == b""
    assert changed("fsck").code == 0
    changed("start", "-a", "web")
    assert changed("status").lines[3:5] == [
        "  M  /etc/motd  (39 B -> 45 B)",
        "  M  /srv/w/i  (metadata: mtime)",
    ]


def test_a_commit_tells_the_command_exactly(based: Lxgit, git: StockGit) -> None:
    words = ["sh", "-c", "echo 'é\\n' >/srv/a\necho \t >/srv/b"]
    based("run", "--network", "none", "--name", "web", "base", *words)
    based("commit", "-m", "As it was run", "web")
    said = git.word("log", "-n1", "--format=%(trailers:key=Command,valueonly)", "base")
    assert said == r"sh -c $'echo \'é\\n\' >/srv/a\necho \t >/srv/b'"
    assert based("inspect", "base").json[0]["ContainerConfig"]["Cmd"] == words
    assert said in based("history", "--no-trunc", "base").out


def test_commit_elsewhere(changed: Lxgit, git: StockGit) -> None:
    base = git.word("rev-parse", "base")
    identity = identity_of(changed, "web")[:12]
    changed("commit", "-m", "My first container", identity, "f440/first_container")
    assert git.word("rev-parse", "f440/first_container~1") == base == git.word("rev-parse", "base")
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"
    assert changed("ps", "-a", "--format", "json").json[0]["branch"] == "f440/first_container"
    changed("start", "-a", "web")
    changed("commit", "-m", "Tagged", "web", "base:kept")
    assert git.word("log", "-n1", "--format=%s", "refs/tags/base/kept") == "Tagged"
    assert git.word("rev-parse", "base") == base
    changed("start", "-a", "web")
    changed("commit", "-m", "In Docker's manner of 2013", "web", "base", "old")
    assert git.word("log", "-n1", "--format=%s", "refs/tags/base/old").startswith("In Docker's")
    assert git.fsck() == b""


def test_the_author_can_be_named(changed: Lxgit, git: StockGit) -> None:
    changed("commit", "--author", "Grace <grace@example.org>", "-F", "-", stdin=b"By hers\n\n")
    assert git.word("log", "-n1", "--format=%an <%ae> %s") == "Grace <grace@example.org> By hers"


def test_an_empty_commit_wants_to_be_asked_for(based: Lxgit, git: StockGit) -> None:
    based("run", "--name", "idle", "base", "true")
    refused = based("commit", "-m", "Nothing", "idle", code=1)
    assert refused.err == (
        "lxgit: container 'idle' has not changed\nhint: --allow-empty makes a commit all the same\n"
    )
    assert git.word("rev-list", "--count", "base") == "1"
    assert based("commit", "-q", "-m", "Nothing", "--allow-empty", "idle").out == ""
    assert git.word("rev-list", "--count", "base") == "2"
    based("commit", "-m", "A name alone", "idle", "named")
    assert git.word("log", "-n1", "--format=%s", "named") == "A name alone"


def test_which_container_is_meant(changed: Lxgit) -> None:
    changed("run", "--name", "db", "base", "sh", "-c", "echo x >/x")
    ids = {name: identity_of(changed, name)[:12] for name in ("db", "web")}
    told = f"several containers have changed: {ids['db']} (db), {ids['web']} (web)"
    assert changed("diff", code=1).err == f"lxgit: {told}\nhint: 'lxgit diff CONTAINER' names one\n"
    assert changed("commit", "-m", "x", code=1).err == (
        f"lxgit: {told}\nhint: 'lxgit commit CONTAINER' names one\n"
    )
    refused = changed("restore", "/x", code=1)
    assert refused.err == f"lxgit: {told}\nhint: 'lxgit restore CONTAINER:/PATH' names one\n"
    assert changed("restore", "db:/x").out.endswith(": restored 1 path\n")
    changed("start", "-a", "db")
    changed("commit", "-m", "x", "db")
    assert changed("rm", "web").out == (
        f"Deleted container web ({ids['web']}), with 5 uncommitted paths.\n"
    )
    assert changed("diff", code=1).err.startswith("lxgit: no container of base has changed\n")


def test_a_branch_that_moved(changed: Lxgit, git: StockGit) -> None:
    changed("run", "--name", "db", "base", "sh", "-c", "echo x >/x")
    changed("commit", "-m", "First", "db")
    moved = git.word("rev-parse", "base")
    refused = changed("commit", "-m", "Second", "web", code=1)
    assert refused.err == (
        f"lxgit: 'base' has moved on to {moved[:12]} since the container was started\n"
        "hint: 'lxgit commit web NEWNAME' makes a branch of it;"
        " 'lxgit checkout --merge base web' takes its changes there\n"
    )
    assert git.word("rev-parse", "base") == moved
    assert changed("status", "web").lines[1] == "  M  /etc/motd  (33 B -> 39 B)"
    refused = changed("commit", "-m", "Second", "web", "base", code=1)
    assert refused.err.splitlines()[1].endswith("; --force moves it")
    told = changed("commit", "-m", "Second", "web", "base", "--force").err
    assert told.startswith(f"lxgit: the branch 'base' was {moved[:12]}, which no name leads to now")
    assert git.word("rev-parse", "base@{1}") == moved
    assert git.word("log", "-n1", "--format=%s", "base") == "Second"


def test_a_detached_container_needs_a_name(based: Lxgit, git: StockGit) -> None:
    based("checkout", "-q", "--detach", "base")
    based("run", "--name", "web", "HEAD", "sh", "-c", "echo x >/x")
    assert (
        "is on no branch\nhint: 'lxgit commit web NAME'" in based("commit", "-m", "x", code=1).err
    )
    left = based("checkout", "base").lines[-1]
    assert left.endswith(" has changes, and stays on no branch")
    based("commit", "-m", "x", "web", "kept")
    assert git.word("log", "-n1", "--format=%s", "kept") == "x"


def test_checkout_names_what_is_left_behind(changed: Lxgit) -> None:
    identity = identity_of(changed, "web")
    changed("branch", "other")
    assert changed("checkout", "other").lines == [
        "Switched to branch 'other'",
        f"Container web ({identity[:12]}) has changes, and stays on 'base'",
    ]
    refused = changed("branch", "-d", "base", code=1)
    assert "the branch 'base' has containers: web" in refused.err
    assert changed("branch", "-D", "base").lines[1] == (
        f"Container web ({identity[:12]}) is on no branch now."
    )
    assert changed("status", "web").lines[0].endswith("exited, on no branch:")


EDITOR = "grep -v '^$' \"$1\" >&2; sed -i '1s/^/Written by hand/' \"$1\"; :"


def test_the_message_comes_from_the_editor(changed: Lxgit, git: StockGit) -> None:
    with changed.terminal("commit", env={"GIT_EDITOR": EDITOR}) as terminal:
        terminal.expect_exact("# Write the message above.")
        terminal.expect_exact("# Container web (")
        terminal.expect_exact("to the branch base:")
        terminal.expect_exact("#   D  /etc/passwd  (71 B)")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 0
    assert git.word("log", "-n1", "--format=%s") == "Written by hand"


def test_no_message_no_commit(changed: Lxgit, git: StockGit) -> None:
    assert changed("commit", code=1).err == (
        "lxgit: a message is missing\nhint: -m MESSAGE; an editor needs a terminal\n"
    )
    assert "the message is empty" in changed("commit", "-m", " \n", code=2).err
    assert "exclude each other" in changed("commit", "-m", "x", "-F", "-", code=2).err
    author = changed("commit", "--author", "<x>", code=2)
    assert author.err.startswith("lxgit: '<x>' names no author")
    with changed.terminal("commit", env={"GIT_EDITOR": "true"}) as terminal:
        terminal.expect_exact("lxgit: nothing was done: the message is empty")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 1
    with changed.terminal(
        "commit", "idle", env={"GIT_EDITOR": "touch /nowhere/opened"}
    ) as terminal:
        terminal.expect_exact("lxgit: no container 'idle'")
        terminal.expect(pexpect.EOF)
    assert git.word("rev-list", "--count", "base") == "1"
