"""`import` of what is on the network."""

from __future__ import annotations

import hashlib
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.support.program import PROGRAM
from tests.support.waiting import wait_until
from tests.support.webserver import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit
    from tests.support.stockgit import StockGit


@pytest.fixture
def server(busybox_tar: Path) -> Iterator[Server]:
    with serving(Server(busybox_tar.read_bytes())) as running:
        yield running


def kept(lxgit: Lxgit) -> list[Path]:
    return sorted((lxgit.store / "tmp").glob("download-*"))


def test_an_image_from_the_network(lxgit: Lxgit, server: Server, busybox_tar: Path) -> None:
    lxgit("import", busybox_tar, "local")
    digest = hashlib.sha256(server.body).hexdigest()
    url = f"{server.url}/rootfs.tar?token=secret"
    lxgit("import", url, "base", "--sha256", digest)
    trees = {lxgit("log", "--format", "json", name).json[0]["tree"] for name in ("base", "local")}
    assert len(trees) == 1
    assert lxgit("log", "--oneline", "base").out.endswith(f" Import {server.url}/rootfs.tar\n")
    assert kept(lxgit) == []


def test_another_digest_imports_nothing(lxgit: Lxgit, server: Server) -> None:
    refused = lxgit("import", f"{server.url}/rootfs.tar", "base", "--sha256", "0" * 64, code=1)
    assert "has the SHA-256" in refused.err
    assert lxgit("images").lines[1:] == []
    assert kept(lxgit) == []


@pytest.mark.parametrize("length", [True, False])
def test_more_than_is_allowed(lxgit: Lxgit, server: Server, length: bool) -> None:
    """Whether the server says how much will come, or sends without end."""
    server.body, server.length = bytes(67 << 20), length
    words = ["import", "--max-size", "1M", f"{server.url}/rootfs.tar", "base"]
    assert lxgit(*words, code=1).err == (
        f"lxgit: the download has more than {2_000_000 + (64 << 20):,} bytes\n"
        "hint: a larger --max-size allows it\n"
    )
    assert kept(lxgit) == []


def test_a_killed_download_is_gone_on_with(lxgit: Lxgit, server: Server, git: StockGit) -> None:
    half = len(server.body) // 2
    server.breaks = [half]
    server.released.clear()
    words = [str(PROGRAM), "import", f"{server.url}/rootfs.tar", "base"]
    with subprocess.Popen(words, env=lxgit.environment()) as process:
        parts = partial((lxgit.store / "tmp").glob, "download-*.part")
        wait_until(lambda: any(path.stat().st_size == half for path in parts()))
        process.kill()
    server.released.set()
    lxgit("prune")  # it has not been two weeks
    server.asked = []
    lxgit("import", f"{server.url}/rootfs.tar", "base")
    assert server.asked == [("/rootfs.tar", f"bytes={half}-", server.etag)]
    assert git.fsck() == b""
    assert kept(lxgit) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["http://127.0.0.1:1/x.tar", "base", "--sha256", "12"], "64 hexadecimal digits"),
        (["rootfs.tar", "base", "--sha256", "0" * 64], "--sha256 is about a download"),
    ],
)
def test_what_makes_no_sense(lxgit: Lxgit, words: list[str], told: str) -> None:
    assert told in lxgit("import", *words, code=2).err


def test_what_is_not_there(lxgit: Lxgit, server: Server) -> None:
    assert "404 Not Found" in lxgit("import", f"{server.url}/nothing", "base", code=1).err
    assert "Connection refused" in lxgit("import", "http://127.0.0.1:1/x", "base", code=1).err
    assert kept(lxgit) == []
