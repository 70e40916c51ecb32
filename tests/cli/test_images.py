"""import, export, images, rmi."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.cli.conftest import written_at
from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

HEAD = "REPOSITORY          TAG                 ID                  CREATED"


def test_listings_of_no_store_have_their_heads(lxgit: Lxgit) -> None:
    assert lxgit("images").lines == [HEAD]
    assert lxgit("images", "--format", "json").json == []
    assert lxgit("ps", "-a").lines[0].split() == [
        *("ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES")
    ]
    for words in (["images", "-q"], ["ps", "-q"], ["branch"], ["tag"]):
        result = lxgit(*words)
        assert (result.out, result.err) == ("", "")
    assert not lxgit.store.exists()


def test_import_prints_the_id(lxgit: Lxgit, git: StockGit, busybox_tar: Path) -> None:
    result = lxgit("import", busybox_tar, "base", env=written_at(0))
    assert result.out == f"{git.word('rev-parse', 'base')[:12]}\n"
    assert result.err == ""
    assert git.word("log", "--format=%an %cn %s", "base") == f"Ada Bo Import {busybox_tar.name}"
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"
    assert git("show", "base:rootfs/etc/hosts") == b"127.0.0.1\tlocalhost\n"
    assert git.fsck() == b""


def test_import_again(based: Lxgit, git: StockGit, busybox_rootfs: Path) -> None:
    before = git.word("rev-parse", "base")
    result = based("import", busybox_rootfs, "base")
    assert result.out == f"{before[:12]}\n"
    assert result.err == "lxgit: 'base' has this very tree already: no commit was made\n"
    told = based("import", busybox_rootfs, "base", "--orphan", "-m", "Anew").err
    assert told.startswith(f"lxgit: the branch 'base' was {before[:12]}, which no name leads to")
    assert f"'lxgit branch NEW {before[:12]}'" in told
    assert git.word("rev-list", "--count", "base") == "1"
    assert git.word("rev-parse", "base@{1}") == before
    based("import", busybox_rootfs, "other", "-m", "One", "-m", "Two")
    assert git.word("log", "--format=%B", "other") == "One\n\nTwo"
    assert git.word("symbolic-ref", "HEAD") == "refs/heads/base"


@pytest.mark.parametrize("program", ["gzip", "bzip2", "xz", "zstd"])
def test_compressed_archives(
    based: Lxgit, git: StockGit, busybox_tar: Path, scratch: Path, program: str
) -> None:
    archive = scratch / "archive"
    packed = subprocess.run([program, "-1c", busybox_tar], capture_output=True, check=True).stdout
    archive.write_bytes(packed)
    based("import", archive, "file")
    based("import", "-", "pipe", stdin=packed)
    trees = {git.word("rev-parse", f"{name}^{{tree}}") for name in ("base", "file", "pipe")}
    assert len(trees) == 1


def test_images(grown: Lxgit, git: StockGit) -> None:
    base, tuned = git.word("rev-parse", "base"), git.word("rev-parse", "tuned")
    grown("tag", "base:v1", "base")
    grown("tag", "-m", "message", "r1", "base")
    rows = [line.split(maxsplit=3) for line in grown("images").lines]
    assert [row[:3] for row in rows] == [
        ["REPOSITORY", "TAG", "ID"],
        ["tuned", "latest", tuned[:12]],
        ["<none>", "r1", base[:12]],
        ["base", "latest", base[:12]],
        ["base", "v1", base[:12]],
    ]
    assert all(row[3].endswith(" ago") for row in rows[1:])
    assert grown("images", "-q").lines == [tuned[:12], *[base[:12]] * 3]
    assert grown("images", "-q", "--no-trunc").lines[0] == tuned
    assert grown("images", "--format=json").json[3] == {
        "repository": "base",
        "tag": "v1",
        "id": base,
        "created": "2023-11-14T22:13:20+00:00",
    }
    assert grown("images", "-notrunc", code=2).err.endswith("hint: did you mean '--no-trunc'?\n")


LISTINGS: list[tuple[str, ...]] = [
    ("images",),
    ("images", "-a"),
    ("images", "--tree"),
    ("history", "base"),
    ("inspect", "base"),
    ("log", "--all", "--decorate"),
    ("info", "--format", "{{.Images}}"),
]


def test_a_tag_of_what_is_no_image_hides_none(grown: Lxgit, git: StockGit) -> None:
    """Any tool may make one; `fsck` tells of it."""
    before = {words: grown(*words).out for words in LISTINGS}
    git("tag", "blob", "base:config.json")
    git("tag", "tree", "base:rootfs")
    git("tag", "-a", "-m", "noted", "noted", "base:config.json")
    git("tag", "-a", "-m", "1", "chain", "base")
    for number in range(17):
        git("tag", "-f", "-a", "-m", str(number), "chain", "chain")
    for words, told in before.items():
        assert grown(*words).out == told, words
    grown("system", "df", "-v")
    listed = {row["name"]: row for row in grown("tag", "--format", "json").json}
    assert set(listed) == {"blob", "chain", "noted", "tree"}
    assert listed["noted"]["message"] == "noted\n"
    assert listed["blob"]["id"] == git.word("rev-parse", "blob")
    grown("tag", "-f", "tree", "base")
    grown("rmi", "tree", "noted")
    grown("tag", "-d", "blob", "chain")
    assert grown("images").out == before["images",]
    assert git.fsck() == b""


def test_more_names_than_the_arguments_of_a_program_hold(based: Lxgit, git: StockGit) -> None:
    count = 6000
    tag = "commit refs/tags/many/{0}\ncommitter a <a> {0} +0000\ndata 0\nfrom refs/heads/base^0\n"
    git("fast-import", "--quiet", stdin="".join(map(tag.format, range(count))).encode())
    few = f"ulimit -s 1024 && exec {PROGRAM} images"  # KiB: a quarter of it is for arguments
    for options, lines in (("-aq", count + 1), ("--tree", count + 1), ("--viz", 2 * count + 5)):
        listed = subprocess.run(
            ["sh", "-c", f"{few} {options}"],
            env=based.environment(),
            capture_output=True,
            check=False,
        )
        assert (listed.returncode, listed.stderr) == (0, b"")
        assert len(listed.stdout.splitlines()) == lines, options


def test_rmi(grown: Lxgit, git: StockGit) -> None:
    base = git.word("rev-parse", "base")
    grown("tag", "base:v1", "base")
    result = grown("rmi", base[:12], code=1)
    assert result.err == (
        f"lxgit: {base[:12]} has several names: base, base/v1\nhint: -f deletes them all\n"
    )
    assert grown("rmi", "base:v1").out == f"Deleted tag base/v1 (was {base[:12]}).\n"
    assert "'tuned' is HEAD's branch" in grown("rmi", "tuned", code=1).err
    assert grown("rmi", "base").out == f"Deleted branch base (was {base[:12]}).\n"
    assert grown("images", "-q").lines == [git.word("rev-parse", "tuned")[:12]]
    gone = git("reflog", "--format=%h %gs", "refs/lxgit/deleted").decode().splitlines()
    assert [line.split(":")[0] for line in gone if line.startswith(base[:7])] == [
        f"{base[:7]} refs/heads/base",
        f"{base[:7]} refs/heads/base@{{0}}",
        f"{base[:7]} refs/tags/base/v1",
        f"{base[:7]} refs/tags/base/v1@{{0}}",
    ]
    assert git.fsck() == b""


def test_export(grown: Lxgit, git: StockGit, scratch: Path) -> None:
    there = scratch / "rootfs.tar"
    result = grown("export", "tuned", "-o", there)
    assert (result.out, result.err) == ("", "")
    assert there.stat().st_mode & 0o777 == 0o600  # it may hold /etc/shadow
    assert grown("export", "tuned").stdout == there.read_bytes()
    assert grown("export", "tuned", "-o", "-").stdout == there.read_bytes()
    with tarfile.open(there) as archive:
        assert archive.extractfile("./etc/motd").read() == b"A small machine.\nIt is tuned.\n"  # type: ignore[union-attr]
    grown("import", there, "again")
    assert git.word("rev-parse", "again^{tree}") == git.word("rev-parse", "tuned^{tree}")


def test_export_replaces_a_file_whole_or_not_at_all(grown: Lxgit, scratch: Path) -> None:
    there = scratch / "rootfs.tar"
    there.write_text("precious")
    (scratch / "link").symlink_to(there)
    grown("export", "nowhere", "-o", there, code=1)
    assert there.read_text() == "precious"
    grown("export", "base", "-o", scratch / "link")
    assert tarfile.is_tarfile(there)
    assert (scratch / "link").is_symlink()
    fault = grown("export", "base", "-o", scratch / "no/rootfs.tar", code=1).err
    assert fault == (
        f"lxgit: there is no directory for '{scratch}/no/rootfs.tar'\nhint: make it first\n"
    )
    assert sorted(path.name for path in scratch.iterdir()) == [
        "home",
        "link",
        "rootfs.tar",
        "store",
    ]


def test_export_into_what_is_no_file(grown: Lxgit, scratch: Path) -> None:
    os.mkfifo(scratch / "pipe")
    copy = f"cat {scratch}/pipe >{scratch}/copy"
    with subprocess.Popen(["sh", "-c", copy]):
        grown("export", "base", "-o", scratch / "pipe")
    assert (scratch / "copy").read_bytes() == grown("export", "base").stdout
    fault = grown("export", "base", "-o", "/dev/full", code=1).err
    assert fault.startswith("lxgit: /dev/full: no space left on device\nhint: free some space")


def test_archives_are_nothing_for_terminals(grown: Lxgit) -> None:
    with grown.terminal("export", "base") as terminal:
        terminal.expect_exact("lxgit: a tar is nothing for a terminal")
        terminal.expect_exact("hint: lxgit export base -o rootfs.tar")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 2
    with grown.terminal("import", "-", "base") as terminal:
        terminal.expect_exact("lxgit: standard input is a terminal")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 2


def test_a_reader_that_leaves_is_no_fault(grown: Lxgit) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM} export base | head -c 100 | wc -c"],
        env=grown.environment(),
        capture_output=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == (b"100", b"")
