"""ADD of what is on the network."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.webserver import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.program import Lxgit

pytestmark = [pytest.mark.root, pytest.mark.overlay, pytest.mark.lxc]

BODY = b"from the network\n"
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(BODY)) as running:
        yield running


def built(lxgit: Lxgit, *lines: str) -> str:
    """The id of what these lines make of `base`."""
    text = "\n".join(("FROM base", *lines, ""))
    return lxgit("build", "-q", "-", stdin=text.encode()).out.strip()


def refused(lxgit: Lxgit, line: str) -> str:
    """What a build says that fails in this line, and leaves nothing."""
    failed = lxgit("build", "-", stdin=f"FROM base\n{line}\n".encode(), code=1)
    assert failed.err.startswith("lxgit: line 2, "), failed.err
    left = os.listdir(lxgit.store / "tmp")
    assert not [name for name in left if name.startswith(("owner-", "download-"))]
    return failed.err


def told_by_stat(lxgit: Lxgit, image: str, path: str) -> str:
    """Mode, owner and mtime of a file in an image."""
    words = ("--rm", "--network", "none", image, "stat", "-c", "%a %u:%g %Y", path)
    return lxgit("run", *words).out.strip()


def test_a_file_comes_with_its_time(based: Lxgit, server: Server) -> None:
    server.modified = "Sun, 16 Jun 2013 16:29:14 GMT"
    url = f"{server.url}/rootfs/a%20file?token=1"
    made = built(based, f"ADD {url} /srv/", f"ADD --chmod=750 --chown=33:44 {url} /srv/other")
    assert told_by_stat(based, made, "/srv/a file") == "600 0:0 1371400154"
    assert told_by_stat(based, made, "/srv/other") == "750 33:44 1371400154"
    assert based("show", f"{made}:/srv/other").out == BODY.decode()
    server.modified = None
    made = built(based, f"ADD {server.url}/rootfs /nameless")
    assert told_by_stat(based, made, "/nameless") == "600 0:0 0"


def test_what_is_there_decides_about_the_cache(based: Lxgit, server: Server) -> None:
    line = f"ADD {server.url}/rootfs/x /x"
    first = built(based, line)
    assert built(based, line) == first
    server.body, server.etag = b"other\n", '"two"'
    second = built(based, line)
    assert based("show", f"{second}:/x").out == "other\n"


def test_an_archive_stays_one(based: Lxgit, server: Server, busybox_tar: Path) -> None:
    server.body = busybox_tar.read_bytes()
    made = built(based, f"ADD {server.url}/rootfs.tar /srv/", "RUN [ -f /srv/rootfs.tar ]")
    assert made


def test_it_goes_where_it_is_sent(based: Lxgit, server: Server) -> None:
    server.redirects = {"/here": f"{server.url}/rootfs/there", "/file": "file:///etc/passwd"}
    made = built(based, f"ADD {server.url}/here /srv/")
    assert based("show", f"{made}:/srv/here").out == BODY.decode()
    assert "ADD: " in refused(based, f"ADD {server.url}/file /srv/")


def test_a_checksum_is_held(based: Lxgit, server: Server) -> None:
    url = f"{server.url}/rootfs/x"
    made = built(based, f"ARG SUM={DIGEST}", f"ADD --checksum=sha256:$SUM {url} /x")
    assert based("show", f"{made}:/x").out == BODY.decode()
    said = refused(based, f"ADD --checksum=sha256:{'0' * 64} {url} /x")
    assert f"has the SHA-256 {DIGEST}, not 000" in said
    assert "is no checksum" in refused(based, f"ADD --checksum=md5:12 {url} /x")
    for other in (f"{url}2", url, "Dockerfile", "<<one"):
        line = f"ADD --checksum=sha256:{DIGEST} {url} {other} /x/"
        assert "of one address" in refused(based, f"{line}\none" if other == "<<one" else line)


def test_a_dockerfile_that_adds_itself(based: Lxgit, server: Server) -> None:
    """Its own address, and addresses in any order, are nothing to wait for."""
    url = f"{server.url}/rootfs"
    server.body = f"FROM base\nADD {url} /x\n".encode()
    made = based("build", "-q", url, timeout=60).out.strip()
    assert based("show", f"{made}:/x").out.encode() == server.body
    assert "Invalid IPv6 URL" in based("insert", "base", "http://[x", "/y", code=1).err
    left = os.listdir(based.store / "tmp")
    assert not [name for name in left if name.startswith(("owner-", "download-"))]


def test_what_cannot_be_had(based: Lxgit, server: Server) -> None:
    assert "404 Not Found" in refused(based, f"ADD {server.url}/nothing /x")
    assert "Connection refused" in refused(based, "ADD http://127.0.0.1:1/x /x")
    server.length = str(1 << 60)
    assert "room" in refused(based, f"ADD {server.url}/rootfs /x")
    assert "a password" in refused(based, "ADD http://me:secret@127.0.0.1:1/x /x")


def test_insert_of_2013(based: Lxgit, server: Server) -> None:
    made = built(based, f"INSERT {server.url}/rootfs/x /x")
    assert based("show", f"{made}:/x").out == BODY.decode()
    assert based("log", "--oneline", made).lines[0].endswith(f" INSERT {server.url}/rootfs/x /x")
    assert "INSERT: it takes one address" in refused(based, "INSERT /etc/passwd /x")
    assert "INSERT: it needs a source" in refused(based, f"INSERT {server.url}/x")


def test_insert_goes_on_the_branch(based: Lxgit, server: Server) -> None:
    url = f"{server.url}/rootfs/x"
    old = based("rev-parse", "base").out
    first = based("insert", "base", f"{url}?token=secret", "/srv/").out
    assert based("rev-parse", "--short", "base").out == first
    assert based("rev-parse", "base~1").out == old
    assert based("show", "base:/srv/x").out == BODY.decode()
    log = based("log", "base").out
    assert f"Insert {url} at /srv/" in log
    assert "secret" not in log
    assert "insert: " in based("reflog", "base").lines[0]
    based("insert", "-m", "Again", "HEAD", url, "/y")
    assert based("log", "--oneline", "base").lines[0].endswith(" Again")
    based("undo")
    assert based("rev-parse", "--short", "base").out == first
    detached = based("insert", old.strip(), url, "/z").out.strip()
    based("tag", "base:v1", "base")
    assert based("insert", "base:v1", url, "/z").out.strip() != detached
    assert based("rev-parse", "--short", "base").out == first
    assert based("gc", "--now").lines[1].endswith(" of reflogs.")
    assert based("show", f"{detached}:/z").out == BODY.decode()


def test_insert_refuses(based: Lxgit, server: Server) -> None:
    before = based("rev-parse", "base").out
    for words, told in (
        (("none", f"{server.url}/rootfs", "/x"), "there is no 'none'"),
        (("base", "file:///etc/passwd", "/x"), "is no file's address"),
        (("base", f"{server.url}/nothing", "/x"), "404"),
        (("base", f"{server.url}/rootfs", "/etc/passwd/x"), "not a directory"),
    ):
        assert told in based("insert", *words, code=None).err
    assert based("rev-parse", "base").out == before


def test_archives_are_unpacked_or_not(based: Lxgit, server: Server, busybox_tar: Path) -> None:
    server.body = busybox_tar.read_bytes()
    url = f"{server.url}/rootfs.tar"
    made = built(based, f"ADD --unpack {url} /a/", f"ADD --unpack=false {url} /b/")
    assert "busybox" in based("ls", f"{made}:/a/bin").out
    assert "rootfs.tar" in based("ls", f"{made}:/b").out
