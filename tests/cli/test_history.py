"""log, show, ls, rev-parse: the same history as stock Git sees, in the machine's words."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.conftest import unable
from tests.support.machine import lacks_program
from tests.support.program import refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["base"],
        ["base", "tuned"],
        ["base..tuned"],
        ["tuned", "^base"],
        ["base...tuned"],
        ["tuned~1"],
        ["HEAD@{0}"],
        ["-n", "1"],
        ["-1"],
        ["-n1", "--skip", "1"],
        ["--max-count=0"],
        ["--reverse"],
        ["--all"],
        ["--first-parent", "--decorate"],
    ],
    ids=" ".join,
)
def test_log_is_what_git_prints(grown: Lxgit, git: StockGit, words: list[str]) -> None:
    theirs = git("log", *words).decode()
    assert grown("log", *words).out == theirs
    theirs = git("log", "--oneline", "--abbrev=12", *words).decode()
    assert grown("log", "--oneline", *words).out == theirs


def test_log_of_paths(grown: Lxgit) -> None:
    def subjects(*words: str) -> list[str]:
        return [line.split(" ", 1)[1] for line in grown("log", "--oneline", *words).lines]

    both = ["Tune it", "A small machine"]
    assert subjects("--", "/etc/motd") == both
    assert subjects("--", "etc/profile") == both  # its mode alone
    assert subjects("--", "/etc/hosts") == both  # that it went
    assert subjects("--", "/etc/passwd") == ["A small machine"]  # its siblings changed
    assert subjects("--", "/etc") == both
    assert subjects("--", "/bin", "/etc/mtab") == both
    assert subjects("base..", "--", "/bin") == []
    assert subjects("-n", "1", "--", "/etc/passwd") == ["A small machine"]
    assert subjects("--", "/nowhere") == []


def test_log_with_changes(grown: Lxgit) -> None:
    assert grown("log", "--stat", "-n", "1").lines[8:] == [
        " /etc/hosts   | 20 B              ------------------------",
        " /etc/logo    | 3 B               ++++",
        " /etc/motd    | 33 B -> 30 B      ----",
        " /etc/mtab    | 12 B              +++++++++++++++",
        " /etc/profile | mode 0644 -> 0600",
        " 5 paths changed: 2 added, 2 modified, 1 deleted; -8 B",
    ]


def test_log_for_programs(grown: Lxgit, git: StockGit) -> None:
    entries = grown("log", "--format", "json", "--stat").json
    assert [entry["id"] for entry in entries] == git("rev-list", "tuned").decode().split()
    assert entries[0]["parents"] == [entries[1]["id"]]
    assert entries[0]["author"]["date"] == "2023-11-14T23:14:20+01:00"
    assert entries[0]["refs"] == [{"type": "branch", "name": "tuned", "current": True}]
    changed = {change["path"]: change["status"] for change in entries[0]["changes"]}
    assert changed == {
        "/etc/hosts": "D",
        "/etc/logo": "A",
        "/etc/motd": "M",
        "/etc/mtab": "A",
        "/etc/profile": "M",
    }
    assert grown("log", "--format", "json", "--max-count", "0").json == []
    assert grown("log", "-q").lines == [entry["id"][:12] for entry in entries]
    assert grown("log", "-q", "--no-trunc").lines == [entry["id"] for entry in entries]


def test_show_a_commit(grown: Lxgit, git: StockGit) -> None:
    shown = grown("show").out
    assert shown.startswith(git("log", "-n", "1", "tuned").decode() + "\ndiff --git ")
    assert "--- a/etc/motd\n+++ b/etc/motd\n" in shown
    assert "-It has busybox.\n+It is tuned.\n" in shown
    assert "old mode 100644\nnew mode 100600\n" in shown
    assert "new file mode 120777\n" in shown
    assert "Binary: 3 B " in shown
    assert "rootfs/" not in shown
    assert "%meta" not in shown
    lines = grown("show", "--name-status", "tuned").lines
    assert lines[-5:] == [
        "D\t/etc/hosts",
        "A\t/etc/logo",
        "M\t/etc/motd",
        "A\t/etc/mtab",
        "M\t/etc/profile",
    ]
    assert grown("show", "--stat").lines[-1].startswith(" 5 paths changed")
    assert grown("show", "--name-only").lines[-2:] == ["/etc/mtab", "/etc/profile"]
    assert grown("show", "-p").out == shown
    assert grown("show", "--stat", "-p").out == grown("log", "--stat", "-p", "-n", "1").out
    refused(grown("show", "--name-only", "--name-status", code=2), "exclude each other")


def test_the_patch_is_one_that_git_applies(grown: Lxgit, git: StockGit, scratch: Path) -> None:
    (scratch / "etc").mkdir()
    for name in ("motd", "hosts"):
        (scratch / "etc" / name).write_bytes(grown("show", f"base:/etc/{name}").stdout)
    patch = grown("diff", "base", "tuned", "--", "/etc/motd", "/etc/hosts").stdout
    assert git("apply", "--stat", "-", stdin=patch)
    subprocess.run(["git", "apply", "-"], input=patch, cwd=scratch, check=True)
    assert (scratch / "etc/motd").read_text() == "A small machine.\nIt is tuned.\n"
    assert not (scratch / "etc/hosts").exists()


def test_the_texts_of_a_diff_are_for_patch(grown: Lxgit, scratch: Path) -> None:
    """Whatever metadata stands among them, some of which `git apply` does not take."""
    if reason := lacks_program("patch"):
        unable(reason)
    root = scratch / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/motd").write_bytes(grown("show", "base:/etc/motd").stdout)
    grown("import", root, "small")
    (root / "etc").chmod(0o700)
    (root / "new").mkdir()
    (root / "etc/motd").write_text("Another.\n")
    os.setxattr(root / "etc/motd", "user.note", b"kept")
    grown("import", root, "small")
    diff = grown("diff", "small~1", "small").stdout
    assert b"new directory" in diff
    (root / "etc/motd").write_bytes(grown("show", "base:/etc/motd").stdout)
    done = subprocess.run(["patch", "-p1"], input=diff, cwd=root, check=False, capture_output=True)
    assert b"File etc is not a regular file" in done.stdout + done.stderr  # its mode changed
    assert (root / "etc/motd").read_text() == "Another.\n"


def test_show_what_stands_at_a_path(grown: Lxgit) -> None:
    assert grown("show", "base:/etc/hosts").stdout == b"127.0.0.1\tlocalhost\n"
    assert grown("show", "tuned:/etc/logo").stdout == b"\0\1\2"
    assert grown("show", "tuned:/etc/mtab").out == "/proc/mounts\n"
    assert grown("show", "HEAD:/var").out == "tree HEAD:/var\n\nlog/\ntmp/\n"
    assert grown("show", "base:/etc/motd", "tuned:/etc/motd").lines[-1] == "It is tuned."
    fields = grown("show", "--format", "json", "tuned:/etc/mtab").json
    assert fields[0]["type"] == "symlink"
    assert fields[0]["target"] == "/proc/mounts"


def test_show_of_several_is_parted_as_git_does(grown: Lxgit, git: StockGit) -> None:
    """By an empty line between commits and directories, and by none around what files hold."""
    files = grown("show", "base:/etc/motd", "base:/etc/hosts", "tuned:/etc/motd").stdout
    names = ("base:rootfs/etc/motd", "base:rootfs/etc/hosts", "tuned:rootfs/etc/motd")
    assert files == git("show", *names)
    two = grown("show", "--stat", "base", "tuned").out
    parted = f"{grown('show', '--stat', 'base').out}\n{grown('show', '--stat', 'tuned').out}"
    assert two == parted
    tree = "tree base:/var\n\nlog/\ntmp/\n"
    hosts = "127.0.0.1\tlocalhost\n"
    assert (
        grown("show", "base:/var", "base:/etc/hosts", "base:/var").out == f"{tree}{hosts}\n{tree}"
    )


def test_show_of_paths(grown: Lxgit) -> None:
    shown = grown("show", "tuned", "--name-status", "--", "/etc/motd", "etc/logo").lines
    assert shown[0].startswith("commit ")
    assert shown[-3:] == ["", "A\t/etc/logo", "M\t/etc/motd"]
    assert grown("show", "--", "/bin").out == ""  # HEAD has not touched it
    both = grown("show", "--stat", "base", "tuned", "--", "/etc/mtab").lines
    assert [line for line in both if line.startswith("commit ")] == [
        line for line in both if grown("rev-parse", "tuned").out.strip() in line
    ]
    assert len(grown("show", "--format", "json", "base", "tuned", "--", "/etc/logo").json) == 1
    refused(grown("show", "base:/etc", "--", "/x", code=2), "is a path", "lxgit show REV -- PATH")


def test_show_of_several_begins_when_all_are_there(grown: Lxgit) -> None:
    hint = "lxgit show base tuned -- /etc/motd"
    refused(grown("show", "base", "tuned", "/etc/motd", code=1), "is a path, not a commit", hint)
    refused(grown("show", "base", "nope", code=1), "there is no 'nope'")
    refused(grown("show", "base:/etc/motd", "base:/nope", code=1), "'base' has no '/nope'")
    refused(grown("show", "/etc/motd", code=1), "is a path", "in HEAD it is 'HEAD:/etc/motd'")


def test_show_tags(grown: Lxgit, git: StockGit) -> None:
    grown("tag", "-a", "-m", "The first\n\nof many", "r1", "base")
    theirs = git("show", "--no-patch", "r1").decode()
    assert grown("show", "--stat", "r1").out.startswith(theirs)
    grown("tag", "base:plain", "base")
    assert grown("show", "--stat", "base:plain").out.startswith("commit ")


def test_ls(grown: Lxgit) -> None:
    assert "etc/" in grown("ls").lines
    assert grown("ls", "tuned:/etc").lines == [
        "group",
        "hostname",
        "logo",
        "motd",
        "mtab",
        "passwd",
        "profile",
        "resolv.conf",
    ]
    assert grown("ls", "base:/etc/hosts").out == "hosts\n"
    assert grown("ls", "-R", "base:/var").lines == ["log/", "tmp/"]
    assert grown("ls", "-R", "base").lines.count("etc/motd") == 1


def test_ls_hides_nothing(grown: Lxgit) -> None:
    for one, same in ((["-a"], []), (["-la"], ["-l"]), (["--all", "-R"], ["-R"])):
        assert grown("ls", *one, "HEAD:/etc").out == grown("ls", *same, "HEAD:/etc").out


def test_ls_at_length(grown: Lxgit, busybox_rootfs: Path) -> None:
    lines = {line.rsplit(" ", 1)[-1]: line for line in grown("ls", "-l", "tuned:/").lines}
    assert lines["tmp/"].startswith("drwxrwxrwt 0 0 0 ")
    lines = {line.split()[6]: line for line in grown("ls", "-l", "tuned:/etc").lines}
    assert lines["profile"].startswith("-rw------- 0 0 16 ")
    assert lines["mtab"].startswith("lrwxrwxrwx 0 0 12 ")
    assert lines["mtab"].endswith(" mtab -> /proc/mounts")
    fields = {field["path"]: field for field in grown("ls", "--format", "json", "tuned:/etc").json}
    motd = busybox_rootfs / "etc/passwd"
    assert fields["passwd"]["mtime"] == motd.stat().st_mtime_ns
    assert fields["passwd"]["size"] == motd.stat().st_size
    assert fields["profile"]["mode"] == "0600"


def test_rev_parse(grown: Lxgit, git: StockGit) -> None:
    grown("tag", "base:v1", "base")
    for ours, theirs in {
        "HEAD": "HEAD",
        "base:v1": "refs/tags/base/v1",
        "base:latest": "base",
        "tuned~1": "base",
        "tuned^{/small}": "base",
        ":/Tune": "tuned",
        "@": "tuned",
    }.items():
        assert grown("rev-parse", ours).out == git("rev-parse", theirs).decode(), ours
    whole = git.word("rev-parse", "base")
    assert grown("rev-parse", whole[:7]).out == f"{whole}\n"
    assert grown("rev-parse", "--short", "base", "HEAD").lines[0] == whole[:12]
    assert grown("rev-parse", "base..tuned").out == git("rev-parse", "base..tuned").decode()
    assert grown("rev-parse", "--short", "base..tuned").lines[1] == f"^{whole[:12]}"
    for text in ("tuned^@", "tuned^!", "tuned^-", "base^@", "base^!", "base...tuned", "^base"):
        assert grown("rev-parse", text).out == git("rev-parse", text).decode(), text
    assert "not a commit" in grown("rev-parse", "base^{tree}^!", code=1).err


def test_rev_parse_as_scripts_ask_it(grown: Lxgit, git: StockGit) -> None:
    grown("tag", "base:v1", "base")
    whole = git.word("rev-parse", "base")
    for digits in ("2", "8", "20", "99"):
        theirs = git("rev-parse", f"--short={digits}", "base").decode()
        assert grown("rev-parse", f"--short={digits}", "base").out == theirs
    assert grown("rev-parse", "--verify", "base").out == f"{whole}\n"
    for words in (["nosuch"], ["base:/no/such"], ["/etc"], ["base", "tuned"], ["base..tuned"]):
        assert grown("rev-parse", "--verify", *words, code=None).err.startswith("lxgit: ")
        told = grown("rev-parse", "--verify", "-q", *words, code=1)
        assert (told.out, told.err) == ("", "")
    names = ["HEAD", "@", "base", "heads/base", "base/v1", "HEAD~1", whole]
    theirs = git("rev-parse", "--abbrev-ref", *names).decode()
    assert grown("rev-parse", "--abbrev-ref", *names).out == theirs
    assert grown("rev-parse", "--abbrev-ref", "base:v1").out == "base/v1\n"
    grown("rev-parse", "--abbrev-ref", "nosuch", code=1)
    grown("checkout", "-q", "--detach", "base")
    assert grown("rev-parse", "--abbrev-ref", "HEAD").out == "HEAD\n"


def test_rev_parse_of_what_is_no_commit(grown: Lxgit, git: StockGit) -> None:
    for ours, theirs in {
        "base:/etc/hosts": "base:rootfs/etc/hosts",
        "HEAD:/etc/mtab": "tuned:rootfs/etc/mtab",
        "tuned~1:/etc": "base:rootfs/etc",
        "base:/": "base:rootfs",
        "HEAD^{tree}": "tuned^{tree}",
        "base:rootfs/etc/motd": "base:rootfs/etc/motd",
    }.items():
        assert grown("rev-parse", ours).out == git("rev-parse", theirs).decode(), ours
    blob = git.word("rev-parse", "base:rootfs/etc/hosts")
    assert grown("rev-parse", blob, blob[:12]).lines == [blob, blob]
    assert grown("rev-parse", "--short", "base:/etc/hosts").lines == [blob[:12]]
    assert "'base' has no '/nowhere'" in grown("rev-parse", "base:/nowhere", code=1).err


def test_rev_parse_of_what_has_no_id(lxgit: Lxgit, scratch: Path) -> None:
    os.mkfifo(scratch / "pipe")
    lxgit("import", scratch, "odd")
    told = lxgit("rev-parse", "odd:/pipe", code=1).err
    hint = "hint: 'lxgit ls -l odd:/pipe' shows it\n"
    assert told == f"lxgit: 'odd:/pipe' is a fifo: it has no id\n{hint}"


def test_what_is_empty_is_not_all(grown: Lxgit) -> None:
    for words in (["log", "--", ""], ["diff", "base", "--", ""], ["show", "--", "/etc", ""]):
        refused(grown(*words, code=2), "a path is empty", "'/' is all of the machine")
    for word in ("ls", "show", "rev-parse"):
        refused(grown(word, "", code=1), "there is no ''")


@pytest.mark.parametrize(
    ("words", "path", "hint"),
    [
        ("diff base:/etc/motd tuned:/etc/motd", "base:/etc/motd", "diff base tuned -- /etc/motd"),
        ("diff base:/etc/motd..tuned:/bin", "base:/etc/motd", "diff base..tuned -- /etc/motd /bin"),
        ("diff base tuned:/etc", "tuned:/etc", "diff base tuned -- /etc"),
        ("diff HEAD~1:/etc", "HEAD~1:/etc", "diff 'HEAD~1' -- /etc"),
        ("log tuned:/etc/motd", "tuned:/etc/motd", "log tuned -- /etc/motd"),
    ],
)
def test_a_path_stands_behind_dashes(grown: Lxgit, words: str, path: str, hint: str) -> None:
    told = grown(*words.split(), code=1).err
    assert told == f"lxgit: '{path}' is a path, not a commit\nhint: lxgit {hint}\n"
    grown(*shlex.split(hint))


def test_a_hint_can_be_pasted(lxgit: Lxgit, scratch: Path) -> None:
    """A shell takes the path for what it is, whatever is in it."""
    (root := scratch / "odd").mkdir()
    for name in ("a b", "it's", "$(id)", "a\nb"):
        (root / name).write_text(f"{name} here\n")
        os.mkfifo(root / f"{name}.")
    lxgit("import", root, "odd")
    for name, written in (
        ("/a b", "'/a b'"),
        ("/it's", """'/it'"'"'s'"""),
        ("/$(id)", "'/$(id)'"),
        ("/a\nb", r"$'/a\nb'"),
    ):
        for words in (["diff", "odd"], ["log"], ["show", "odd"]):
            hint = lxgit(*words, name, code=None).err.splitlines()[1]
            assert hint == f"hint: lxgit {' '.join(words)} -- {written}"
        hint = lxgit("checkout", "odd", "--", name, code=2).err.splitlines()[1]
        assert hint.endswith(f" {written.replace('/', 'CONTAINER:/', 1)}")
        hint = lxgit("rev-parse", f"odd:{name}.", code=1).err.splitlines()[1]
        start, end = written.replace("/", "odd:/", 1), "' shows it"
        assert hint == f"hint: 'lxgit ls -l {start[:-1]}.{start[-1]}{end}"


def test_names_that_are_no_text(lxgit: Lxgit, scratch: Path) -> None:
    """Bytes that are not UTF-8, newlines and quotes are told as Git tells them."""
    root = scratch / "odd"
    root.mkdir()
    for name in (b"\xff", b"a\nb", b'q"', b"back\\slash", "é".encode()):
        (root / os.fsdecode(name)).write_bytes(name)
    lxgit("import", root, "odd")
    assert lxgit("ls", "odd").stdout.splitlines() == [
        rb'"a\nb"',
        rb'"back\\slash"',
        rb'"q\""',
        "é".encode(),
        rb'"\377"',
    ]
    assert lxgit("show", b"odd:/\xff").stdout == b"\xff"
    assert lxgit("show", "odd:/a\nb").stdout == b"a\nb"
    assert "/\udcff" in {c["path"] for c in lxgit("show", "--format", "json").json[0]["changes"]}
    log = lxgit("log", "-q", "--", b"/\xff", code=0)
    assert len(log.lines) == 1
