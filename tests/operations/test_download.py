"""Downloads from servers on loopback, which fail in every way that servers do."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from lxgit.objects import limits
from lxgit.objects.limits import TooLarge
from lxgit.operations import download, leftovers
from lxgit.operations.download import WrongDigest, downloaded
from lxgit.operations.httpclient import DownloadFailed
from lxgit.repository import create_repository
from tests.support.webserver import Handler, Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lxgit.repository import Repository

BODY = os.urandom(700_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server(BODY)) as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return create_repository(tmp_path / "store")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE", 0.01)


class Listener:
    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done = 0

    def phase(self, label: str, total: int | None = None) -> None:
        self.phases.append((label, total))
        self.done = 0

    def advance(self, count: int = 1) -> None:
        self.done += count

    def warn(self, message: str) -> None:
        raise AssertionError(message)


def fetch(
    repository: Repository,
    url: str,
    sha256: str | None = None,
    proxies: dict[str, str] | None = None,
    listener: Listener | None = None,
    max_size: int | None = None,
) -> bytes:
    with downloaded(
        repository,
        url,
        sha256=sha256,
        max_size=max_size,
        proxies=proxies or {},
        progress=listener or Listener(),
    ) as path:
        return path.read_bytes()


def left(repository: Repository) -> set[str]:
    """The endings of what is kept."""
    return {path.suffix for path in repository.scratch_dir.glob("download-*")}


def test_it_comes_whole_and_goes(server: Server, repository: Repository) -> None:
    listener = Listener()
    assert fetch(repository, f"{server.url}/rootfs.tar", listener=listener) == BODY
    assert listener.phases == [("Downloading rootfs.tar", len(BODY))]
    assert listener.done == len(BODY)
    assert left(repository) == set()
    assert fetch(repository, f"{server.url}/rootfs.tar?x=1#y", SHA256.upper()) == BODY


def test_what_breaks_off_is_gone_on_with(server: Server, repository: Repository) -> None:
    server.breaks = [100_000, 200_000]
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY
    ranges = [(asked, condition) for _, asked, condition in server.asked]
    assert ranges == [
        (None, None),
        ("bytes=100000-", '"one"'),
        ("bytes=300000-", '"one"'),
    ]


def test_a_later_attempt_goes_on(server: Server, repository: Repository) -> None:
    server.breaks = [100_000, 0, 0, 0]
    with pytest.raises(DownloadFailed, match="broke off after 100000 bytes") as caught:
        fetch(repository, f"{server.url}/rootfs.tar")
    assert caught.value.hint == "the same command goes on from there"
    assert left(repository) == {".part", ".from"}
    server.asked = []
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY
    assert server.asked == [("/rootfs.tar", "bytes=100000-", '"one"')]
    assert left(repository) == set()


def test_another_version_is_fetched_anew(server: Server, repository: Repository) -> None:
    server.breaks = [100_000, 0, 0, 0]
    with pytest.raises(DownloadFailed):
        fetch(repository, f"{server.url}/rootfs.tar")
    server.body, server.etag = b"other" * 50_000, '"two"'
    assert fetch(repository, f"{server.url}/rootfs.tar") == server.body


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_what_has_no_name_is_fetched_anew(
    server: Server, repository: Repository, etag: str | None
) -> None:
    server.etag = etag
    server.breaks = [100_000]
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(repository, f"{server.url}/rootfs.tar")
    assert fetch(repository, f"{server.url}/rootfs.tar") == BODY
    assert [asked for _, asked, _ in server.asked] == [None, None]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_what_has_no_name_is_gone_on_with_where_a_digest_judges(
    server: Server, repository: Repository, etag: str | None
) -> None:
    server.etag = etag
    server.breaks = [100_000, 50_000]
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY
    ranges = [(asked, condition) for _, asked, condition in server.asked]
    assert ranges == [(None, None), ("bytes=100000-", None), ("bytes=150000-", None)]


def test_a_rest_of_another_is_fetched_anew_once(server: Server, repository: Repository) -> None:
    """What was there when it broke off is not what the digest is of."""
    server.etag = None
    server.body = b"other" * 140_000
    server.breaks = [100_000]
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(repository, f"{server.url}/rootfs.tar")
    server.body = BODY
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY
    assert [asked for _, asked, _ in server.asked] == [None, "bytes=100000-", None]
    server.body, server.asked, server.breaks = b"other" * 140_000, [], [100_000]
    with pytest.raises(WrongDigest):
        fetch(repository, f"{server.url}/rootfs.tar", SHA256)
    assert [asked for _, asked, _ in server.asked] == [None, "bytes=100000-", None]
    assert left(repository) == set()


@pytest.mark.parametrize("note", [b'"\xffone"\n', b'"o\rne"\n', b"\0", b""])
def test_with_a_damaged_note_it_is_fetched_anew(
    server: Server, repository: Repository, note: bytes
) -> None:
    server.breaks = [100_000, 0, 0, 0]
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(repository, f"{server.url}/rootfs.tar")
    (kept,) = repository.scratch_dir.glob("download-*.from")
    kept.write_bytes(note)
    server.asked = []
    assert fetch(repository, f"{server.url}/rootfs.tar") == BODY
    assert [asked for _, asked, _ in server.asked] == [None]
    assert left(repository) == set()


def test_a_server_without_ranges(server: Server, repository: Repository) -> None:
    server.ranges = False
    server.breaks = [100_000]
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY


def test_what_is_no_rest_is_not_fetched_twice(server: Server, repository: Repository) -> None:
    """A rest was asked for that only the digest would judge, and the whole file came."""
    server.ranges, server.etag = False, None
    server.breaks = [100_000]
    with pytest.raises(WrongDigest):
        fetch(repository, f"{server.url}/rootfs.tar", "0" * 64)
    assert [asked for _, asked, _ in server.asked] == [None, "bytes=100000-"]


@pytest.mark.parametrize("span", ["bytes 100000-699999/*", "bytes 0-699999/700000", "", "x"])
def test_a_part_that_cannot_be_told_to_be_the_rest_has_it_fetched_anew(
    server: Server, repository: Repository, span: str
) -> None:
    server.span = span
    server.breaks = [100_000]
    assert fetch(repository, f"{server.url}/rootfs.tar") == BODY
    assert [asked for _, asked, _ in server.asked] == [None, "bytes=100000-", None]
    assert left(repository) == set()


def test_a_server_that_does_not_know_the_length(server: Server, repository: Repository) -> None:
    server.length = False
    listener = Listener()
    assert fetch(repository, f"{server.url}/rootfs.tar", listener=listener) == BODY
    assert listener.phases[0][1] is None


@pytest.mark.parametrize("length", ["-5", "\xb2", "9" * 5000, "12 12", "0x10"])
def test_a_length_that_is_none(server: Server, repository: Repository, length: str) -> None:
    server.length = length
    assert fetch(repository, f"{server.url}/rootfs.tar", SHA256) == BODY


def test_an_import_that_failed_does_not_fetch_again(server: Server, repository: Repository) -> None:
    url = f"{server.url}/rootfs.tar"
    listener = Listener()
    with (
        pytest.raises(KeyboardInterrupt),
        downloaded(repository, url, proxies={}, progress=listener),
    ):
        raise KeyboardInterrupt
    server.asked = []
    assert fetch(repository, url, SHA256) == BODY
    assert server.asked == [("/rootfs.tar", f"bytes={len(BODY)}-", '"one"')]


def test_what_is_kept_stays_two_weeks(
    server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since the last attempt, however old the file is that the server has."""
    server.modified = "Tue, 01 Jan 2019 00:00:00 GMT"
    with (
        pytest.raises(KeyboardInterrupt),
        downloaded(repository, f"{server.url}/rootfs.tar", proxies={}, progress=Listener()),
    ):
        raise KeyboardInterrupt
    assert all(
        path.stat().st_mtime < 1_600_000_000 for path in repository.scratch_dir.glob("*.part")
    )
    assert leftovers.sweep(repository) == 0
    assert left(repository) == {".part", ".from"}
    monkeypatch.setitem(leftovers._GRACE, "download-*", 0)
    assert leftovers.sweep(repository) == 2
    assert left(repository) == set()


def test_another_digest_lands_nothing(server: Server, repository: Repository) -> None:
    with pytest.raises(WrongDigest, match=SHA256):
        fetch(repository, f"{server.url}/rootfs.tar", "0" * 64)
    assert left(repository) == set()


def test_redirects_lead_to_http_alone(server: Server, repository: Repository) -> None:
    server.redirects = {"/a": "/b", "/b": f"{server.url}/rootfs.tar", "/loop": "/loop"}
    server.redirects |= {"/file": "file:///etc/passwd", "/ftp": "ftp://127.0.0.1/rootfs.tar"}
    assert fetch(repository, f"{server.url}/a") == BODY
    with pytest.raises(DownloadFailed, match="'file:///etc/passwd' is not allowed"):
        fetch(repository, f"{server.url}/file")
    with pytest.raises(DownloadFailed, match="leads to 'ftp:"):
        fetch(repository, f"{server.url}/ftp")
    with pytest.raises(DownloadFailed, match="infinite loop"):
        fetch(repository, f"{server.url}/loop")


def test_what_is_not_there(server: Server, repository: Repository) -> None:
    server.reason = "Not Found\r really"
    with pytest.raises(DownloadFailed, match="404 Not Found really"):
        fetch(repository, f"{server.url}/nothing")
    with pytest.raises(DownloadFailed, match="Connection refused"):
        fetch(repository, "http://127.0.0.1:1/rootfs.tar")
    with pytest.raises(DownloadFailed, match="password"):
        fetch(repository, "http://ada:secret@127.0.0.1/rootfs.tar")
    with pytest.raises(DownloadFailed):
        fetch(repository, "http:///rootfs.tar")
    with pytest.raises(DownloadFailed, match="Invalid IPv6"):
        fetch(repository, "http://[::1/rootfs.tar")
    server.redirects = {"/loop": "/loop"}
    for path in ("nothing", "loop"):
        with pytest.raises(DownloadFailed) as caught:
            fetch(repository, f"{server.url}/{path}")
        assert "\n" not in caught.value.message


def test_a_silent_server(
    server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    silent = threading.Event()
    monkeypatch.setattr(Handler, "_answer", lambda *_: silent.wait())
    try:
        with pytest.raises(DownloadFailed, match="no answer"):
            fetch(repository, f"{server.url}/rootfs.tar")
    finally:
        silent.set()


@pytest.mark.parametrize("length", [True, False])
def test_what_leaves_no_room_for_the_image(
    server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch, length: bool
) -> None:
    """Half of what is free is for the archive, whether the server says how long it is or not."""
    server.length = length
    monkeypatch.setattr(download, "free_space", lambda _: 2 * len(BODY) - 2)
    with pytest.raises(TooLarge, match="699,999 bytes"):
        fetch(repository, f"{server.url}/rootfs.tar")
    assert left(repository) == set()
    monkeypatch.setattr(download, "free_space", lambda _: 2 * len(BODY))
    assert fetch(repository, f"{server.url}/rootfs.tar") == BODY


def test_what_has_come_counts(
    server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.breaks = [600_000, 0, 0, 0]
    with pytest.raises(DownloadFailed):
        fetch(repository, f"{server.url}/rootfs.tar")
    monkeypatch.setattr(download, "free_space", lambda _: 2 * len(BODY) - 600_000)
    assert fetch(repository, f"{server.url}/rootfs.tar") == BODY


@pytest.mark.parametrize("length", [True, False])
def test_more_than_is_allowed(
    server: Server, repository: Repository, monkeypatch: pytest.MonkeyPatch, length: bool
) -> None:
    server.length = length
    monkeypatch.setattr(limits, "_LITTLE", 1000)
    with pytest.raises(TooLarge, match="more than 699,000 bytes"):
        fetch(repository, f"{server.url}/rootfs.tar", max_size=349_000)
    assert left(repository) == set()
    assert fetch(repository, f"{server.url}/rootfs.tar", max_size=350_000) == BODY


def test_proxies(server: Server, repository: Repository) -> None:
    proxy = {"http_proxy": server.url}
    assert fetch(repository, "http://example.invalid/rootfs.tar", proxies=proxy) == BODY
    assert server.asked[-1][0] == "http://example.invalid/rootfs.tar"
    for direct in ("example.invalid", ".invalid", "*", "a.b, invalid"):
        with pytest.raises(DownloadFailed):
            fetch(
                repository,
                "http://example.invalid/rootfs.tar",
                proxies={**proxy, "no_proxy": direct},
            )
    cgi = {"HTTP_PROXY": server.url}  # a header of a request, for a server's scripts
    with pytest.raises(DownloadFailed):
        fetch(repository, "http://example.invalid/rootfs.tar", proxies=cgi)


def test_tls(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server = Server(BODY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    server.redirects = {"/down": f"http://localhost:{port}/rootfs.tar"}
    with serving(server):
        url = f"https://localhost:{port}"
        with pytest.raises(DownloadFailed, match="its certificate is not trusted"):
            fetch(repository, f"{url}/rootfs.tar")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(repository, f"{url}/rootfs.tar") == BODY
        with pytest.raises(DownloadFailed, match="not as safe"):
            fetch(repository, f"{url}/down")
