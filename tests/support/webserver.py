"""A server on loopback that fails as servers do."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
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


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Have it answer meanwhile."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
