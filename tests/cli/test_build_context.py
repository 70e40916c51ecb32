"""What of a build's context whoever builds is told."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]


@pytest.fixture
def context(context: Path) -> Path:
    (context / "Dockerfile").write_text("FROM base\nCOPY . /a/\nCOPY . /b/\n")
    return context


def test_sockets_are_left_out(based: Lxgit, context: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(context / "socket"))
        result = based("build", "-q", context)
    assert result.err.count("left out 1 sockets of the build context") == 1
    assert based("ls", f"{result.out.strip()}:/b").out == "Dockerfile\n"


def test_a_named_dockerfile_in_the_context_is_the_contexts(
    based: Lxgit, context: Path, scratch: Path
) -> None:
    """Whose the context is, theirs are its Dockerfile and the rules beside it, by any name."""
    (scratch / "secret").write_text("ROOT:*:19000\n")
    (context / "out").symlink_to(scratch)
    (scratch / "there").symlink_to(context)
    (context / "evil").symlink_to(scratch / "secret")
    for path in (context / "evil", context / "out/secret", scratch / "there/evil"):
        said = based("build", "-f", path, context, code=1).err
        assert "lxgit: the build context has no '" in said
        assert "ROOT" not in said
    (context / "other").write_text("FROM base\nCOPY . /a/\n")
    (context / "link").symlink_to("/other")
    (context / "other.dockerignore").write_text("out\nevil\nlink\n")
    made = based("build", "-q", "-f", "there/other", context, cwd=scratch).out.strip()
    assert based("ls", f"{made}:/a").lines == ["Dockerfile", "other", "other.dockerignore"]
    (context / ".dockerignore").write_text("*\n")
    assert based("build", "-q", "-f", context / "link", context).out.strip() != made
    os.mkfifo(context / "link.dockerignore")
    said = based("build", "-f", context / "link", context, code=1, timeout=60).err
    assert "'link.dockerignore' in the build context is a fifo, not a file" in said


def test_a_dockerfile_beside_the_context(based: Lxgit, context: Path, scratch: Path) -> None:
    """What -f names is read as it says; what nobody has named, only if it is a file."""
    named = scratch / "named"
    named.symlink_to(context / "Dockerfile")
    based("build", "-q", "-f", named, context)
    ignored = scratch / "named.dockerignore"
    ignored.symlink_to(context / "Dockerfile")
    assert f"'{ignored}' is no file" in based("build", "-f", named, context, code=1).err
    ignored.unlink()
    os.mkfifo(ignored)
    said = based("build", "-f", named, context, code=1, timeout=60).err
    assert f"'{ignored}' is no file" in said
    assert "is no file" in based("build", "-f", "/dev/zero", context, code=1).err
    assert "is no file" in based("build", "-f", scratch, context, code=1).err
    ignored.rename(scratch / "pipe")
    said = based("build", "-f", scratch / "pipe", context, code=1, timeout=60).err
    assert "the Dockerfile has no FROM" in said


def test_a_dockerfile_that_a_shell_makes(based: Lxgit, context: Path) -> None:
    script = '"$1" build -q -f <(sleep 0.2; echo FROM base; echo LABEL a=b) "$2"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", PROGRAM, context],
        capture_output=True,
        check=True,
        env=based.environment(),
    )
    assert based("inspect", done.stdout.decode().strip()).json[0]["Config"]["Labels"] == {"a": "b"}


def test_labels_that_no_image_keeps(based: Lxgit, context: Path) -> None:
    labels = [word for number in range(9) for word in ("--label", f"{number}={'x' * 120_000}")]
    said = based("build", *labels, context, code=1).err
    assert said.startswith("lxgit: --label, LABEL: the image cannot keep that"), said[:200]
