"""push and save where the other side does not do as it should: told in a line, nothing is left."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import disks
from tests.support.odd import Swallowing, serving
from tests.support.program import PROGRAM, Lxgit
from tests.support.waiting import wait_until

pytestmark = pytest.mark.root


NOT_THERE = b"HTTP/1.1 404 no\r\n\r\n{}"


def nothing_is_left(lxgit: Lxgit) -> bool:
    return not list((lxgit.store / "tmp").iterdir())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome!</html>", "answers with what is no manifest"),
        (b"HTTP/1.1 500 Oh\x1b[31m\r\n\r\n{}", "unexpected HTTP status: 500"),
        (b"HTTP/1.1 307 x\r\nLocation: /v2/\r\n\r\n", "stopped after 10 redirects"),
        (b"\0\x1b[31m garbage\r\n" * 9, "malformed HTTP"),
        (b"", "EOF"),
        (NOT_THERE, "has no place for "),
    ],
    ids=["page", "fault", "circle", "garbage", "silence", "nothing"],
)
def test_nonsense(based: Lxgit, answer: bytes, said: str) -> None:
    with serving(answer) as server:
        result = based("push", "base", f"{server.host}/x", code=1)
    assert result.out == ""
    first, hint = result.err.splitlines()
    assert first.startswith(f"lxgit: '{server.host}'")
    assert said in first
    assert hint.startswith("hint: see ")
    assert "\x1b" not in result.err
    assert nothing_is_left(based)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_push_that_is_ended(based: Lxgit, number: signal.Signals) -> None:
    """Nobody goes on sending; what a kill leaves is swept up."""
    with serving(handler=Swallowing) as server:
        words = [str(PROGRAM), "push", "base", f"{server.host}/x"]
        with subprocess.Popen(
            words, env=based.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert server.sending.wait(60)
            (skopeo,) = children(process.pid)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    assert (out, err) == (b"", b"")
    wait_until(lambda: not Path(f"/proc/{skopeo}/exe").exists())
    if number == signal.SIGINT:
        assert process.returncode == 130
    else:
        assert process.returncode == -number
        based("prune")
    assert nothing_is_left(based)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_disk_is_full(lxgit: Lxgit, based_store: Path, scratch: Path) -> None:
    """That of the store, on which layers are written; and that of the archive."""
    with disks.small(scratch, 24) as disk:
        subprocess.run(["cp", "-a", based_store, disk / "store"], check=True)
        full = Lxgit(disk / "store", lxgit.home)
        fill(disk / "filler", but=256 << 10)
        for words in (
            ("push", "base", "HOST/x"),
            ("save", "base"),
            ("save", "base", "-o", str(disk / "image.tar")),
            ("save", "base", "--format", "oci-dir", "-o", str(disk / "layout")),
        ):
            with serving(NOT_THERE) as server:
                result = full(*(word.replace("HOST", server.host) for word in words), code=1)
            assert "o space left on device" in result.err
            assert result.err.count("\n") <= 2
            assert nothing_is_left(full)
            assert {path.name for path in disk.iterdir()} == {"lost+found", "store", "filler"}


def fill(path: Path, but: int) -> None:
    """Leave so many bytes of a disk."""
    with path.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(64 << 10))
        file.truncate(file.tell() - but)
