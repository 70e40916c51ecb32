"""What fsck says of objects that are damaged or lost: what its hint says brings them back."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused
from tests.support.stockgit import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


def damage(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 0x40
    pack.chmod(0o600)
    pack.write_bytes(content)


def cut(pack: Path) -> None:
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:5000])


def lose(pack: Path) -> None:
    pack.unlink()


def lose_all(pack: Path) -> None:
    for part in pack.parent.glob(f"{pack.stem}.*"):
        part.unlink()


@pytest.mark.parametrize(
    ("harm", "packed"), [(damage, False), (cut, True), (lose, True), (lose_all, False)]
)
def test_a_clone_brings_back_what_is_lost(
    full: Lxgit, git: StockGit, scratch: Path, harm: Callable[[Path], None], packed: bool
) -> None:
    if packed:
        full("gc")
    clone = scratch / "clone"
    git("clone", "-q", "--no-hardlinks", str(git.git_dir), str(clone))
    packs = (git.git_dir / "objects/pack").glob("*.pack")
    harm(max(packs, key=lambda path: path.stat().st_size))
    told = full("fsck", "--repair", code=1).out
    (hint,) = {line for line in told.splitlines() if "CLONE" in line}
    for command in re.findall("'([^']+)'", hint.replace("CLONE", f"{clone}/.git")):
        if command.startswith("lxgit "):
            full(*command.split()[1:])
        else:
            subprocess.run(command, shell=True, check=True, env=ENVIRONMENT)
    assert full("fsck").out == "No faults found.\n"
    assert git.fsck() == b""
    assert full("show", "tuned:/etc/motd").out.endswith("It is tuned.\n")
    indexes = {path.stem for path in (git.git_dir / "objects/pack").glob("*.idx")}
    assert indexes == {path.stem for path in (git.git_dir / "objects/pack").glob("*.pack")}


def test_what_no_clone_mends_has_another_hint(full: Lxgit, git: StockGit) -> None:
    """What somebody made so, and what --repair makes again."""
    blob = git.blob(b"x")
    above = git.word("mktree", "--missing", stdin=f"100644 blob {blob}\t..\n".encode())
    git("update-ref", "refs/heads/forged", git.commit("forged", tree=above))
    told = full("fsck", code=1).out
    assert "hasDotdot" in told
    assert "it was made so" in told
    assert "CLONE" not in told
    git("update-ref", "-d", "refs/heads/forged")
    full("gc", "--now")
    assert full("fsck").out == "No faults found.\n"
    for pattern in ("objects/pack/*.idx", "objects/pack/*.rev", "objects/info/commit-graph"):
        (path,) = git.git_dir.glob(pattern)
        damage(path)
        told = full("fsck", code=1).out
        assert "'lxgit fsck --repair'" in told
        assert "CLONE" not in told
        full("fsck", "--repair", code=None)
        assert full("fsck").out == "No faults found.\n"


@pytest.mark.parametrize("place", ["heads", "tags"])
def test_a_ref_that_is_set_to_what_is_not_there(full: Lxgit, git: StockGit, place: str) -> None:
    """Each hint in its turn, down to the entry of the reflog that says what it was."""
    verb = "branch" if place == "heads" else "tag"
    full(verb, "x", "base")
    (git.git_dir / "refs" / place / "x").write_text(f"{'1' * 40}\n")
    assert f"'lxgit {verb} -f x ID' goes there" in full("fsck", code=1).out
    full(verb, "-f", "x", full("reflog", "x").out.split()[0])
    fault, hint = full("fsck", code=1).lines
    assert fault.endswith(f"invalid reflog entry {'1' * 40}")
    assert hint.startswith("  hint: where CLONE is")
    assert "'lxgit gc --now' drops the entry" in hint
    full("gc", "--now")
    assert full("fsck").out == "No faults found.\n"


@pytest.mark.parametrize("place", ["heads", "tags"])
def test_a_ref_to_what_is_not_there_can_be_deleted(full: Lxgit, git: StockGit, place: str) -> None:
    """What it was before is kept as of any other; it itself can be brought back by nothing here."""
    verb, deletes = ("branch", "-D") if place == "heads" else ("tag", "-d")
    full(verb, "x", "base")
    before = full("reflog", "x").out.split()[0]
    (git.git_dir / "refs" / place / "x").write_text(f"{'1' * 40}\n")
    full("fsck", "--repair", code=1)  # the log says so, too
    if place == "heads":
        refused(full("branch", "-d", "x", code=1), "bad object 1111", "'lxgit branch -D x' deletes")
    assert f"'lxgit {verb} {deletes} x' deletes it" in full("fsck", code=1).out
    assert f"Deleted {verb} x (was {'1' * 12})." in full(verb, deletes, "x").out
    assert full("fsck").out == "No faults found.\n"
    assert git.fsck() == b""
    full("gc")
    assert full("reflog", "--deleted").out.startswith(f"{before} x: ")
    full(verb, "x", before)
    full(verb, deletes, "x")
    (git.git_dir / "refs" / place / "y").write_text(f"{'1' * 40}\n")  # nothing else is known of it
    full(verb, deletes, "y")
    assert full("fsck").out == "No faults found.\n"
    refused(full("undo", code=1), "is not in the store: 111111111111", "'lxgit undo --force'")
    assert "x is back" in full("undo", "--force").out


def test_a_deletion_of_what_is_not_there_any_more(full: Lxgit, git: StockGit) -> None:
    """Nothing told how to be rid of it, and gc stood still."""
    tag = f"object {'1' * 40}\ntype commit\ntag x\ntagger a <a@b> 1 +0000\n\nm\n".encode()
    words = ("hash-object", "-t", "tag", "-w", "--stdin", "--literally")
    git("update-ref", "refs/tags/x", git.word(*words, stdin=tag))
    full("tag", "-d", "x")
    full("gc", code=1)
    fault, hint, *_ = full("fsck", code=1).lines
    assert fault.endswith(f"{'1' * 40} is missing (harms deleted branches)")
    assert "where there is none, 'lxgit gc --now' drops it" in hint
    full("gc", "--now")
    assert full("fsck").out == "No faults found.\n"


@pytest.mark.root
@pytest.mark.overlay
@pytest.mark.lxc
def test_refs_to_what_a_damaged_pack_has_are_sound(full: Lxgit, git: StockGit) -> None:
    """`fsck --repair` was to mend a container's, and `branch -f` a branch."""
    full("create", "--name", "web", "tuned")
    full("gc")
    cut(*(git.git_dir / "objects/pack").glob("*.pack"))
    for words in (["fsck"], ["fsck", "--repair"]):
        told = full(*words, code=1).out
        assert "(harms container web)" in told
        assert "CLONE" in told
        assert "what the container stands on" not in told
        assert "goes there" not in told
