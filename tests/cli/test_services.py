"""A real database in a container: what it keeps on a volume outlives it, and is in no commit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [
    pytest.mark.root,
    pytest.mark.overlay,
    pytest.mark.lxc,
    pytest.mark.network,
    pytest.mark.slow,
]

SERVER = ("-u", "redis", "-v", "kept:/var/lib/redis", "--network", "none")
REDIS = ("redis-server", "--dir", "/var/lib/redis", "--appendonly", "yes")


def test_redis(lxgit: Lxgit, large_debian_tar: Path) -> None:
    """Across stop and start, SIGKILL, a commit, and in a container with other ids of the host."""
    lxgit("import", large_debian_tar, "debian")
    lxgit("run", "-d", "--name", "db", *SERVER, "debian", *REDIS)
    try:
        assert asked(lxgit, "db", "SET", "answer", "42") == "OK"
        lxgit("stop", "db")
        lxgit("start", "db")
        assert asked(lxgit, "db", "INCR", "answer") == "43"
        lxgit("kill", "db")
        lxgit("wait", "db")
        lxgit("commit", "--allow-empty", "-m", "A database", "db", "with-db")
        assert b"appendonly" not in lxgit("ls", "with-db:/var/lib/redis").stdout
        lxgit("run", "-d", "--name", "other", *SERVER, "with-db", *REDIS)
        assert asked(lxgit, "other", "GET", "answer") == "43"
        owner = ("stat", "-c", "%U", "/var/lib/redis/appendonlydir")
        assert lxgit("exec", "other", *owner).out == "redis\n"
    finally:
        lxgit("rm", "-f", "db", "other", code=None)


def asked(lxgit: Lxgit, container: str, *words: str) -> str:
    """What the server answers, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = lxgit("exec", container, "redis-cli", *words, code=None)
        answer = found.out.strip()
        if found.code == 0 and answer and not answer.startswith("LOADING"):
            return answer
        time.sleep(0.05)
    pytest.fail(f"redis did not answer: {lxgit('logs', container).out}")
