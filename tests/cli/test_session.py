"""The main job from end to end, command by command, with stock Git looking on."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.support.compare import assert_same_tree
from tests.support.rootfs import extract_tar

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


def test_the_main_job(
    lxgit: Lxgit, git: StockGit, busybox_tar: Path, busybox_rootfs: Path, scratch: Path
) -> None:
    """From import over run, status, diff, commit, log and checkout to export and rm."""
    base = lxgit("import", busybox_tar, "base").out.strip()
    assert lxgit("run", "base", "/bin/echo", "hi").out == "hi\n"
    assert lxgit("run", "--rm", "--network", "none", "base", "sh", "-c", "exit 3", code=3).out == ""

    assert lxgit("checkout", "-b", "tuned", "base").out == "Switched to a new branch 'tuned'\n"
    with lxgit.terminal("run", "-it", "--name", "web") as shell:
        shell.expect("# ")
        shell.sendline("echo workers 4 >/etc/nginx.conf; chmod 700 /srv; stty -echo; exit")
        shell.expect(pexpect.EOF)
    assert lxgit("status").lines[3:] == [
        "  A  /etc/nginx.conf  (10 B)",
        "  M  /srv/  (metadata: mode 0755 -> 0700)",
        "  2 paths changed: 1 added, 1 modified; +10 B",
    ]
    assert "+workers 4" in lxgit("diff").lines
    tuned = lxgit("commit", "-m", "4 workers").out.strip()
    assert git.word("rev-parse", "tuned")[:12] == tuned
    assert git.word("rev-parse", "tuned~1")[:12] == git.word("rev-parse", "base")[:12] == base

    with lxgit.terminal("start", "-ai", "web") as shell:
        shell.expect("# ")
        shell.sendline("echo workers 8 >/etc/nginx.conf; exit")
        shell.expect(pexpect.EOF)
    refused = lxgit("start", "-ai", "web", code=1).err
    assert refused.startswith("lxgit: container 'web' has a terminal, and standard input is none")
    lxgit("commit", "-m", "8 workers", "web")
    assert [line.split(maxsplit=1)[1] for line in lxgit("log", "--oneline").lines] == [
        "8 workers",
        "4 workers",
        f"Import {busybox_tar.name}",
    ]
    first = lxgit("ps", "-aq").lines[-1]
    lxgit("start", "-a", first)
    lxgit("commit", "-m", "My first container", first, "f440/first_container")
    assert lxgit("show", "tuned:/etc/nginx.conf").out == "workers 8\n"
    assert "nginx.conf" in lxgit("ls", "tuned:/etc").lines
    assert lxgit("diff", "base", "tuned", "--name-status", "--", "/etc").lines == [
        "A\t/etc/nginx.conf"
    ]

    lxgit("tag", "tuned:v1", "tuned~1")
    assert lxgit("run", "--rm", "tuned:v1", "cat", "/etc/nginx.conf").out == "workers 4\n"
    lxgit("checkout", "base")
    assert lxgit("run", "--rm", "HEAD", "ls", "/etc/nginx.conf", code=1).out == ""
    assert lxgit("inspect", "web", "tuned").json[0]["Branch"] == "tuned"

    lxgit("export", "base", "-o", scratch / "base.tar")
    assert_same_tree(busybox_rootfs, extract_tar(scratch / "base.tar", scratch / "base"))
    _git_agrees(git)
    _gc_harms_nothing(lxgit, git)

    assert lxgit("prune").out.startswith("Dropped ")
    assert lxgit("run", "--rm", "tuned", "cat", "/etc/nginx.conf").out == "workers 8\n"
    assert lxgit("fsck").out == "No faults found.\n"
    for container in lxgit("ps", "-aq").lines:
        lxgit("rm", container)
    assert lxgit("rmi", "tuned:v1").out.startswith("Deleted tag tuned/v1 ")
    assert lxgit("ps", "-a").lines[1:] == []
    assert git.fsck() == b""


def _git_agrees(git: StockGit) -> None:
    """What stock Git sees: the names, the history, the files."""
    assert git("branch", "--format=%(refname:short)").split() == [
        b"base",
        b"f440/first_container",
        b"tuned",
    ]
    assert git("show", "base:rootfs/etc/hosts") == b"127.0.0.1\tlocalhost\n"
    assert git("show", "tuned:rootfs/etc/nginx.conf") == b"workers 8\n"
    changed = git("diff", "--name-only", "base", "tuned").split()
    assert changed == [b"rootfs/etc/%meta", b"rootfs/etc/nginx.conf", b"rootfs/srv/%meta"]
    assert b"Container: " in git("log", "-n1", "tuned")
    assert git.fsck() == b""


def _gc_harms_nothing(lxgit: Lxgit, git: StockGit) -> None:
    """Every branch, tag and container is as it was after Git's own collector."""
    names = [line.split()[0] for line in lxgit("ps", "-aq").lines]

    def everything() -> list[str]:
        told = [lxgit("log", "--all", "--format", "json", "--stat").out]
        told += [lxgit("diff", name).out + lxgit("ls", "-Rl", f"{name}:/").out for name in names]
        return [*told, lxgit("branch", "-v").out, lxgit("tag", "-n").out]

    before = everything()
    git("gc", "--quiet", "--prune=now")
    git("reflog", "expire", "--expire=now", "--all")
    git("gc", "--quiet", "--aggressive", "--prune=now")
    assert everything() == before
    clone = git.git_dir.with_name("clone")
    subprocess.run(
        ["git", "-c", "transfer.fsckObjects=true", "clone", "-q", "--mirror", git.git_dir, clone],
        check=True,
    )
    subprocess.run(["rm", "-rf", clone], check=True)
