"""prune and fsck, and where the store is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit

PACKAGE = Path(__file__).parents[2] / "lxgit"


@pytest.mark.root
def test_prune(grown: Lxgit) -> None:
    would = grown("prune", "-n").out
    assert would.startswith("Would drop 2 layers, ")
    assert grown("prune").out == would.replace("Would drop", "Dropped")
    assert grown("prune").out == "Dropped 0 layers, 0 B.\n"
    assert grown("fsck").out == "No faults found.\n"


def test_fsck(grown: Lxgit, git: StockGit) -> None:
    assert grown("fsck").out == "No faults found.\n"
    assert grown("fsck", "--format", "json").json == []
    blob = git.blob(b"garbage\n")
    listing = git("ls-tree", "base").decode()
    old = next(line for line in listing.splitlines() if line.endswith("\tlinks"))
    tree = git.word("mktree", stdin=listing.replace(old.split()[2], blob).encode())
    commit = git.commit("Broken\n", git.word("rev-parse", "base"), tree=tree)
    git("update-ref", "refs/heads/broken", commit)
    result = grown("fsck", code=1)
    assert result.err == ""
    assert f"commit {commit[:12]}: " in result.out
    assert "(harms broken)" in result.out
    problems = grown("fsck", "--format", "json", code=1).json
    assert problems[0]["affected"] == ["broken"]


def test_the_store_can_be_named(based: Lxgit) -> None:
    elsewhere = based.environment({"LXGIT_STORE": "/nowhere"})
    command = [str(PROGRAM), "--store", str(based.store), "branch"]
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=True)
    assert done.stdout == "* base\n"


def test_a_store_is_for_its_owner_alone(based: Lxgit) -> None:
    assert based.store.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def passable_program(scratch: Path) -> Path:
    """The program where any user reaches it, wherever this checkout and its environment lie."""
    shutil.copytree(PACKAGE, scratch / "site/lxgit")
    program = scratch / "site/program"
    program.write_text(
        f"#!{Path(sys.executable).resolve()} -I\n"
        f"import sys\nsys.path.insert(0, {str(scratch / 'site')!r})\n"
        "from lxgit.cli.main import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    return program


@pytest.mark.root
def test_an_ordinary_user_is_told_of_roots_store(
    based: Lxgit, scratch: Path, passable_program: Path
) -> None:
    """Root's store in its usual place, which here is a mount over /var/lib, and a user's shell."""
    script = f"""
        set -e
        mount --bind {scratch} /var/lib
        ln -sfn {based.store} /var/lib/lxgit
        chmod 711 {scratch} {scratch.parent}
        cd /
        exec setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME=/nonexistent \
            PATH="$PATH" {passable_program} "$@"
    """

    def as_user(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    listed = as_user("images")
    told = "hint: root has a store in /var/lib/lxgit: sudo lxgit …\n"
    assert listed.returncode == 0
    assert listed.stdout.startswith("REPOSITORY ")
    assert listed.stderr == (
        f"lxgit: there is no store at '/nonexistent/.local/share/lxgit'\n{told}"
    )
    assert json.loads(as_user("images", "--format", "json").stdout) == []
    refused = as_user("log")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == listed.stderr
    denied = as_user("--store", "/var/lib/lxgit", "branch")
    assert denied.returncode == 1
    assert denied.stderr == (
        "lxgit: the store at '/var/lib/lxgit' is not yours\nhint: sudo lxgit …\n"
    )
