"""Real databases in containers: what they keep outlives a stop, a kill and a commit."""

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

CLUSTER = "postgresql/17/main"
POSTGRES = (
    *("/usr/lib/postgresql/17/bin/postgres", "-D", f"/var/lib/{CLUSTER}"),
    *("-c", f"config_file=/etc/{CLUSTER}/postgresql.conf"),
    *("-c", "unix_socket_directories=/tmp"),
)
PSQL_CANNOT_CONNECT = 2
POSTGRES_OPTIONS = ("-u", "postgres", "--stop-signal", "SIGINT", "--network", "none")


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
        lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


def test_postgresql(lxgit: Lxgit, postgresql_tar: Path) -> None:
    """Its data is in the image: across stop and start, and in a commit of it while it runs."""
    lxgit("import", postgresql_tar, "debian")
    lxgit("run", "-d", "--name", "db", *POSTGRES_OPTIONS, "debian", *POSTGRES)
    try:
        assert told(lxgit, "db", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n") == ""
        lxgit("stop", "-t", "60", "db")
        assert lxgit("ps", "-a", "--format", "{{.Status}}").out.startswith("Exit 0")
        lxgit("start", "db")
        assert told(lxgit, "db", "INSERT INTO t VALUES (1001); SELECT count(*) FROM t") == "1001"
        lxgit("commit", "-m", "A database that runs", "db", "with-db")
        assert told(lxgit, "db", "DELETE FROM t WHERE n = 1001") == ""
        lxgit("run", "-d", "--name", "other", *POSTGRES_OPTIONS, "with-db", *POSTGRES)
        assert told(lxgit, "other", "SELECT sum(n) FROM t") == str(1001 * 1002 // 2)
        assert told(lxgit, "db", "SELECT sum(n) FROM t") == str(1000 * 1001 // 2)
    finally:
        lxgit("rm", "-f", *lxgit("ps", "-aq").lines, code=None)


def asked(lxgit: Lxgit, container: str, *words: str) -> str:
    """What redis answers, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = lxgit("exec", container, "redis-cli", *words, code=None)
        answer = found.out.strip()
        if found.code == 0 and answer and not answer.startswith("LOADING"):
            return answer
        time.sleep(0.05)
    pytest.fail(f"redis did not answer: {lxgit('logs', container).out}")


def told(lxgit: Lxgit, container: str, statements: str) -> str:
    """What psql prints, once the database takes connections."""
    psql = ("psql", "--host=/tmp", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = lxgit("exec", "-u", "postgres", container, *psql, "-c", statements, code=None)
        if found.code != PSQL_CANNOT_CONNECT:
            assert found.code == 0, found.err
            return found.out.strip()
        time.sleep(0.05)
    pytest.fail(f"postgresql did not answer: {lxgit('logs', container).out}")
