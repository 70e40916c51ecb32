"""What the configuration of a store's Git names runs in no command, as in a store from a backup."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import refused
from tests.support.stockgit import StockGit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.program import Lxgit

HOOK = "gc.recentObjectsHook"
COMMANDS = (
    "log",
    "log -- /etc",
    "log -p",
    "log --graph",
    "log --follow -- /etc/hosts",
    "log evil",
    "log evil -- /etc",
    "log -p evil",
    "log --graph evil",
    "show evil",
    "ls evil",
    "diff base evil",
    "merge-base base evil",
    "history evil",
    "branch other evil",
    "images",
    "reflog",
    "status",
    "export evil",
    "fsck",
    "prune",
    "system df",
    "gc --dry-run",
    "gc",
    "gc --now",
    "fsck --repair",
)


@pytest.fixture
def proof(lxgit: Lxgit) -> Path:
    """What `program` makes."""
    return lxgit.home / "proof"


@pytest.fixture
def program(lxgit: Lxgit, proof: Path) -> Path:
    """A program that tells who called it, and stands for any other."""
    path = lxgit.home / "program"
    path.write_text(f'#!/bin/sh\necho "$0 $*" >>{shlex.quote(str(proof))}\nexit 1\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def evil(grown: Lxgit) -> StockGit:
    """Its Git, with a branch `evil` that is signed, and a loose object that nothing reaches."""
    git = StockGit(grown.store / "git")
    git.blob(b"nothing reaches this\n")
    commit = git("cat-file", "commit", "tuned").replace(
        b"\n\n",
        b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n eA==\n -----END PGP SIGNATURE-----\n\n",
        1,
    )
    made = git.word("hash-object", "-w", "-t", "commit", "--stdin", stdin=commit)
    git("update-ref", "refs/heads/evil", made)
    return git


def lazily_fetching(git: StockGit, program: Path) -> None:
    """A store that lacks a tree, and says who has it (gitglossary(7), promisor)."""
    git("config", "extensions.partialClone", "origin")
    git("config", "remote.origin.promisor", "true")
    git("config", "remote.origin.url", f"file://{git.git_dir}")
    git("config", "remote.origin.uploadpack", str(program))
    git("config", "core.repositoryFormatVersion", "1")
    listing = git("ls-tree", "tuned").decode()
    tree = git.word("rev-parse", "tuned:rootfs")
    lost = git.word("mktree", "--missing", stdin=listing.replace(tree, "1" * 40).encode())
    git(
        "update-ref",
        "refs/heads/evil",
        git.commit("Lost\n", git.word("rev-parse", "tuned"), tree=lost),
    )


def helped(git: StockGit, program: Path) -> None:
    """The same with a transport of its own (gitremote-helpers(7))."""
    lazily_fetching(git, program)
    git("config", "remote.origin.url", f"ext::{program}")
    git("config", "protocol.ext.allow", "always")


def monitored(git: StockGit, program: Path) -> None:
    """An index that asks a monitor, in a repository that is not bare (githooks(5))."""
    git("config", "core.bare", "false")
    git("config", "core.fsmonitor", str(program))
    git("--work-tree=.", "update-index", "--add", "--cacheinfo", f"100644,{git.blob(b'x')},x")
    git("--work-tree=.", "update-index", "--fsmonitor")


def signed(git: StockGit, program: Path) -> None:
    git("config", "log.showSignature", "true")
    git("config", "gpg.program", str(program))


def outside(git: StockGit, program: Path) -> None:
    """Git's other programs: for text that is compared, and for what is checked out."""
    for name in ("diff.external", "diff.x.command", "diff.x.textconv", "core.sshCommand"):
        git("config", name, str(program))
    for name in ("core.pager", "pager.log", "core.askPass", "core.gitProxy", "credential.helper"):
        git("config", name, str(program))
    for name in ("core.alternateRefsCommand", "uploadpack.packObjectsHook", "gpg.ssh.program"):
        git("config", name, str(program))
    for name in ("filter.x.clean", "filter.x.smudge", "filter.x.process", "merge.x.driver"):
        git("config", name, str(program))
    (git.git_dir / "info").mkdir(exist_ok=True)
    (git.git_dir / "info/attributes").write_text("* diff=x filter=x merge=x\n")
    git("config", "trailer.x.cmd", str(program))
    git("config", "hook.x.command", str(program))
    git("config", "hook.x.event", "reference-transaction")


def hooked(git: StockGit, program: Path) -> None:
    """Programs that say what is to be kept."""
    git("config", HOOK, str(program))
    git("config", "--add", HOOK, "")


@pytest.mark.parametrize("plant", [lazily_fetching, helped, monitored, signed, hooked, outside])
def test_nothing_that_it_names_runs(
    grown: Lxgit,
    evil: StockGit,
    program: Path,
    proof: Path,
    plant: Callable[[StockGit, Path], None],
) -> None:
    plant(evil, program)
    proof.unlink(missing_ok=True)
    ran = {}
    for command in COMMANDS:
        grown(*command.split(), code=None)
        if proof.exists():
            ran[command] = proof.read_text()
            proof.unlink()
    assert ran == {}


def test_gc_names_the_program_that_it_does_not_run(
    grown: Lxgit, evil: StockGit, program: Path
) -> None:
    hooked(evil, program)
    for words in (["gc"], ["gc", "--now"], ["gc", "--dry-run"]):
        told = f"gc would run what the store's Git configuration names, as {HOOK}"
        refused(
            grown(*words, code=1), told, f"git config -f {evil.git_dir}/config --unset-all {HOOK}"
        )
    evil("config", "--unset-all", HOOK)
    grown("gc")


def test_gc_names_the_file_that_names_the_program(
    grown: Lxgit, evil: StockGit, program: Path
) -> None:
    """Git takes a key out of its own file alone, not out of one that is included."""
    hooked(evil, program)
    (evil.git_dir / "config").rename(evil.git_dir / "all of it")
    (evil.git_dir / "config").write_text("[include]\n\tpath = all of it\n")
    take = f"git config -f '{evil.git_dir}/all of it' --unset-all {HOOK}"
    refused(grown("gc", code=1), f"as {HOOK}", f"'{take}' takes it out of there")
    subprocess.run(shlex.split(take), check=True)
    grown("gc")


def test_what_is_missing_is_told_where_git_would_fetch_it(
    grown: Lxgit, evil: StockGit, program: Path
) -> None:
    lazily_fetching(evil, program)
    refused(grown("log", "evil", "--", "/etc", code=1), "1" * 40, "'lxgit fsck' says")
