"""Commits as Git shows them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from lxgit.cli.logview import Look, commit_fields, write_commit, write_entry, write_oneline
from lxgit.operations.logvalues import Decoration, LogEntry, RefKind
from lxgit.operations.values import Signature
from tests.cli.rendering import changed, entry, rendered

if TYPE_CHECKING:
    from pathlib import Path

ADA = Signature("Ada Lovelace", "ada@example.org", 1795527135, 60)
NAMES = (
    Decoration(RefKind.BRANCH, "tuned", current=True),
    Decoration(RefKind.TAG, "v1"),
    Decoration(RefKind.BRANCH, "base"),
)
COMMIT = LogEntry(
    oid="0123456789abcdef0123456789abcdef01234567",
    tree="f" * 40,
    parents=("1" * 40,),
    author=ADA,
    committer=ADA,
    message="Use four workers\n\nTwo were not enough.\n\nContainer: 4637bc634170\n",
    decorations=NAMES,
)


def test_a_commit() -> None:
    text = rendered(lambda out: write_commit(out, COMMIT, colour=False))
    assert [line.rstrip() for line in text.splitlines()] == TOLD.splitlines()


TOLD = """\
commit 0123456789abcdef0123456789abcdef01234567 (HEAD -> tuned, tag: v1, base)
Author: Ada Lovelace <ada@example.org>
Date:   Tue Nov 24 14:32:15 2026 +0100

    Use four workers

    Two were not enough.

    Container: 4637bc634170
"""


def test_a_merge_and_its_changes() -> None:
    merge = COMMIT._replace(
        parents=("1" * 40, "2" * 40),
        message="Merge",
        decorations=(),
        changes=(changed(b"etc/motd", None, entry(), 0, 20),),
    )
    text = rendered(lambda out: write_entry(out, merge, Look(stat=True)))
    assert text.splitlines()[:2] == [f"commit {merge.oid}", "Merge: 111111111111 222222222222"]
    assert text.splitlines()[-3:] == [
        "",
        " /etc/motd | 20 B ++++++++++++++++++++++++",
        " 1 path changed: 1 added; +20 B",
    ]


def test_one_line() -> None:
    text = rendered(lambda out: write_oneline(out, COMMIT, colour=False))
    assert text == "0123456789ab (HEAD -> tuned, tag: v1, base) Use four workers\n"
    detached = COMMIT._replace(decorations=(Decoration(RefKind.HEAD, "HEAD"),))
    text = rendered(lambda out: write_oneline(out, detached, colour=False))
    assert text == "0123456789ab (HEAD) Use four workers\n"


def test_colours() -> None:
    text = rendered(lambda out: write_oneline(out, COMMIT, colour=True))
    assert text == (
        "\x1b[33m0123456789ab\x1b[m \x1b[33m(\x1b[m\x1b[1;36mHEAD ->\x1b[m \x1b[1;32mtuned\x1b[m, "
        "\x1b[1;33mtag: v1\x1b[m, \x1b[1;32mbase\x1b[m\x1b[33m)\x1b[m Use four workers\n"
    )


def test_strangers_words_cannot_move_the_cursor() -> None:
    evil = COMMIT._replace(message="a\x1b[2Jb\udcff", author=ADA._replace(name="x\x1b]0;y\x07"))
    text = rendered(lambda out: write_commit(out, evil, colour=False))
    assert "    a\\x1b[2Jb\\xff" in text
    assert "Author: x\\x1b]0;y\\x07 <ada@example.org>" in text


def test_json() -> None:
    fields = json.loads(json.dumps(commit_fields(COMMIT)))
    assert fields["id"] == COMMIT.oid
    assert fields["author"] == {
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "date": "2026-11-24T14:32:15+01:00",
    }
    assert fields["refs"][0] == {"type": "branch", "name": "tuned", "current": True}
    assert "changes" not in fields
    assert commit_fields(COMMIT._replace(changes=()))["changes"] == []


def test_it_is_what_git_prints(tmp_path: Path) -> None:
    git = ["git", "-C", os.fspath(tmp_path)]
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", ADA.name), ("EMAIL", ADA.email), ("DATE", "1795527135 +0100"))
    }
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run([*git, "init", "-q", "-b", "tuned"], check=True, env=environment)
    command = [*git, "commit", "-q", "--allow-empty", "-m", COMMIT.message]
    subprocess.run(command, check=True, env=environment)
    for command in (["tag", "v1"], ["branch", "base"]):
        subprocess.run([*git, *command], check=True, env=environment)
    command = [*git, "log", "--decorate"]
    theirs = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    oid = theirs.stdout.split()[1]
    root = COMMIT._replace(oid=oid, parents=())
    ours = rendered(lambda out: write_commit(out, root, colour=False))
    assert ours == theirs.stdout
