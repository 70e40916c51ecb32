"""What of a build's context whoever builds is told."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

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


def test_labels_that_no_image_keeps(based: Lxgit, context: Path) -> None:
    labels = [word for number in range(9) for word in ("--label", f"{number}={'x' * 120_000}")]
    said = based("build", *labels, context, code=1).err
    assert said.startswith("lxgit: --label, LABEL: the image cannot keep that"), said[:200]
