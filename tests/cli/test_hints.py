"""Hints: each fault has one, and it is true."""

from __future__ import annotations

import io
import shlex
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


def test_of_an_object_that_is_no_commit(grown: Lxgit, git: StockGit) -> None:
    oid = git.word("rev-parse", "tuned:rootfs/etc/motd")
    done = grown("show", oid, code=1)
    refused(done, "is a blob, not a commit", "'lxgit show REV:/PATH' prints a file;")
    shown = done.err.split("; '")[1].split("'", maxsplit=1)[0]
    assert f"/git show {oid[:12]}" in shown
    words = shlex.split(shown)[3:]
    assert git(*words).decode() == grown("show", "tuned:/etc/motd").out


@pytest.mark.root
@pytest.mark.overlay
def test_of_restore_without_a_slash(grown: Lxgit) -> None:
    grown("create", "--name", "web", "tuned")
    for word, meant in (
        ("web", "/web, or of a container all: web:/"),
        ("web:", "web:/"),
        ("web:etc/motd", "web:/etc/motd"),
    ):
        refused(grown("restore", word, code=2), f"'{word}' is no path", f"hint: {meant}")
        grown("restore", meant.split()[-1])


@pytest.mark.root
@pytest.mark.overlay
def test_of_checkout_of_a_container_s_paths(grown: Lxgit) -> None:
    grown("create", "--name", "web", "tuned")
    done = grown("checkout", "web", "--", "/etc/motd", code=2)
    refused(done, "is a path", "hint: lxgit restore web:/etc/motd")
    grown("restore", "web:/etc/motd")


@pytest.mark.parametrize("kind", ["page", "zip"])
def test_of_what_is_shorter_than_any_tar(based: Lxgit, scratch: Path, kind: str) -> None:
    data = io.BytesIO(b"<html><body>404 Not Found</body></html>\n")
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr("f", "text")
    (scratch / "got").write_bytes(data.getvalue())
    done = based("import", scratch / "got", "new", code=1)
    refused(done, "the archive is damaged or no tar archive (no whole header", "lxgit reads tar")


@pytest.mark.root
@pytest.mark.overlay
def test_of_places_that_are_not_there(grown: Lxgit, scratch: Path) -> None:
    grown("create", "--name", "web", "tuned")
    (scratch / "f").write_text("text\n")
    for words, fault, hint in (
        (["cp", "f", "web:/etc/motd/x"], "'web:/etc/motd/x' would be below a file", "the file"),
        (["cp", "f", "web:/etc/motd/x/y"], "'web:/etc/motd/x/y' would be below a file", "a dir"),
        (["cp", "f", "web:/nope/x"], "there is no directory for 'web:/nope/x'", "make it first"),
        (["cp", "web:/nope", "."], "there is no 'web:/nope'", "'lxgit ls web:/' lists"),
        (["cp", "nope", "web:/"], f"there is no '{scratch}/nope'", "CONTAINER:/PATH"),
        (["restore", "web:/nope"], "there is no '/nope' in", "'lxgit ls web:/' lists what"),
        (
            ["export", "-o", "/nope/x", "base"],
            "there is no directory for '/nope/x'",
            "make it first",
        ),
    ):
        refused(grown(*words, cwd=scratch, code=1), fault, hint)


@pytest.mark.parametrize(
    ("words", "fault", "hint"),
    [
        ("log --store x", "no such option: --store", "'lxgit --store DIR COMMAND'"),
        ("run --store x base", "no such option: --store", "before the command"),
        ("log -n x", "'x' is not a whole number", "such as '-n 5'"),
        ("stop -t x web", "'x' is not a whole number", "such as '-t 5'"),
        ("diff -U -1 base tuned", "-U-1: there are no fewer than 0", "-U0"),
        ("images --format {{.ID", "is not closed by '}}'", "'{{.ID}}'"),
        ("commit -F= web", "-F names no file", "-F FILE, or -F - for standard input"),
    ],
)
def test_of_options(grown: Lxgit, words: str, fault: str, hint: str) -> None:
    refused(grown(*words.split(), code=2), fault, hint)


def test_of_a_network_that_nothing_can_make(based: Lxgit) -> None:
    """It was to be made by its name."""
    for name in ("../x", "", "a" * 129):
        told = based("network", "inspect", name, code=1).err
        assert told.endswith(f"there is no network '{name}'\nhint: 'lxgit network ls' lists them\n")
    assert "'lxgit network create x' makes it" in based("network", "inspect", "x", code=1).err
