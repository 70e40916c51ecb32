"""A server on loopback that fails as servers do."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T", bound=http.server.ThreadingHTTPServer)


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; `breaks` says after how many bytes each of the next answers ends.

    Until `released` is set, it waits there before it ends.
    """

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.etag: str | None = '"one"'
        self.modified: str | None = None
        self.ranges = True
        self.span: str | None = None  # what it says of a part, in place of what is so
        self.length: bool | str = True  # or what it says of the length
        self.reason: str | None = None  # of what is not there
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.redirects: dict[str, str] = {}
        self.released = threading.Event()
        self.released.set()

    def handle_error(self, *_: object) -> None:
        """Say nothing: the tests break connections."""

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        """Answer with the body, or with what the server is told to do."""
        server, headers = self.server, self.headers
        server.asked.append((self.path, headers["Range"], headers["If-Range"]))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
            return
        if "rootfs" not in self.path:
            self.send_error(404, server.reason)
            return
        start = 0
        if server.ranges and headers["Range"] and headers["If-Range"] in (server.etag, None):
            start = int(headers["Range"].removeprefix("bytes=").rstrip("-"))
        self._answer(start)

    def _answer(self, start: int) -> None:
        server = self.server
        total = len(server.body)
        if start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            so = f"bytes {start}-{total - 1}/{total}"
            self.send_header("Content-Range", so if server.span is None else server.span)
        if server.length:
            known = server.length if isinstance(server.length, str) else str(total - start)
            self.send_header("Content-Length", known)
        if server.etag is not None:
            self.send_header("ETag", server.etag)
        if server.modified is not None:
            self.send_header("Last-Modified", server.modified)
        self.end_headers()
        end = start + server.breaks.pop(0) if server.breaks else total
        self.wfile.write(server.body[start:end])
        self.wfile.flush()
        server.released.wait()


class Index(http.server.ThreadingHTTPServer):
    """Says `answers[path]`, a body and headers, at each path; 404 elsewhere."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.leads_to = ""  # where it sends whoever asks
        self.asked: list[str] = []
        self.heard: list[str | None] = []  # who they say that they are

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self.server_address[1]}"


class _Answering(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Index

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        """Answer with what the server has for the path."""
        self.server.asked.append(self.path)
        self.server.heard.append(self.headers["Authorization"])
        if self.server.leads_to:
            self.send_response(302)
            self.send_header("Location", self.server.leads_to)
            self.end_headers()
            return
        found = self.server.answers.get(self.path.partition("?")[0])
        if found is None:
            self.send_error(404)
            return
        body, headers = found
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(server: T) -> Iterator[T]:
    """Have it answer meanwhile."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
